/** AES-256-GCM with 16-byte IVs by the OpenSSL inside Node, in libuv's pool, from one buffer into another. */
import {
  keepAlive,
  nativeCall,
  nativeCallAsync,
  nativeFunction,
  type NativeValue,
} from '../base/fs/native.ts'
import { canCall } from './native-call.ts'

const NEW = 'void *EVP_CIPHER_CTX_new()'
const FREE = 'void EVP_CIPHER_CTX_free(void *context)'
const CIPHER = 'const void *EVP_aes_256_gcm()'
const INIT =
  'int EVP_CipherInit_ex(void *context, const void *cipher, void *engine, const uint8_t *key, const uint8_t *iv, int encrypt)'
const CONTROL = 'int EVP_CIPHER_CTX_ctrl(void *context, int type, int size, uint8_t *data)'
const UPDATE =
  'int EVP_CipherUpdate(void *context, uint8_t *target, uint8_t *written, const uint8_t *source, int size)'
const FINAL = 'int EVP_CipherFinal_ex(void *context, uint8_t *target, uint8_t *written)'

// EVP_CTRL_AEAD_… of openssl/evp.h; part of its binary interface.
const SET_IV_SIZE = 0x9
const GET_TAG = 0x10
const SET_TAG = 0x11
const TAG_SIZE = 16

let available: boolean | null = null

export interface GcmKey {
  readonly key: Uint8Array
  readonly iv: Uint8Array
}

/** Whether this process can encrypt natively. */
export function hasNativeGcm(): boolean {
  available ??= canCall([NEW, FREE, CIPHER, INIT, CONTROL, UPDATE, FINAL], () => true)
  return available
}

/** Encrypts `source` into the start of `target`; returns the tag. Only where `hasNativeGcm`. */
export async function nativeEncrypt(
  target: Uint8Array,
  source: Uint8Array,
  key: GcmKey,
): Promise<Uint8Array> {
  using cipher = openCipher(key, { encrypt: true })
  await cipher.update(target, source)
  if (!cipher.finish()) throw new Error('OpenSSL cannot encrypt')
  const tag = Buffer.alloc(TAG_SIZE)
  cipher.control(GET_TAG, tag)
  return tag
}

/** Decrypts `source` into the start of `target`; false if `tag` is not the right one, then nothing in `target` counts. */
export async function nativeDecrypt(
  target: Uint8Array,
  source: Uint8Array,
  key: GcmKey & { readonly tag: Uint8Array },
): Promise<boolean> {
  using cipher = openCipher(key, { encrypt: false })
  await cipher.update(target, source)
  cipher.control(SET_TAG, key.tag)
  return cipher.finish()
}

interface Cipher extends Disposable {
  update(target: Uint8Array, source: Uint8Array): Promise<void>
  control(type: number, data: Uint8Array): void
  finish(): boolean
}

function openCipher({ key, iv }: GcmKey, { encrypt }: { readonly encrypt: boolean }): Cipher {
  const context = nativeFunction(NEW)() as NativeValue
  const written = Buffer.alloc(8)
  const direction = encrypt ? 1 : 0
  const control = (type: number, data: Uint8Array | null, size: number): void =>
    check(nativeCall(CONTROL, [context, type, size, data]))
  check(
    nativeCall(INIT, [
      context,
      nativeFunction(CIPHER)() as NativeValue,
      null,
      null,
      null,
      direction,
    ]),
  )
  control(SET_IV_SIZE, null, iv.length)
  check(nativeCall(INIT, [context, null, null, key, iv, direction]))
  return {
    async update(target, source) {
      if (target.length < source.length) throw new RangeError('the target is too short')
      check(await nativeCallAsync(UPDATE, [context, target, written, source, source.length]))
      keepAlive(target, written, source)
    },
    control: (type, data) => control(type, data, data.length),
    finish: () => nativeCall(FINAL, [context, Buffer.alloc(TAG_SIZE), written]) === 1,
    [Symbol.dispose]: () => {
      nativeFunction(FREE)(context)
    },
  }
}

function check(result: number | null): void {
  if (result !== 1) throw new Error('OpenSSL cannot encrypt')
}
