/**
 * The two sides of a move in a bucket (datastore-semantics.md 17, races.md R-61): all is at the new place before the
 * folder is renamed here, and goes from the old place after that.
 */
import { errorChain } from '../../base/errors.ts'
import { MANIFEST_NAME } from '../../formats/archive-name.ts'
import type { SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import type { StoreBucket } from '../bucket/store-bucket.ts'
import type { Datastore } from '../datastore.ts'
import { PROTECTED_FILE, relativeSnapshotPath, SNAPSHOT_FILE, snapshotPath } from '../layout.ts'
import { INDEX_SIZE_MAX } from '../snapshot-files.ts'

export interface MovedSnapshot {
  readonly from: NamespacePath
  readonly to: NamespacePath
  readonly ref: SnapshotRef
}

/** Copies what the snapshot's folder here has, the manifest last. Throws the errors of ObjectStore, SNAPSHOT_SUSPECT. */
export async function copyInBucket(
  store: Datastore,
  { from, to, ref }: MovedSnapshot,
): Promise<void> {
  const { bucket } = store
  if (bucket === null) return
  const folder = snapshotPath(store.path, from, ref)
  const [source, target] = [relativeSnapshotPath(from, ref), relativeSnapshotPath(to, ref)]
  await bucket.tree.checkUsable(target)
  const entries = await store.fs.readDir(folder)
  for (const { name, kind } of entries) {
    if (kind !== 'file' || name === MANIFEST_NAME) continue
    if (name === PROTECTED_FILE) await bucket.tree.mark(`${target}/${name}`)
    else if (SNAPSHOT_FILE.test(name)) {
      await copyFile(store, bucket, { folder, source, target, name })
    }
  }
  if (!entries.some(({ name }) => name === MANIFEST_NAME)) return
  // Not as a copy: one that comes late would replace what was written over it (races.md R-70).
  const manifest = await store.fs.readFile(`${folder}/${MANIFEST_NAME}`)
  await bucket.tree.write(`${target}/${MANIFEST_NAME}`, manifest)
}

/** What cannot be removed is garbage that a refresh shows as a second copy: no loss. */
export async function removeMovedInBucket(
  store: Datastore,
  { from, ref }: Omit<MovedSnapshot, 'to'>,
): Promise<void> {
  const path = relativeSnapshotPath(from, ref)
  try {
    await store.bucket?.tree.removeTree(path)
  } catch (error) {
    const place = { store: store.name, path, error: errorChain(error) }
    store.log.warn('a moved snapshot is still at its old place in the bucket, too', place)
  }
}

async function copyFile(
  store: Datastore,
  { tree }: StoreBucket,
  place: {
    readonly folder: string
    readonly source: string
    readonly target: string
    readonly name: string
  },
): Promise<void> {
  const { folder, source, target, name } = place
  if (await tree.copy(`${source}/${name}`, `${target}/${name}`)) return
  // Not in the bucket, although it should be: from here on it is.
  const bytes = await store.fs.readFile(`${folder}/${name}`, INDEX_SIZE_MAX)
  await tree.write(`${target}/${name}`, bytes)
}
