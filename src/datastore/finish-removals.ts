/** After a crash in a removal: what was hidden goes for good (races.md R-47), and with the last snapshot the group. */
import { hasCode } from '../base/errors.ts'
import type { GroupRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import { removeEmptyGroup, removeRests } from './empty-group.ts'
import { isForlorn } from './groups.ts'
import { groupPath } from './layout.ts'
import { listSnapshotRefs } from './snapshot-refs.ts'

/** Finishes the removals that were interrupted in a group; one that is in use is left to its user. */
export async function finishRemovals(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<void> {
  const hadRests = await removeRests(store, groupPath(store.path, ns, group))
  // Without rests only a folder without owner is the end of a removal: an empty group with one is somebody's.
  const isLeft = hadRests || (await isForlorn(store, ns, group))
  if (!isLeft || (await listSnapshotRefs(store, ns, group)).length > 0) return
  try {
    const lock = await store.locks.lockGroup(ns, group)
    let isGone = false
    try {
      isGone = await removeEmptyGroup(store, ns, group)
    } finally {
      await (isGone ? lock.unlinkAndRelease() : lock.release())
    }
  } catch (error) {
    if (!hasCode(error, 'GROUP_LOCK_BUSY')) throw error
  }
}
