/** Snapshots that need a chunk which is really gone: each is marked as failed, so that it is no base and everybody sees it (races.md ). */
import { toError } from '../../../base/errors.ts'
import { MANIFEST_NAME } from '../../../formats/archive-name.ts'
import { parseSnapshot, type SnapshotRef } from '../../../formats/names.ts'
import { type NamespacePath, parseNamespace } from '../../../formats/namespace.ts'
import type { DigestSet } from '../../../formats/digest-map.ts'
import { isVerifyFailed, readManifest, setVerifyState } from '../../manifest-store.ts'
import { breathe, STEPS_PER_BREATH } from '../../sessions/breathe.ts'
import { readIndexFile } from '../../snapshot-files.ts'
import type { Roots } from '../roots.ts'
import type { CollectionRun } from '../run.ts'
import { isExpectedPlace } from '../walk-roots.ts'

/** `ns/a/ns/b/` before the group. */
const NAMESPACES = /^(?:ns\/[^/]+\/)*/

/** Marks all finished snapshots that name one of `missing` as failed. What cannot be marked is a warning. */
export async function flagSnapshots(
  run: CollectionRun,
  roots: Roots,
  missing: DigestSet,
): Promise<void> {
  const { store, progress } = run
  if (missing.size === 0) return
  const flagged = new Set<string>()
  for (const { path } of roots.files) {
    progress.signal.throwIfAborted()
    const folder = path.slice(0, path.lastIndexOf('/'))
    if (flagged.has(folder) || !isExpectedPlace(path)) continue
    // One without is not finished; who writes it finds out for himself.
    if (!(await store.files.exists(`${store.path}/${folder}/${MANIFEST_NAME}`))) continue
    try {
      if (!(await namesAny(run, path, missing))) continue
      flagged.add(folder)
      await flag(run, folder)
    } catch (error) {
      progress.warn(`cannot mark snapshot ${folder} as failed: ${toError(error).message}`)
    }
  }
}

async function namesAny({ store }: CollectionRun, path: string, digests: DigestSet) {
  const index = await readIndexFile(store, `${store.path}/${path}`)
  for (let position = 0; position < index.count; position += 1) {
    const { bytes, offset } = index.digestLocation(position)
    if (digests.hasAt(bytes, offset)) return true
    if (position % STEPS_PER_BREATH === STEPS_PER_BREATH - 1) await breathe()
  }
  return false
}

async function flag({ store, counts, progress }: CollectionRun, folder: string): Promise<void> {
  const { ns, ref } = placeOf(folder)
  const { manifest } = await readManifest(store, ns, ref)
  if (isVerifyFailed(manifest)) return
  await setVerifyState(store, ns, ref, { state: 'failed', upid: counts.upid ?? '' })
  progress.log(`snapshot ${folder} needs missing chunks, its verification is set to failed`)
}

function placeOf(folder: string): { readonly ns: NamespacePath; readonly ref: SnapshotRef } {
  const [namespaces = ''] = NAMESPACES.exec(folder) ?? []
  const names = namespaces.split('/').filter((_name, index) => index % 2 === 1)
  return {
    ns: parseNamespace(names.join('/')),
    ref: parseSnapshot(folder.slice(namespaces.length)),
  }
}
