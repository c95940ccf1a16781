/**
 * The one way to publish a file: a reader sees the old content or the new one, never a part.
 *
 * Order: temporary in the same folder, content, mode and owner, fsync, rename, fsync of the folder
 * (the two syncs only if durable). After a power cut a durable write has the new content or the old.
 */
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { isSystemError } from '../errors.ts'
import type { FileSystem } from './file-system.ts'

export interface AtomicWriteOptions {
  readonly mode: number
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
  /** Whether content and name are on stable storage when the promise resolves. */
  readonly durable: boolean
}

/** A name of six characters is taken with a chance of 1 in 10^9; three tries are plenty. */
const ATTEMPTS_MAX = 3
const NAME_CHARACTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

/** Publishes `data` (pieces are concatenated) as `path`; on error `path` is untouched and the temporary gone. */
export async function atomicWrite(
  fs: FileSystem,
  path: string,
  data: Uint8Array | readonly Uint8Array[],
  options: AtomicWriteOptions,
): Promise<void> {
  const temporary = await writeTemporary(fs, path, data, options)
  try {
    await fs.rename(temporary, path)
  } catch (error) {
    await removeQuietly(fs, temporary)
    throw error
  }
  if (options.durable) await fs.syncFolder(dirname(path))
}

/** Path of a fresh temporary for `path`: `<path>.tmp_XXXXXX`. */
export function temporaryPath(path: string): string {
  let suffix = ''
  for (const byte of randomBytes(6)) suffix += NAME_CHARACTERS[byte % NAME_CHARACTERS.length]
  return `${path}.tmp_${suffix}`
}

/** Writes a temporary beside `path` and gives its path, for callers that publish by other means than rename. */
export async function writeTemporary(
  fs: FileSystem,
  path: string,
  data: Uint8Array | readonly Uint8Array[],
  options: AtomicWriteOptions,
): Promise<string> {
  const temporary = await createTemporary(fs, path, options.mode)
  try {
    await using handle = temporary.handle
    const pieces = data instanceof Uint8Array ? [data] : data
    await handle.writev(pieces, 0)
    // The mode given to open is cut by the umask.
    await handle.chmod(options.mode)
    if (options.owner !== undefined) await handle.chown(options.owner.uid, options.owner.gid)
    if (options.durable) await handle.sync()
  } catch (error) {
    await removeQuietly(fs, temporary.path)
    throw error
  }
  return temporary.path
}

async function createTemporary(fs: FileSystem, path: string, mode: number) {
  for (let attempt = 1; ; attempt++) {
    const temporary = temporaryPath(path)
    try {
      return { path: temporary, handle: await fs.open(temporary, 'create-new', mode) }
    } catch (error) {
      if (attempt >= ATTEMPTS_MAX || !isSystemError(error, 'EEXIST')) throw error
    }
  }
}

async function removeQuietly(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.unlink(path)
  } catch {
    // The first error is the one to report; a left temporary is harmless and recognised by its name.
  }
}
