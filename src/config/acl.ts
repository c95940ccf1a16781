/** Who may do what where: the ACL tree and its evaluation. Source: rest-api.md 3.3, 3.4. */
import {
  ACL_FILE,
  type AclConfig,
  type AclRule,
  aclComponents,
  changePath,
  normalizeAclPath,
  rulesOf,
} from './acl-file.ts'
import { checkAclPath } from './acl-path.ts'
import { SUPERUSER, splitAuthId } from './auth-id.ts'
import type { ConfigFiles } from './config-files.ts'
import { errors } from './errors.ts'
import {
  ALL_PRIVILEGES,
  isRoleName,
  NO_PRIVILEGES,
  type PrivilegeName,
  privilegeNames,
  ROLES,
} from './privileges.ts'
import { findToken, findUser, isActive } from './users.ts'

/** An entry as REST lists it. */
export interface AclEntry {
  readonly path: string
  readonly ugid: string
  readonly ugid_type: 'user' | 'group'
  readonly propagate: boolean
  readonly roleid: string
}

/** What an auth id may do at one path, and what of it holds below. */
export interface PathPrivileges {
  readonly privileges: bigint
  readonly propagated: bigint
}

export interface AclUpdate {
  readonly path: string
  readonly role: string
  readonly authId: string
  readonly propagate?: boolean
  readonly delete?: boolean
  readonly digest?: string | undefined
}

const NOTHING: PathPrivileges = Object.freeze({
  privileges: NO_PRIVILEGES,
  propagated: NO_PRIVILEGES,
})
const EVERYTHING: PathPrivileges = Object.freeze({
  privileges: ALL_PRIVILEGES,
  propagated: ALL_PRIVILEGES,
})
/** Paths that GET /access/permissions shows besides those of the file. */
const COMMON_PATHS = ['/', '/access', '/datastore', '/remote', '/system']

/** Roles by auth id and path (`auth id NUL path`), built once per version of the file. */
type RoleTable = ReadonlyMap<string, readonly AclRule[]>
const tables = new WeakMap<AclConfig, RoleTable>()

/** All entries in file order, and the digest of the file. */
export async function listAclEntries(
  files: ConfigFiles,
): Promise<{ readonly entries: readonly AclEntry[]; readonly digest: string }> {
  const { value, digest } = await files.read(ACL_FILE)
  const entries = rulesOf(value).map(({ path, ugid, role, propagate }): AclEntry => {
    const isGroup = ugid.startsWith('@')
    return {
      path,
      ugid: isGroup ? ugid.slice(1) : ugid,
      ugid_type: isGroup ? 'group' : 'user',
      propagate,
      roleid: role,
    }
  })
  return { entries, digest }
}

/** What `authId` may do at `path`: nothing if inactive, all for `root@pam`, a token at most what its user may. */
export async function privilegesOf(
  files: ConfigFiles,
  authId: string,
  path: string,
): Promise<PathPrivileges> {
  if (!(await isActive(files, authId))) return NOTHING
  const { value } = await files.read(ACL_FILE)
  return evaluate(value, authId, path)
}

/** Path → privilege → whether it propagates, without paths where `authId` has none. */
export async function permissionsOf(
  files: ConfigFiles,
  authId: string,
  path?: string,
): Promise<Record<string, Partial<Record<PrivilegeName, boolean>>>> {
  const { value } = await files.read(ACL_FILE)
  const all = [...COMMON_PATHS, ...rulesOf(value).map((rule) => rule.path)]
  const paths = path === undefined ? [...new Set(all)].toSorted() : [path]
  const active = await isActive(files, authId)
  const permissions: [string, Partial<Record<PrivilegeName, boolean>>][] = []
  for (const at of paths) {
    const { privileges, propagated } = active ? evaluate(value, authId, at) : NOTHING
    const inherited = new Set(privilegeNames(propagated))
    const names = privilegeNames(privileges).map((name) => [name, inherited.has(name)] as const)
    if (names.length > 0) permissions.push([at, Object.fromEntries(names)])
  }
  return Object.fromEntries(permissions)
}

/**
 * Adds or removes one entry; adding an existing and removing a missing one succeeds.
 * Errors: ROLE_UNKNOWN, ACL_PATH, ACL_NO_USER, ACL_NO_TOKEN, CONFIG_MODIFIED.
 */
export async function updateAcl(files: ConfigFiles, update: AclUpdate): Promise<void> {
  const { authId, role } = update
  if (!isRoleName(role)) throw errors.ROLE_UNKNOWN({ role })
  const isRemoval = update.delete ?? false
  const path = normalizeAclPath(update.path)
  const change = async (config: AclConfig): Promise<AclConfig> => {
    if (!isRemoval) {
      checkAclPath(update.path)
      await checkAuthId(files, authId)
    }
    return changePath(config, path, (rules) => {
      const propagate = update.propagate ?? true
      const others = rules.filter((rule) => rule.ugid !== authId || rule.role !== role)
      if (isRemoval) return others
      const removed = rules.filter((rule) => !others.includes(rule))
      if (removed.length === 1 && removed[0]?.propagate === propagate) return rules
      return [...others, { path, ugid: authId, role, propagate }]
    })
  }
  await files.update(ACL_FILE, change, { digest: update.digest })
}

/** Removes every entry of `authId`. */
export async function removeAclOf(files: ConfigFiles, authId: string): Promise<void> {
  await removeRules(files, (rule) => rule.ugid === authId)
}

/** Removes all entries at `path` and below it. */
export async function removeAclSubtree(files: ConfigFiles, path: string): Promise<void> {
  const root = normalizeAclPath(path)
  await removeRules(files, (rule) => rule.path === root || rule.path.startsWith(`${root}/`))
}

async function removeRules(
  files: ConfigFiles,
  isRemoved: (rule: AclRule) => boolean,
): Promise<void> {
  await files.update(ACL_FILE, (config) => {
    const paths = new Set(
      rulesOf(config)
        .filter(isRemoved)
        .map((rule) => rule.path),
    )
    let next = config
    for (const path of paths) {
      next = changePath(next, path, (rules) => rules.filter((rule) => !isRemoved(rule)))
    }
    return next
  })
}

async function checkAuthId(files: ConfigFiles, authId: string): Promise<void> {
  const { userid, token } = splitAuthId(authId)
  if (token === null && (await findUser(files, userid)) === null) {
    throw errors.ACL_NO_USER({ authId })
  }
  if (token !== null && (await findToken(files, authId)) === null) {
    throw errors.ACL_NO_TOKEN({ authId })
  }
}

function evaluate(config: AclConfig, authId: string, path: string): PathPrivileges {
  if (authId === SUPERUSER) return EVERYTHING
  const { userid, token } = splitAuthId(authId)
  const own = evaluateRules(tableOf(config), authId, path)
  if (token === null) return own
  const user = evaluate(config, userid, path)
  return {
    privileges: own.privileges & user.privileges,
    propagated: own.propagated & user.propagated,
  }
}

/** Walks down from `/`; at each node roles of this very auth id replace what was inherited. */
function evaluateRules(table: RoleTable, authId: string, path: string): PathPrivileges {
  const components = aclComponents(path)
  let current: readonly AclRule[] = []
  for (let depth = 0; depth <= components.length; depth += 1) {
    const node = `/${components.slice(0, depth).join('/')}`
    const rules = table.get(tableKey(authId, node)) ?? []
    const applicable = depth === components.length ? rules : rules.filter((r) => r.propagate)
    if (applicable.length > 0) current = applicable
  }
  if (current.some((rule) => rule.role === 'NoAccess')) return NOTHING
  return {
    privileges: bitsOf(current),
    propagated: bitsOf(current.filter((rule) => rule.propagate)),
  }
}

function bitsOf(rules: readonly AclRule[]): bigint {
  return rules.reduce(
    (bits, { role }) => (isRoleName(role) ? bits | ROLES[role].privileges : bits),
    NO_PRIVILEGES,
  )
}

function tableOf(config: AclConfig): RoleTable {
  const known = tables.get(config)
  if (known !== undefined) return known
  const table = new Map<string, AclRule[]>()
  for (const rule of rulesOf(config)) {
    const key = tableKey(rule.ugid, rule.path)
    table.set(key, [...(table.get(key) ?? []), rule])
  }
  tables.set(config, table)
  return table
}

function tableKey(authId: string, path: string): string {
  return `${authId}\0${path}`
}
