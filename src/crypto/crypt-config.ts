/**
 * What an encryption key can do: digests of encrypted chunks, encryption, signatures (formats.md 2 and 1.3).
 * The key itself stays inside.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

import { toHex } from '../base/hex.ts'
import { errors } from './errors.ts'
import { decryptGcm, encryptGcm, IV_SIZE, KEY_SIZE } from './gcm.ts'
import { sha256WithSuffix } from './sha256.ts'

const ID_KEY_SALT = '_id_key'
const ID_KEY_ITERATIONS = 10
const FINGERPRINT_INPUT = Buffer.from(
  '6ed0ef77471fff4d55c7a8fe4a9db62161407f134c725ddf30992d25ec45ed26',
  'hex',
)

export interface Encrypted {
  /** 16 bytes each. */
  readonly iv: Uint8Array
  readonly tag: Uint8Array
}

export class CryptConfig {
  readonly #key: Uint8Array
  readonly #idKey: Uint8Array
  /** 32 bytes that name the key. */
  readonly fingerprint: Uint8Array

  /** `key`: 32 bytes, copied. Throws KEY_SIZE_WRONG. */
  constructor(key: Uint8Array) {
    if (key.length !== KEY_SIZE) throw errors.KEY_SIZE_WRONG({ size: key.length })
    this.#key = new Uint8Array(key) // not slice(): of a Buffer that is no copy
    this.#idKey = pbkdf2Sync(key, ID_KEY_SALT, ID_KEY_ITERATIONS, KEY_SIZE, 'sha256')
    this.fingerprint = createHash('sha256').update(FINGERPRINT_INPUT).update(this.#idKey).digest()
  }

  /** The same as the constructor. */
  static create(key: Uint8Array): CryptConfig {
    return new CryptConfig(key)
  }

  /** A copy of the key from which digests and signatures are made. */
  get idKey(): Uint8Array {
    return new Uint8Array(this.#idKey)
  }

  /** Digest of an encrypted chunk (64 hex): SHA-256 of its plain data followed by the id key. */
  async digestOf(plain: Uint8Array | readonly Uint8Array[]): Promise<string> {
    return toHex(await sha256WithSuffix(plain, this.#idKey))
  }

  /** HMAC-SHA256 with the id key, 32 bytes: the signature of `message`. */
  authTag(message: Uint8Array): Uint8Array {
    return createHmac('sha256', this.#idKey).update(message).digest()
  }

  /**
   * Writes the encrypted `plain` to the start of `target` (at least as long, not overlapping) and returns IV and tag.
   * A random IV each time unless `iv` is given, which only tests do. Neither may change meanwhile.
   */
  async encryptInto(
    target: Uint8Array,
    plain: Uint8Array,
    iv: Uint8Array = randomBytes(IV_SIZE),
  ): Promise<Encrypted> {
    return { iv, tag: await encryptGcm(target, plain, { key: this.#key, iv }) }
  }

  /** The plain bytes of `data`, owned by the caller. Throws DECRYPT_FAILED, never gives unauthenticated bytes. */
  async decrypt(data: Uint8Array, { iv, tag }: Encrypted): Promise<Uint8Array> {
    return await decryptGcm(data, { key: this.#key, iv, tag })
  }
}
