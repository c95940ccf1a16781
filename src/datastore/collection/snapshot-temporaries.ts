/**
 * What an update of a manifest, an owner or notes leaves when the process is killed in the middle: a temporary file that
 * nobody names (races.md R-56). The walk of the roots sees them; here the old ones go.
 */
import { isSystemError } from '../../base/errors.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'

/** An update takes milliseconds; file times may be those of another machine's clock. */
const AGE_MIN_MS = 24 * 3_600_000
const NANOSECONDS_PER_MS = 1e6
/** Those that are written beside what they replace (base/fs/atomic-write.ts). */
const NAME = /^(?:index\.json\.blob|owner|notes)\.tmp_[A-Za-z0-9]{6}$/

export function isSnapshotTemporary(name: string): boolean {
  return NAME.test(name)
}

/** Removes those of `paths` that are a day old; their number. Throws the abort reason, system errors. */
export async function removeOldTemporaries(
  fs: FileSystem,
  paths: Iterable<string>,
  options: { readonly nowMs: number; readonly signal: AbortSignal | undefined },
): Promise<number> {
  let count = 0
  for (const path of paths) {
    options.signal?.throwIfAborted()
    try {
      const { kind, mtimeNs, ctimeNs } = await fs.lstat(path)
      const changedMs = Number(mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / NANOSECONDS_PER_MS
      if (kind !== 'file' || changedMs >= options.nowMs - AGE_MIN_MS) continue
      await fs.unlink(path)
      count += 1
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
  }
  return count
}
