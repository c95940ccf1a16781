/**
 * Second factors of users: `tfa.json`. They are read, never changed, as long as checking them is not built: a user who
 * has one is refused at login. Source: rest-api.md 2.6.
 */
import type { ConfigFiles } from './config-files.ts'
import { isJsonObject, type JsonObject, jsonFile, memberOf } from './json-file.ts'

const TFA_FILE = jsonFile({ name: 'tfa.json', mode: 0o600, indent: 0 })
const KINDS = ['totp', 'u2f', 'webauthn', 'yubico'] as const

/** One entry as REST lists it. */
export interface FactorEntry {
  readonly type: string
  readonly id: string
  readonly description?: string
  readonly created: number
  /** Only when it is disabled. */
  readonly enable?: false
}

/** A user's factors as REST lists them. */
export interface UserFactors {
  readonly userid: string
  readonly 'totp-locked'?: true
  readonly 'tfa-locked-until'?: number
  readonly entries: readonly FactorEntry[]
}

/** Whether a login of `userid` asks for a second factor. What cannot be understood counts as one. */
export async function hasSecondFactor(files: ConfigFiles, userid: string): Promise<boolean> {
  const user = await storedFactors(files, userid)
  if (user === undefined) return false
  if (!isJsonObject(user)) return true
  return Object.entries(user).some(([kind, value]) => isUsable(kind, value))
}

/** The factors of all users who have any. */
export async function listFactors(files: ConfigFiles): Promise<UserFactors[]> {
  const { value } = await files.read(TFA_FILE)
  const users = memberOf(value, 'users')
  if (!isJsonObject(users)) return []
  return Object.entries(users).flatMap(([userid, user]) =>
    isJsonObject(user) ? [factorsOf(userid, user)] : [],
  )
}

/** Removes all factors of `userid`; only for a user who is removed altogether. */
export async function removeFactors(files: ConfigFiles, userid: string): Promise<void> {
  await files.update(TFA_FILE, (value) => {
    const users = memberOf(value, 'users')
    if (!isJsonObject(users) || memberOf(users, userid) === undefined) return value
    const left = Object.entries(users).filter(([id]) => id !== userid)
    return { ...value, users: Object.fromEntries(left) }
  })
}

async function storedFactors(files: ConfigFiles, userid: string): Promise<unknown> {
  const { value } = await files.read(TFA_FILE)
  const users = memberOf(value, 'users')
  return isJsonObject(users) ? memberOf(users, userid) : users
}

function isUsable(kind: string, value: unknown): boolean {
  if (kind === 'totp-locked' || kind === 'tfa-locked-until') return false
  if (value === null) return false
  if (Array.isArray(value)) {
    return value.some((entry) => !isJsonObject(entry) || memberOf(entry, 'enable') !== false)
  }
  if (kind !== 'recovery' || !isJsonObject(value)) return true
  const keys = memberOf(value, 'entries')
  return !Array.isArray(keys) || keys.some((key) => key !== null)
}

function factorsOf(userid: string, user: JsonObject): UserFactors {
  const until = memberOf(user, 'tfa-locked-until')
  return {
    userid,
    ...(memberOf(user, 'totp-locked') === true ? { 'totp-locked': true } : {}),
    ...(typeof until === 'number' ? { 'tfa-locked-until': until } : {}),
    entries: [...KINDS.flatMap((kind) => entriesOf(user, kind)), ...recoveryOf(user)],
  }
}

function entriesOf(user: JsonObject, kind: string): FactorEntry[] {
  const entries = memberOf(user, kind)
  if (!Array.isArray(entries)) return []
  return entries.filter(isJsonObject).map((entry) => {
    const description = memberOf(entry, 'description')
    return {
      type: kind,
      id: String(memberOf(entry, 'id')),
      ...(typeof description === 'string' ? { description } : {}),
      created: Number(memberOf(entry, 'created')),
      ...(memberOf(entry, 'enable') === false ? { enable: false as const } : {}),
    }
  })
}

function recoveryOf(user: JsonObject): FactorEntry[] {
  const recovery = memberOf(user, 'recovery')
  if (!isJsonObject(recovery)) return []
  return [{ type: 'recovery', id: 'recovery', created: Number(memberOf(recovery, 'created')) }]
}
