/** Key files: an encryption key, protected by a passphrase or not, as JSON (formats.md 7). */
import { randomBytes } from 'node:crypto'

import { type Clock, unixSeconds } from '../base/time/clock.ts'
import { formatLogStamp } from '../base/time/format.ts'
import { CryptConfig } from './crypt-config.ts'
import { errors } from './errors.ts'
import { formatFingerprint, formatShortFingerprint, parseFingerprint } from './fingerprint.ts'
import { decryptGcm, encryptGcm, IV_SIZE, KEY_SIZE, TAG_SIZE } from './gcm.ts'
import {
  deriveKey,
  kdfFromJson,
  kdfToJson,
  type Kdf,
  PBKDF2_DEFAULT_ITERATIONS,
  SALT_SIZE,
  SCRYPT_DEFAULTS,
} from './kdf.ts'
import { decodeBase64, isRecord, type JsonRecord } from './key-json.ts'

export interface KeyConfig {
  /** How the key is protected; null if it is not. */
  readonly kdf: Kdf | null
  /** Unix seconds. */
  readonly created: number
  readonly modified: number
  /** The key, or IV, tag and encrypted key. */
  readonly data: Uint8Array
  /** 32 bytes; null in files of old versions. */
  readonly fingerprint: Uint8Array | null
  readonly hint: string | null
}

export interface UnlockedKey {
  readonly key: Uint8Array
  readonly created: number
  readonly modified: number
  readonly fingerprint: Uint8Array
}

export type KdfName = 'none' | 'scrypt' | 'pbkdf2'

export interface ProtectOptions {
  readonly kdf: KdfName
  /** Needed unless `kdf` is `none`; then not allowed. */
  readonly passphrase?: Uint8Array
  readonly hint?: string
  readonly clock: Clock
}

const PASSPHRASE_SIZE_MIN = 5
const HINT_LENGTH_MAX = 64
/** Refused by stock only below 32 bytes; what is no IV, tag and key of 32 bytes cannot be one. */
const PROTECTED_SIZE = IV_SIZE + TAG_SIZE + KEY_SIZE

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})$/

/** Reads the JSON of a key file. Throws KEY_CONFIG_INVALID; a wrong passphrase shows only in `unlockKey`. */
export function parseKeyConfig(bytes: Uint8Array): KeyConfig {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw errors.KEY_CONFIG_INVALID({ reason }, { cause })
  }
  if (!isRecord(json)) throw errors.KEY_CONFIG_INVALID({ reason: 'expected an object' })
  const fingerprint = optionalText(json, 'fingerprint')
  return {
    kdf: kdfFromJson(json['kdf'] ?? null),
    created: parseTime(json, 'created'),
    modified: parseTime(json, 'modified'),
    data: decodeBase64(json['data'], 'data'),
    fingerprint: fingerprint === null ? null : parseFingerprint(fingerprint),
    hint: optionalText(json, 'hint'),
  }
}

/** The text of a key file: one line of compact JSON, keys in stock's order, times with the local offset. */
export function formatKeyConfig(config: KeyConfig): Uint8Array {
  const { fingerprint, hint } = config
  const json = {
    kdf: kdfToJson(config.kdf),
    created: formatLogStamp(config.created),
    modified: formatLogStamp(config.modified),
    data: Buffer.from(config.data).toString('base64'),
    ...(fingerprint === null ? {} : { fingerprint: formatFingerprint(fingerprint) }),
    ...(hint === null ? {} : { hint }),
  }
  return Buffer.from(JSON.stringify(json))
}

/** A new random key and its file. Errors as `protectKey`. */
export async function createKeyConfig(
  options: ProtectOptions,
): Promise<{ readonly config: KeyConfig; readonly key: Uint8Array }> {
  const key = randomBytes(KEY_SIZE)
  return { config: await protectKey(key, options), key }
}

/**
 * The file of `key`, created now unless `created` (Unix seconds) says when.
 * Throws KEY_PASSPHRASE_TOO_SHORT, KEY_KDF_MISSING (a passphrase with `none`), KEY_HINT_INVALID, KEY_SIZE_WRONG.
 */
export async function protectKey(
  key: Uint8Array,
  options: ProtectOptions & { readonly created?: number },
): Promise<KeyConfig> {
  const { passphrase, hint } = options
  if (hint !== undefined) checkHint(hint, options.kdf)
  const modified = unixSeconds(options.clock)
  const common = {
    created: options.created ?? modified,
    modified,
    fingerprint: new CryptConfig(key).fingerprint,
    hint: hint ?? null,
  }
  if (options.kdf === 'none') {
    if (passphrase !== undefined) throw errors.KEY_KDF_MISSING({})
    return { ...common, kdf: null, data: new Uint8Array(key) }
  }
  if (passphrase === undefined || passphrase.length < PASSPHRASE_SIZE_MIN) {
    throw errors.KEY_PASSPHRASE_TOO_SHORT({})
  }
  const salt = randomBytes(SALT_SIZE)
  const kdf: Kdf =
    options.kdf === 'scrypt'
      ? { kind: 'scrypt', ...SCRYPT_DEFAULTS, salt }
      : { kind: 'pbkdf2', iterations: PBKDF2_DEFAULT_ITERATIONS, salt }
  const data = await encryptKey(key, await deriveKey(passphrase, kdf))
  return { ...common, kdf, data }
}

/**
 * The key of a file. `passphrase` is asked only if the key is protected.
 * Throws KEY_PASSPHRASE_TOO_SHORT, KEY_DATA_SHORT, KEY_DECRYPT_FAILED, KEY_FINGERPRINT_WRONG with stock's texts,
 * KEY_SIZE_WRONG, KEY_CONFIG_INVALID, KEY_KDF_TOO_COSTLY.
 */
export async function unlockKey(
  config: KeyConfig,
  passphrase: () => Promise<Uint8Array>,
): Promise<UnlockedKey> {
  const key =
    config.kdf === null
      ? new Uint8Array(config.data)
      : await decryptKey(config, config.kdf, await passphrase())
  const { fingerprint } = new CryptConfig(key)
  const stored = config.fingerprint
  if (stored !== null && Buffer.compare(stored, fingerprint) !== 0) {
    throw errors.KEY_FINGERPRINT_WRONG({
      stored: formatShortFingerprint(stored),
      actual: formatShortFingerprint(fingerprint),
    })
  }
  return { key, created: config.created, modified: config.modified, fingerprint }
}

/** The file with the same key under another passphrase; `created` stays. Errors as `unlockKey` and `protectKey`. */
export async function changePassphrase(
  config: KeyConfig,
  current: () => Promise<Uint8Array>,
  options: ProtectOptions,
): Promise<KeyConfig> {
  const { key, created } = await unlockKey(config, current)
  return await protectKey(key, { ...options, created })
}

async function decryptKey(
  config: KeyConfig,
  kdf: Kdf,
  passphrase: Uint8Array,
): Promise<Uint8Array> {
  if (passphrase.length < PASSPHRASE_SIZE_MIN) throw errors.KEY_PASSPHRASE_TOO_SHORT({})
  const { data } = config
  if (data.length < IV_SIZE + TAG_SIZE) throw errors.KEY_DATA_SHORT({})
  if (data.length !== PROTECTED_SIZE) {
    throw errors.KEY_SIZE_WRONG({ size: data.length - IV_SIZE - TAG_SIZE })
  }
  const derived = await deriveKey(passphrase, kdf)
  const iv = data.subarray(0, IV_SIZE)
  const tag = data.subarray(IV_SIZE, IV_SIZE + TAG_SIZE)
  try {
    return await decryptGcm(data.subarray(IV_SIZE + TAG_SIZE), { key: derived, iv, tag })
  } catch {
    // Without the cause, which the client would print and stock does not: there is only one.
    throw errors.KEY_DECRYPT_FAILED({ hint: config.hint })
  }
}

async function encryptKey(key: Uint8Array, derived: Uint8Array): Promise<Uint8Array> {
  const iv = randomBytes(IV_SIZE)
  const encrypted = new Uint8Array(key.length)
  const tag = await encryptGcm(encrypted, key, { key: derived, iv })
  return Buffer.concat([iv, tag, encrypted])
}

function checkHint(hint: string, kdf: KdfName): void {
  if (kdf === 'none') throw errors.KEY_HINT_NOT_ALLOWED({})
  const length = Array.from(hint).length
  if (length < 1 || length > HINT_LENGTH_MAX || /\p{Cc}/u.test(hint)) {
    throw errors.KEY_HINT_INVALID({ reason: 'expected 1 to 64 characters of one line' })
  }
}

function parseTime(record: JsonRecord, key: string): number {
  const text = record[key]
  const milliseconds = typeof text === 'string' && TIME.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(milliseconds)) {
    throw errors.KEY_CONFIG_INVALID({ reason: `expected an RFC 3339 time as '${key}'` })
  }
  return milliseconds / 1000
}

function optionalText(record: JsonRecord, key: string): string | null {
  const value = record[key] ?? null
  if (value === null || typeof value === 'string') return value
  throw errors.KEY_CONFIG_INVALID({ reason: `expected text as '${key}'` })
}
