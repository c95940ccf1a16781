/**
 * Hashes of crypt(3), as in `shadow.json` and `token.shadow`. New ones are yescrypt with stock's parameters; every
 * hash that the system's library knows verifies. About 22 ms each, off the main thread.
 * Source: rest-api.md 2.5, 2.8.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { Semaphore } from '../base/async/semaphore.ts'
import { cryptPassword, makeCryptSetting } from '../base/fs/native-crypt.ts'
import type { Secret } from '../base/secret.ts'
import { errors } from './errors.ts'

/** Stock's parameters of new hashes. */
const METHOD = '$y$'
const COST = 5
const SALT_SIZE = 32
/** libuv's pool has four threads: hashing may take half of them from file work, a flood of logins no more. */
const HASHES_AT_ONCE_MAX = 2

const running = new Semaphore(HASHES_AT_ONCE_MAX)

/** A new hash of `secret`. Errors: PASSWORD_UNUSABLE, PASSWORD_HASH_UNSUPPORTED. */
export async function hashSecret(userid: string, secret: Secret): Promise<string> {
  if (secret.reveal().includes('\0')) throw errors.PASSWORD_UNUSABLE({ userid })
  const setting = makeCryptSetting(METHOD, COST, randomBytes(SALT_SIZE))
  if (setting === null) throw errors.PASSWORD_HASH_UNSUPPORTED({ userid })
  return await crypt({ userid, secret, setting })
}

/** Whether `secret` is what `hash` was made of. Errors: PASSWORD_HASH_UNSUPPORTED. */
export async function matchesHash(userid: string, secret: Secret, hash: string): Promise<boolean> {
  if (secret.reveal().includes('\0')) return false
  const computed = Buffer.from(await crypt({ userid, secret, setting: hash }))
  const stored = Buffer.from(hash)
  return computed.length === stored.length && timingSafeEqual(computed, stored)
}

/** Whether `hash` is of an older kind that stock replaces at the next login. */
export function isOutdatedHash(hash: string): boolean {
  return !hash.startsWith(METHOD)
}

async function crypt(call: {
  readonly userid: string
  readonly secret: Secret
  readonly setting: string
}): Promise<string> {
  using _slot = await running.acquire()
  const hash = await cryptPassword(call.secret.reveal(), call.setting)
  if (hash === null) throw errors.PASSWORD_HASH_UNSUPPORTED({ userid: call.userid })
  return hash
}
