/**
 * The RSA master key: every encrypted backup can carry its key, readable by whoever holds the private half
 * (formats.md 7.4).
 */
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto'
import { promisify } from 'node:util'

import { type Clock, unixSeconds } from '../base/time/clock.ts'
import { errors } from './errors.ts'
import { formatKeyConfig, type KeyConfig, parseKeyConfig, type UnlockedKey } from './key-config.ts'

const MODULUS_BITS = 4096
/** What PKCS#1 v1.5 adds at least. */
const PADDING_SIZE = 11

const generateKeyPairAsync = promisify(generateKeyPair)

export interface MasterKeyPair {
  /** SPKI PEM, `master-public.pem`. */
  readonly publicPem: string
  /** PKCS#8 PEM encrypted with AES-256-CBC, `master-private.pem`. */
  readonly privatePem: string
}

/** A new pair, RSA 4096; takes a second or more, in libuv's pool. */
export async function createMasterKey(passphrase: string): Promise<MasterKeyPair> {
  const { publicKey, privateKey } = await generateKeyPairAsync('rsa', {
    modulusLength: MODULUS_BITS,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase },
  })
  return { publicPem: publicKey, privatePem: privateKey }
}

/**
 * The content of `rsa-encrypted.key.blob`: the key as an unprotected key file without hint, made now, in one RSA
 * block (512 bytes for 4096 bit). Throws MASTER_KEY_INVALID, MASTER_KEY_TOO_SMALL.
 */
export function encryptKeyForMaster(
  publicPem: string | Uint8Array,
  unlocked: Pick<UnlockedKey, 'key' | 'created' | 'fingerprint'>,
  { clock }: { readonly clock: Clock },
): Uint8Array {
  const config: KeyConfig = {
    kdf: null,
    created: unlocked.created,
    modified: unixSeconds(clock),
    data: unlocked.key,
    fingerprint: unlocked.fingerprint,
    hint: null,
  }
  return encryptForMaster(publicPem, formatKeyConfig(config))
}

/** Encrypts at most modulus - 11 bytes. Throws MASTER_KEY_INVALID, MASTER_KEY_TOO_SMALL. */
export function encryptForMaster(publicPem: string | Uint8Array, plain: Uint8Array): Uint8Array {
  const key = readKey(() => createPublicKey(textOf(publicPem)))
  const sizeMax = modulusSize(key) - PADDING_SIZE
  if (plain.length > sizeMax) throw errors.MASTER_KEY_TOO_SMALL({ size: plain.length, sizeMax })
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, plain)
}

/**
 * The key file in an RSA block. `passphrase` unlocks the private key if it is encrypted.
 * Throws MASTER_KEY_INVALID (a wrong passphrase too), MASTER_KEY_DECRYPT_FAILED, KEY_CONFIG_INVALID.
 */
export function decryptKeyFromMaster(
  privatePem: string | Uint8Array,
  passphrase: Uint8Array | null,
  block: Uint8Array,
): KeyConfig {
  const options = { key: textOf(privatePem), format: 'pem' as const }
  const key = readKey(() =>
    createPrivateKey(
      passphrase === null ? options : { ...options, passphrase: Buffer.from(passphrase) },
    ),
  )
  return parseKeyConfig(decryptBlock(key, block))
}

function decryptBlock(key: KeyObject, block: Uint8Array): Uint8Array {
  try {
    return privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, block)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw errors.MASTER_KEY_DECRYPT_FAILED({ reason }, { cause })
  }
}

function readKey(read: () => KeyObject): KeyObject {
  let key: KeyObject
  try {
    key = read()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw errors.MASTER_KEY_INVALID({ reason }, { cause })
  }
  if (key.asymmetricKeyType !== 'rsa') {
    throw errors.MASTER_KEY_INVALID({ reason: `it is of type '${key.asymmetricKeyType}'` })
  }
  return key
}

function modulusSize(key: KeyObject): number {
  return (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8
}

function textOf(pem: string | Uint8Array): string {
  return typeof pem === 'string' ? pem : new TextDecoder().decode(pem)
}
