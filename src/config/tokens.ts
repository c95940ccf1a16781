/**
 * API tokens: a `token:` section in `user.cfg` and the hash of the secret in `token.shadow`.
 * Order of the two writes: the secret before the section when a token is made, the section first when it is removed,
 * so that no section ever meets an older secret. Source: rest-api.md 2.5, 4.2.
 */
import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { Secret } from '../base/secret.ts'
import { splitAuthId } from './auth-id.ts'
import type { ConfigFiles } from './config-files.ts'
import { hashSecret, matchesHash } from './crypt-hash.ts'
import { errors } from './errors.ts'
import { type JsonObject, jsonFile, memberOf, withMembers } from './json-file.ts'
import {
  addSection,
  changeSection,
  findSection,
  removeSection,
  type SectionConfig,
  sectionsOf,
} from './section-config.ts'
import { USER_FILE } from './section-file.ts'
import { changesOf, mergedChanges, type TokenConfig, tokenOf, type UserChange } from './users.ts'

export type { TokenConfig } from './users.ts'

const TOKEN_SHADOW_FILE = jsonFile({ name: 'token.shadow', mode: 0o640, indent: 0 })

/** Tags of secrets that verified, under a key of this process; gone as soon as the file changes. */
const verified = new WeakMap<JsonObject, Map<string, Buffer>>()
const tagKey = randomBytes(32)

export interface NewToken {
  readonly userid: string
  readonly name: string
  readonly comment?: string | undefined
  readonly enable?: boolean | undefined
  readonly expire?: number | undefined
  readonly digest?: string | undefined
}

/** The tokens of `userid` in file order, and the digest of `user.cfg`. */
export async function listTokens(
  files: ConfigFiles,
  userid: string,
): Promise<{ readonly tokens: readonly TokenConfig[]; readonly digest: string }> {
  const { value, digest } = await files.read(USER_FILE)
  const sections = sectionsOf(value, 'token')
  const own = sections.filter((section) => splitAuthId(section.id).userid === userid)
  return { tokens: own.map(tokenOf), digest }
}

/** Makes a token; its secret is told only here. Errors: TOKEN_EXISTS, CONFIG_MODIFIED. */
export async function generateToken(
  files: ConfigFiles,
  token: NewToken,
): Promise<{ readonly tokenid: string; readonly secret: Secret }> {
  const { userid, name, digest, ...properties } = token
  const tokenid = `${userid}!${name}`
  const secret = new Secret(randomUUID())
  const add = async (config: SectionConfig): Promise<SectionConfig> => {
    if (findSection(config, 'token', tokenid) !== null) throw errors.TOKEN_EXISTS({ name, userid })
    await storeSecret(files, tokenid, secret)
    const changes = changesOf(withoutUndefined(properties))
    return addSection(config, { type: 'token', id: tokenid, properties: changes })
  }
  await files.update(USER_FILE, add, { digest })
  return { tokenid, secret }
}

/** Changes a token; `delete` before `set`. Errors: TOKEN_UNKNOWN, CONFIG_MODIFIED. */
export async function changeToken(
  files: ConfigFiles,
  tokenid: string,
  change: UserChange,
): Promise<void> {
  const apply = (config: SectionConfig): SectionConfig => {
    if (findSection(config, 'token', tokenid) === null) {
      throw errors.TOKEN_UNKNOWN({ tokenid, status: 400 })
    }
    return changeSection(config, { type: 'token', id: tokenid }, mergedChanges(change))
  }
  await files.update(USER_FILE, apply, { digest: change.digest })
}

/** Gives a token a new secret. Errors: TOKEN_UNKNOWN. */
export async function regenerateSecret(files: ConfigFiles, tokenid: string): Promise<Secret> {
  const secret = new Secret(randomUUID())
  await files.update(USER_FILE, async (config) => {
    if (findSection(config, 'token', tokenid) === null) {
      throw errors.TOKEN_UNKNOWN({ tokenid, status: 400 })
    }
    await storeSecret(files, tokenid, secret)
    return config
  })
  return secret
}

/** Removes section and secret; the ACL is `access-removal.ts`. Errors: TOKEN_MISSING, CONFIG_MODIFIED. */
export async function deleteToken(
  files: ConfigFiles,
  tokenid: string,
  options: { readonly digest?: string | undefined } = {},
): Promise<void> {
  const { userid, token } = splitAuthId(tokenid)
  const remove = (config: SectionConfig): SectionConfig => {
    if (findSection(config, 'token', tokenid) === null) {
      throw errors.TOKEN_MISSING({ name: token ?? '', userid, status: 400 })
    }
    return removeSection(config, { type: 'token', id: tokenid })
  }
  await files.update(USER_FILE, remove, options)
  await forgetSecret(files, tokenid)
}

/** Removes the secret of `tokenid`, if there is one. */
export async function forgetSecret(files: ConfigFiles, tokenid: string): Promise<void> {
  await files.update(TOKEN_SHADOW_FILE, (value) =>
    memberOf(value, tokenid) === undefined ? value : withMembers(value, { [tokenid]: undefined }),
  )
}

/** Whether `secret` is that of `tokenid`; says nothing about whether the token is enabled. */
export async function verifyTokenSecret(
  files: ConfigFiles,
  tokenid: string,
  secret: Secret,
): Promise<boolean> {
  const { value } = await files.read(TOKEN_SHADOW_FILE)
  const hash = memberOf(value, tokenid)
  if (typeof hash !== 'string') return false
  const tag = createHmac('sha256', tagKey).update(secret.reveal()).digest()
  // At most one entry per stored token: only the one right secret gets in.
  const tags = verified.get(value) ?? new Map<string, Buffer>()
  const known = tags.get(tokenid)
  if (known !== undefined) return timingSafeEqual(known, tag)
  if (!(await matchesHash(tokenid, secret, hash))) return false
  tags.set(tokenid, tag)
  verified.set(value, tags)
  return true
}

async function storeSecret(files: ConfigFiles, tokenid: string, secret: Secret): Promise<void> {
  const hash = await hashSecret(tokenid, secret)
  await files.update(TOKEN_SHADOW_FILE, (value) => withMembers(value, { [tokenid]: hash }))
}

function withoutUndefined(properties: Omit<NewToken, 'userid' | 'name' | 'digest'>): {
  comment?: string
  enable?: boolean
  expire?: number
} {
  const { comment, enable, expire } = properties
  return {
    ...(comment === undefined ? {} : { comment }),
    ...(enable === undefined ? {} : { enable }),
    ...(expire === undefined ? {} : { expire }),
  }
}
