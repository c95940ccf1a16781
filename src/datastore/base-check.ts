/** Whether a snapshot may be the base of a backup: none of its chunks is known to be gone (races.md R-32). */
import { parseArchiveName } from '../formats/archive-name.ts'
import type { Digest } from '../formats/digest.ts'
import { DigestSet } from '../formats/digest-map.ts'
import type { Manifest } from '../formats/manifest.ts'
import type { SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import { breathe, STEPS_PER_BREATH } from './sessions/breathe.ts'
import { readIndex } from './snapshot-files.ts'

/**
 * True if an index of the snapshot names a chunk that is known to be missing and still is. Its indexes are read only
 * if there is any such chunk in the datastore; one that cannot be read says nothing here.
 */
export async function namesMissingChunk(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  manifest: Manifest,
): Promise<boolean> {
  const missing = new DigestSet()
  for (const digest of await store.core.missing.list()) {
    if (await isMissing(store, digest)) missing.add(digest)
  }
  if (missing.size === 0) return false
  for (const { filename } of manifest.files) {
    if (await indexNamesAny(store, { ns, ref, filename }, missing)) return true
  }
  return false
}

/** Looked at afresh: an upload may have brought it back. */
async function isMissing(store: Datastore, digest: Digest): Promise<boolean> {
  const stat = await store.chunks.stat(digest)
  if (stat !== null) await store.core.missing.remove(digest)
  return stat === null
}

async function indexNamesAny(
  store: Datastore,
  file: { readonly ns: NamespacePath; readonly ref: SnapshotRef; readonly filename: string },
  digests: DigestSet,
): Promise<boolean> {
  const kind = parseArchiveName(file.filename)?.kind ?? 'blob'
  if (kind === 'blob') return false
  const index = await readIndex(store, file.ns, file.ref, file.filename).catch(() => null)
  if (index === null) return false
  for (let position = 0; position < index.count; position += 1) {
    const { bytes, offset } = index.digestLocation(position)
    if (digests.hasAt(bytes, offset)) return true
    if (position % STEPS_PER_BREATH === STEPS_PER_BREATH - 1) await breathe()
  }
  return false
}
