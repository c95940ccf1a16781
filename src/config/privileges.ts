/** Privileges and roles. Bits are internal, names are the interface. Source: rest-api.md 3.1, 3.2 (4.2). */

const PRIVILEGE_NAMES = [
  'Sys.Audit',
  'Sys.Modify',
  'Sys.PowerManagement',
  'Datastore.Audit',
  'Datastore.Allocate',
  'Datastore.Modify',
  'Datastore.Read',
  'Datastore.Verify',
  'Datastore.Backup',
  'Datastore.Prune',
  'Permissions.Modify',
  'Remote.Audit',
  'Remote.Modify',
  'Remote.Read',
  'Remote.DatastoreBackup',
  'Remote.DatastoreModify',
  'Remote.DatastorePrune',
  'Sys.Console',
  'Tape.Audit',
  'Tape.Modify',
  'Tape.Write',
  'Tape.Read',
  'Realm.Allocate',
] as const

export type PrivilegeName = (typeof PRIVILEGE_NAMES)[number]

/** The bit of each privilege. */
export const PRIVILEGES: Readonly<Record<PrivilegeName, bigint>> = Object.freeze(
  Object.fromEntries(PRIVILEGE_NAMES.map((name, index) => [name, 1n << BigInt(index)])) as Record<
    PrivilegeName,
    bigint
  >,
)

export const NO_PRIVILEGES = 0n
/** All 64 bits: what the role Admin and the superuser have, future privileges included. */
export const ALL_PRIVILEGES = (1n << 64n) - 1n

export interface Role {
  readonly privileges: bigint
  readonly comment: string
}

/** Every role there is; roles cannot be edited. */
export const ROLES = Object.freeze({
  Admin: { privileges: ALL_PRIVILEGES, comment: 'Administrator' },
  Audit: role('Auditor', 'Sys.Audit', 'Datastore.Audit'),
  NoAccess: role('Disable Access'),
  DatastoreAdmin: role(
    'Datastore Administrator',
    'Datastore.Audit',
    'Datastore.Modify',
    'Datastore.Read',
    'Datastore.Verify',
    'Datastore.Backup',
    'Datastore.Prune',
  ),
  DatastoreReader: role(
    'Datastore Reader (inspect datastore content and do restores)',
    'Datastore.Audit',
    'Datastore.Verify',
    'Datastore.Read',
  ),
  DatastoreBackup: role('Datastore Backup (backup and restore owned backups)', 'Datastore.Backup'),
  DatastorePowerUser: role(
    'Datastore PowerUser (backup, restore and prune owned backup)',
    'Datastore.Prune',
    'Datastore.Backup',
  ),
  DatastoreAudit: role('Datastore Auditor', 'Datastore.Audit'),
  RemoteAudit: role('Remote Auditor', 'Remote.Audit'),
  RemoteAdmin: role('Remote Administrator', 'Remote.Audit', 'Remote.Modify', 'Remote.Read'),
  RemoteSyncOperator: role('Synchronization Operator', 'Remote.Audit', 'Remote.Read'),
  RemoteSyncPushOperator: role(
    'Synchronisation Operator (push direction)',
    'Remote.Audit',
    'Remote.DatastoreBackup',
  ),
  RemoteDatastorePowerUser: role(
    'Remote Datastore Prune',
    'Remote.Audit',
    'Remote.DatastoreBackup',
    'Remote.DatastorePrune',
  ),
  RemoteDatastoreAdmin: role(
    'Remote Datastore Admin',
    'Remote.Audit',
    'Remote.DatastoreBackup',
    'Remote.DatastoreModify',
    'Remote.DatastorePrune',
  ),
  TapeAudit: role('Tape Auditor', 'Tape.Audit'),
  TapeAdmin: role('Tape Administrator', 'Tape.Audit', 'Tape.Modify', 'Tape.Read', 'Tape.Write'),
  TapeOperator: role('Tape Operator', 'Tape.Audit', 'Tape.Read', 'Tape.Write'),
  TapeReader: role('Tape Reader', 'Tape.Audit', 'Tape.Read'),
})

export type RoleName = keyof typeof ROLES

/** The names of roles, in the order of the specification. */
export const ROLE_NAMES = Object.freeze(Object.keys(ROLES)) as readonly RoleName[]

/** Whether `text` names a role. */
export function isRoleName(text: string): text is RoleName {
  return Object.hasOwn(ROLES, text)
}

/** The names of the bits set, in bit order. */
export function privilegeNames(bits: bigint): PrivilegeName[] {
  return PRIVILEGE_NAMES.filter((name) => (bits & PRIVILEGES[name]) !== 0n)
}

/** The bits of `names`. */
export function privilegeBits(names: readonly PrivilegeName[]): bigint {
  return names.reduce((bits, name) => bits | PRIVILEGES[name], NO_PRIVILEGES)
}

function role(comment: string, ...names: readonly PrivilegeName[]): Role {
  return Object.freeze({ privileges: privilegeBits(names), comment })
}
