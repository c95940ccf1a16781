/** Ends the removals of snapshots that began in the bucket and did not end here (races.md R-57, `remove-from-bucket.ts`). */
import { errorChain } from '../base/errors.ts'
import type { GroupRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import { isBucketOurs } from './bucket/is-ours.ts'
import type { Datastore } from './datastore.ts'
import { listGroups } from './groups.ts'
import { relativeSnapshotPath } from './layout.ts'
import { listNamespaces } from './namespaces.ts'
import { isRemovalBegun } from './remove-from-bucket.ts'
import { removeSnapshot } from './remove-snapshot.ts'
import { listSnapshotRefs } from './snapshot-refs.ts'

/** Finds in a group what a former process began; nothing in a datastore without a bucket. */
export async function findBegun(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<void> {
  if (store.bucket === null) return
  for (const ref of await listSnapshotRefs(store, ns, group)) {
    if (!(await isRemovalBegun(store, ns, ref))) continue
    store.core.begunRemovals.set(relativeSnapshotPath(ns, ref), { ns, ref })
  }
}

/** As `findBegun`, in all groups. */
export async function findAllBegun(store: Datastore): Promise<void> {
  if (store.bucket === null) return
  for (const ns of await listNamespaces(store)) {
    for (const group of await listGroups(store, ns)) await findBegun(store, ns, group)
  }
}

/**
 * Removes the snapshots whose removal is known to have begun, and their groups with the last one. What cannot be removed
 * is a warning and stays for the next time: in use, a bucket that does not answer, or is not ours as it was.
 */
export async function finishBegun(store: Datastore): Promise<void> {
  const { core, log, name } = store
  if (core.begunRemovals.size === 0) return
  if (!(await isBucketOurs(store, 'snapshots whose removal began'))) return
  for (const [path, { ns, ref }] of core.begunRemovals) {
    try {
      // Somebody else may have removed it, and a backup have made it anew.
      const confirm = async (): Promise<boolean> => await isRemovalBegun(store, ns, ref)
      const outcome = await removeSnapshot(store, ns, ref, { removesGroup: true, confirm })
      core.begunRemovals.delete(path)
      if (outcome === 'removed') log.info('ended the removal of a snapshot', { store: name, path })
    } catch (error) {
      const fields = { store: name, path, error: errorChain(error) }
      log.warn('cannot end the removal of a snapshot', fields)
    }
  }
}
