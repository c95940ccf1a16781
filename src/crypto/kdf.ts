/** From a passphrase to the key that protects a key file (formats.md 7.2). */
import { pbkdf2, scrypt } from 'node:crypto'
import { promisify } from 'node:util'

import { decodeBase64, isRecord, type JsonRecord } from './key-json.ts'
import { errors } from './errors.ts'

export interface ScryptKdf {
  readonly kind: 'scrypt'
  readonly n: number
  readonly r: number
  readonly p: number
  readonly salt: Uint8Array
}

export interface Pbkdf2Kdf {
  readonly kind: 'pbkdf2'
  readonly iterations: number
  readonly salt: Uint8Array
}

export type Kdf = ScryptKdf | Pbkdf2Kdf

/** What stock writes: 64 MiB and a quarter of a second. */
export const SCRYPT_DEFAULTS = Object.freeze({ n: 65_536, r: 8, p: 1 })
export const PBKDF2_DEFAULT_ITERATIONS = 65_535
export const SALT_SIZE = 32

const DERIVED_SIZE = 32
/** The parameters come from a file: a made-up one must not take all memory (stock allows the same) … */
const SCRYPT_MEMORY_MAX = 1025 << 20
/** … or all time: a thousand times the default work of either. */
const SCRYPT_WORK_MAX = 1000 * 65_536 * 8
const PBKDF2_ITERATIONS_MAX = 65_535 * 1000

const scryptAsync = promisify<Uint8Array, Uint8Array, number, object, Buffer>(scrypt)
const pbkdf2Async = promisify(pbkdf2)

/** 32 bytes, computed in libuv's pool. Throws KEY_KDF_TOO_COSTLY, KEY_CONFIG_INVALID for impossible parameters. */
export async function deriveKey(passphrase: Uint8Array, kdf: Kdf): Promise<Uint8Array> {
  checkCost(kdf)
  try {
    if (kdf.kind === 'pbkdf2') {
      return await pbkdf2Async(passphrase, kdf.salt, kdf.iterations, DERIVED_SIZE, 'sha256')
    }
    const { n, r, p, salt } = kdf
    const parameters = { N: n, r, p, maxmem: SCRYPT_MEMORY_MAX }
    return await scryptAsync(passphrase, salt, DERIVED_SIZE, parameters)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw errors.KEY_CONFIG_INVALID({ reason }, { cause })
  }
}

function checkCost(kdf: Kdf): void {
  if (kdf.kind === 'pbkdf2') {
    if (kdf.iterations > PBKDF2_ITERATIONS_MAX) {
      throw errors.KEY_KDF_TOO_COSTLY({ reason: `${kdf.iterations} iterations of PBKDF2` })
    }
    return
  }
  const { n, r, p } = kdf
  if (128 * n * r > SCRYPT_MEMORY_MAX || n * r * p > SCRYPT_WORK_MAX) {
    throw errors.KEY_KDF_TOO_COSTLY({ reason: `scrypt with N ${n}, r ${r}, p ${p}` })
  }
}

/** As key files hold it: `{"Scrypt":{…}}`, `{"PBKDF2":{…}}`, or null. */
export function kdfToJson(kdf: Kdf | null): unknown {
  if (kdf === null) return null
  const salt = Buffer.from(kdf.salt).toString('base64')
  if (kdf.kind === 'pbkdf2') return { PBKDF2: { iter: kdf.iterations, salt } }
  return { Scrypt: { n: kdf.n, r: kdf.r, p: kdf.p, salt } }
}

/** The inverse of `kdfToJson`. Throws KEY_CONFIG_INVALID. */
export function kdfFromJson(value: unknown): Kdf | null {
  if (value === null) return null
  const { Scrypt: scryptJson, PBKDF2: pbkdf2Json } = isRecord(value) ? value : {}
  if (isRecord(scryptJson)) {
    return {
      kind: 'scrypt',
      n: positive(scryptJson, 'n'),
      r: positive(scryptJson, 'r'),
      p: positive(scryptJson, 'p'),
      salt: decodeBase64(scryptJson['salt'], 'salt'),
    }
  }
  if (isRecord(pbkdf2Json)) {
    const salt = decodeBase64(pbkdf2Json['salt'], 'salt')
    return { kind: 'pbkdf2', iterations: positive(pbkdf2Json, 'iter'), salt }
  }
  throw errors.KEY_CONFIG_INVALID({ reason: "unknown key derivation function in 'kdf'" })
}

function positive(record: JsonRecord, key: string): number {
  const value = record[key]
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  throw errors.KEY_CONFIG_INVALID({ reason: `expected a positive integer as '${key}'` })
}
