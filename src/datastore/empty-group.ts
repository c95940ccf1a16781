/** The end of a group: it goes with its last snapshot (datastore-semantics.md 5.4). */
import type { GroupRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import { groupPath, namespacePath, NOTES_FILE, OWNER_FILE } from './layout.ts'
import { listSnapshotRefs } from './snapshot-refs.ts'

/** Removes a group without snapshots: notes, owner, folder. The caller holds its lock and removes the lock file. */
export async function removeEmptyGroup(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<boolean> {
  const path = groupPath(store.path, ns, group)
  if ((await listSnapshotRefs(store, ns, group)).length > 0) return false
  await store.files.remove(`${path}/${NOTES_FILE}`)
  await store.files.remove(`${path}/${OWNER_FILE}`)
  const isGone = await store.files.removeEmptyFolder(path)
  if (isGone) await store.files.syncNames(`${namespacePath(store.path, ns)}/${group.type}`)
  return isGone
}
