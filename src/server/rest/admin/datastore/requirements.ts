/** The privileges that calls on groups and snapshots need (rest-api §4.3, column "perm"). */
import type { Requirement } from './access.ts'

export const LIST: Requirement = { full: ['Datastore.Audit'], owner: 'Datastore.Backup' }
export const LOOK: Requirement = {
  full: ['Datastore.Audit', 'Datastore.Read'],
  owner: 'Datastore.Backup',
}
export const READ: Requirement = { full: ['Datastore.Read'], owner: 'Datastore.Backup' }
export const CHANGE: Requirement = { full: ['Datastore.Modify'], owner: 'Datastore.Backup' }
export const REMOVE: Requirement = { full: ['Datastore.Modify'], owner: 'Datastore.Prune' }
export const VERIFY: Requirement = { full: ['Datastore.Verify'], owner: 'Datastore.Backup' }
/** Nobody writes into a backup that is not his own. */
export const WRITE_OWN: Requirement = { full: [], owner: 'Datastore.Backup' }
