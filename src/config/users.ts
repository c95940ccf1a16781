/** Users and the public part of their API tokens: `user.cfg`. Source: rest-api.md 2.8, 4.2. */
import { unixSeconds } from '../base/time/clock.ts'
import { SUPERUSER, splitAuthId } from './auth-id.ts'
import type { ConfigFiles } from './config-files.ts'
import { errors } from './errors.ts'
import { parseBoolean } from './property-string.ts'
import {
  addSection,
  changeSection,
  findSection,
  propertiesOf,
  type Section,
  type SectionChanges,
  type SectionConfig,
  sectionsOf,
} from './section-config.ts'
import { USER_FILE } from './section-file.ts'

/** A user as REST shows it; what is absent is not stored (enabled, never expires). */
export interface UserConfig extends Validity {
  readonly userid: string
  readonly comment?: string
  readonly firstname?: string
  readonly lastname?: string
  readonly email?: string
}

/** The public part of an API token as REST shows it. */
export interface TokenConfig extends Validity {
  readonly tokenid: string
  readonly comment?: string
}

interface Validity {
  readonly enable?: boolean
  /** Unix seconds, 0 = never. */
  readonly expire?: number
}

export interface UserList {
  /** `root@pam` included, also when it is not stored. */
  readonly users: readonly UserConfig[]
  readonly tokens: readonly TokenConfig[]
  readonly digest: string
}

/** What a change of a user or token may set. */
export interface UserChange {
  readonly set: Omit<UserConfig, 'userid'>
  readonly delete?: readonly string[]
  readonly digest?: string | undefined
}

const IMPLICIT_SUPERUSER: UserConfig = Object.freeze({ userid: SUPERUSER, comment: 'Superuser' })

/** All users and tokens in file order. */
export async function listUsers(files: ConfigFiles): Promise<UserList> {
  const { value, digest } = await files.read(USER_FILE)
  const users = sectionsOf(value, 'user').map(userOf)
  if (!users.some((user) => user.userid === SUPERUSER)) users.push(IMPLICIT_SUPERUSER)
  return { users, tokens: sectionsOf(value, 'token').map(tokenOf), digest }
}

/** The user `userid`, or null. */
export async function findUser(files: ConfigFiles, userid: string): Promise<UserConfig | null> {
  const { value } = await files.read(USER_FILE)
  return userIn(value, userid)
}

/** The public part of the token `tokenid`, or null. */
export async function findToken(files: ConfigFiles, tokenid: string): Promise<TokenConfig | null> {
  const { value } = await files.read(USER_FILE)
  const section = findSection(value, 'token', tokenid)
  return section === null ? null : tokenOf(section)
}

/** Whether the user of `authId`, and the token if it names one, exist, are enabled and not expired. */
export async function isActive(files: ConfigFiles, authId: string): Promise<boolean> {
  const { userid, token } = splitAuthId(authId)
  const { value } = await files.read(USER_FILE)
  const now = unixSeconds(files.clock)
  if (!isValid(userIn(value, userid), now)) return false
  if (token === null) return true
  const section = findSection(value, 'token', authId)
  return section !== null && isValid(tokenOf(section), now)
}

/** Adds a user. Errors: USER_EXISTS, CONFIG_MODIFIED. */
export async function createUser(
  files: ConfigFiles,
  user: UserConfig,
  options: { readonly digest?: string | undefined } = {},
): Promise<void> {
  const { userid, ...properties } = user
  const add = (config: SectionConfig): SectionConfig => {
    if (userIn(config, userid) !== null) throw errors.USER_EXISTS({ userid })
    return addSection(config, { type: 'user', id: userid, properties: changesOf(properties) })
  }
  await files.update(USER_FILE, add, options)
}

/** Changes a user; `delete` is applied before `set`. Errors: USER_UNKNOWN, CONFIG_MODIFIED. */
export async function changeUser(
  files: ConfigFiles,
  userid: string,
  change: UserChange,
): Promise<void> {
  const apply = (config: SectionConfig): SectionConfig => {
    if (userIn(config, userid) === null) throw errors.USER_UNKNOWN({ userid, status: 400 })
    const stored = findSection(config, 'user', userid) !== null
    const { userid: id, ...implicit } = IMPLICIT_SUPERUSER
    const base = stored
      ? config
      : addSection(config, { type: 'user', id, properties: changesOf(implicit) })
    return changeSection(base, { type: 'user', id: userid }, mergedChanges(change))
  }
  await files.update(USER_FILE, apply, { digest: change.digest })
}

/** The changes that store `properties`: `enable` true and `expire` 0 are the defaults and are removed. */
export function changesOf(properties: Omit<UserConfig, 'userid'>): SectionChanges {
  const changes = new Map<string, string | null>()
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined) continue
    const isDefault = (key === 'enable' && value === true) || (key === 'expire' && value === 0)
    const text = String(value).trim()
    changes.set(key, isDefault || text === '' ? null : text)
  }
  return changes
}

/** Removals and then new values of `change`, as one set of changes. */
export function mergedChanges(change: UserChange): SectionChanges {
  const removed = (change.delete ?? []).map((key) => [key, null] as const)
  return new Map([...removed, ...changesOf(change.set)])
}

/** The token that `section` stores. */
export function tokenOf(section: Section): TokenConfig {
  const properties = propertiesOf(section)
  return Object.freeze({
    tokenid: section.id,
    ...textMember(properties, 'comment'),
    ...validityOf(properties),
  })
}

function userOf(section: Section): UserConfig {
  const properties = propertiesOf(section)
  return Object.freeze({
    userid: section.id,
    ...textMember(properties, 'comment'),
    ...validityOf(properties),
    ...textMember(properties, 'firstname'),
    ...textMember(properties, 'lastname'),
    ...textMember(properties, 'email'),
  })
}

function userIn(config: SectionConfig, userid: string): UserConfig | null {
  const section = findSection(config, 'user', userid)
  if (section !== null) return userOf(section)
  return userid === SUPERUSER ? IMPLICIT_SUPERUSER : null
}

function textMember<Key extends string>(
  properties: ReadonlyMap<string, string>,
  key: Key,
): Partial<Record<Key, string>> {
  const value = properties.get(key)
  return value === undefined ? {} : ({ [key]: value } as Record<Key, string>)
}

/** A value that cannot be read must not let anyone in: it counts as disabled. */
function validityOf(properties: ReadonlyMap<string, string>): Validity {
  const enable = properties.get('enable')
  const expire = properties.get('expire')
  const readable = expire === undefined || /^\d+$/.test(expire)
  return {
    ...(enable === undefined && readable
      ? {}
      : { enable: readable && parseBoolean(enable ?? 'true') === true }),
    ...(expire === undefined || !readable ? {} : { expire: Number(expire) }),
  }
}

function isValid(entry: Validity | null, nowSeconds: number): boolean {
  if (entry === null || entry.enable === false) return false
  const expire = entry.expire ?? 0
  return expire === 0 || expire > nowSeconds
}
