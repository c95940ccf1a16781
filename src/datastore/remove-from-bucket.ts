/**
 * The first half of a removal where the datastore is in a bucket (races.md R-57). Ended in between, by a crash or a bucket
 * that does not answer, it leaves a snapshot that is whole here and perhaps half there. A file in its folder, durable
 * before the first DELETE, says so: nothing is changed in it any more, and the next start, refresh or collection removes
 * the rest (`finish-begun.ts`).
 */
import { hasCode } from '../base/errors.ts'
import type { SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import { errors } from './errors.ts'
import {
  PROTECTED_FILE,
  relativeSnapshotPath,
  REMOVING_FILE,
  SNAPSHOT_FILE,
  snapshotPath,
} from './layout.ts'

/**
 * Removes the snapshot's objects, if there is a bucket; the caller holds its locks, and removes what is here when this has
 * ended. Throws BUCKET_DELETE_FAILED, the errors of ObjectStore: what is here stays then.
 */
export async function removeFromBucket(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<void> {
  const { bucket, core, files } = store
  const path = relativeSnapshotPath(ns, ref)
  const onBegin = async (): Promise<void> => {
    core.begunRemovals.set(path, { ns, ref })
    const note = notePath(store, ns, ref)
    if (!(await files.exists(note))) await files.createNew(note, new Uint8Array())
  }
  await bucket?.tree.removeTree(path, { onBegin })
  core.begunRemovals.delete(path)
}

/** Whether a removal of the snapshot began that did not end; never for a datastore in a folder. */
export async function isRemovalBegun(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<boolean> {
  return store.bucket !== null && (await store.files.exists(notePath(store, ns, ref)))
}

/**
 * To be awaited before a snapshot is changed, under a lock of it. One whose removal removed nothing may be kept: the
 * removal is forgotten. Throws SNAPSHOT_LEAVING if it is half gone, or may be.
 */
export async function checkNotLeaving(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<void> {
  if (!(await isRemovalBegun(store, ns, ref))) return
  const path = relativeSnapshotPath(ns, ref)
  if (!(await isWhole(store, ns, ref))) throw errors.SNAPSHOT_LEAVING({ path })
  await store.files.remove(notePath(store, ns, ref))
  store.core.begunRemovals.delete(path)
}

/** Whether all that is here is there, too, and stays. */
async function isWhole(
  { bucket, fs, path }: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<boolean> {
  const folder = relativeSnapshotPath(ns, ref)
  try {
    await bucket?.tree.checkUsable(folder)
  } catch (error) {
    if (hasCode(error, 'SNAPSHOT_SUSPECT')) return false
    throw error
  }
  const there = await bucket?.tree.namesIn(folder)
  const entries = await fs.readDir(snapshotPath(path, ns, ref))
  return entries.every(({ name }) => !isCopied(name) || there?.has(name) === true)
}

function isCopied(name: string): boolean {
  return SNAPSHOT_FILE.test(name) || name === PROTECTED_FILE
}

function notePath({ path }: Datastore, ns: NamespacePath, ref: SnapshotRef): string {
  return `${snapshotPath(path, ns, ref)}/${REMOVING_FILE}`
}
