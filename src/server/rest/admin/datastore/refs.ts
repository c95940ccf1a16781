/** Groups and snapshots as parameters name them. */
import type { BackupType, GroupRef, SnapshotRef } from '../../../../formats/names.ts'
import { parseBackupId } from '../../../../formats/names.ts'

interface GroupMembers {
  readonly 'backup-type': BackupType
  readonly 'backup-id': string
}

/** The group that `parameters` name. */
export function groupOf(parameters: GroupMembers): GroupRef {
  return { type: parameters['backup-type'], id: parseBackupId(parameters['backup-id']) }
}

/** The snapshot that `parameters` name. */
export function snapshotOf(
  parameters: GroupMembers & { readonly 'backup-time': number },
): SnapshotRef {
  return { ...groupOf(parameters), time: parameters['backup-time'] }
}
