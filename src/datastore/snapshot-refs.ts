/** Which snapshots a group has, by the names of its folders alone. */
import { isSystemError } from '../base/errors.ts'
import { BACKUP_TIME, parseBackupTime } from '../formats/backup-time.ts'
import type { GroupRef, SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import { groupPath } from './layout.ts'

/** Only the names, oldest first: finished or not. A missing group has none. */
export async function listSnapshotRefs(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<SnapshotRef[]> {
  const refs: SnapshotRef[] = []
  try {
    for (const { name, kind } of await store.fs.readDir(groupPath(store.path, ns, group))) {
      const time = kind === 'folder' ? timeOf(name) : null
      if (time !== null) refs.push({ type: group.type, id: group.id, time })
    }
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error
  }
  return refs.toSorted((a, b) => a.time - b.time)
}

function timeOf(name: string): number | null {
  if (!BACKUP_TIME.test(name)) return null
  try {
    return parseBackupTime(name)
  } catch {
    // Looks like a time and is none (30 February): not a snapshot.
    return null
  }
}
