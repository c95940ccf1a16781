/**
 * What an encryption key can do: digests of encrypted chunks, AES-256-GCM with 16-byte IVs, signatures
 * (formats.md 2 and 1.3). The key itself stays inside.
 */
import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  type DecipherGCM,
  pbkdf2Sync,
  randomBytes,
} from 'node:crypto'
import { setImmediate } from 'node:timers/promises'

import { toHex } from '../base/hex.ts'
import { errors } from './errors.ts'
import { hasNativeGcm, nativeDecrypt, nativeEncrypt } from './native-gcm.ts'
import { sha256WithSuffix } from './sha256.ts'

export const KEY_SIZE = 32
/** Not the usual 12: GCM derives its first counter block by GHASH. */
export const IV_SIZE = 16
export const TAG_SIZE = 16

const ALGORITHM = 'aes-256-gcm'
const ID_KEY_SALT = '_id_key'
const ID_KEY_ITERATIONS = 10
const FINGERPRINT_INPUT = Buffer.from(
  '6ed0ef77471fff4d55c7a8fe4a9db62161407f134c725ddf30992d25ec45ed26',
  'hex',
)
/** Up to here encrypting takes less time (about 30 µs) than handing it to another thread. */
const INLINE_SIZE_MAX = 64 << 10
/** Without native calls: small pieces keep the output in the processor's cache; twice as fast as one call for 4 MiB. */
const PIECE_SIZE = 64 << 10
/** The main thread works on at most this much before others get their turn: about 0.5 ms. */
const TURN_SIZE = 1 << 20

export interface Encrypted {
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
  async digestOf(plain: Uint8Array): Promise<string> {
    return toHex(await sha256WithSuffix(plain, this.#idKey))
  }

  /** HMAC-SHA256 with the id key, 32 bytes: the signature of `message`. */
  authTag(message: Uint8Array): Uint8Array {
    return createHmac('sha256', this.#idKey).update(message).digest()
  }

  /**
   * Writes the encrypted `plain` to the start of `target` (at least as long, not overlapping) and returns IV and tag.
   * A random IV each time unless `iv` is given, which only tests do.
   */
  async encryptInto(
    target: Uint8Array,
    plain: Uint8Array,
    iv: Uint8Array = randomBytes(IV_SIZE),
  ): Promise<Encrypted> {
    if (plain.length > INLINE_SIZE_MAX && hasNativeGcm()) {
      return { iv, tag: await nativeEncrypt(target, plain, { key: this.#key, iv }) }
    }
    const cipher = createCipheriv(ALGORITHM, this.#key, iv, { authTagLength: TAG_SIZE })
    await pump(cipher, plain, target)
    cipher.final()
    return { iv, tag: cipher.getAuthTag() }
  }

  /** The plain bytes of `data`, owned by the caller. Throws DECRYPT_FAILED, never gives unauthenticated bytes. */
  async decrypt(data: Uint8Array, { iv, tag }: Encrypted): Promise<Uint8Array> {
    const plain = Buffer.allocUnsafe(data.length)
    if (data.length > INLINE_SIZE_MAX && hasNativeGcm()) {
      const isRight = await nativeDecrypt(plain, data, { key: this.#key, iv, tag })
      if (!isRight) throw errors.DECRYPT_FAILED({})
      return plain
    }
    const decipher = createDecipheriv(ALGORITHM, this.#key, iv, { authTagLength: TAG_SIZE })
    decipher.setAuthTag(tag)
    await pump(decipher, data, plain)
    try {
      decipher.final()
    } catch (cause) {
      throw errors.DECRYPT_FAILED({}, { cause })
    }
    return plain
  }
}

async function pump(
  cipher: CipherGCM | DecipherGCM,
  source: Uint8Array,
  target: Uint8Array,
): Promise<void> {
  for (let start = 0; start < source.length; start += PIECE_SIZE) {
    if (start > 0 && start % TURN_SIZE === 0) await setImmediate()
    target.set(cipher.update(source.subarray(start, start + PIECE_SIZE)), start)
  }
}
