/**
 * SHA-256 by the OpenSSL inside Node, in libuv's pool and in place.
 *
 * Node's own asynchronous hashing copies what it is given on the main thread first: for a chunk of 4 MiB that costs
 * it 1 to 2 ms, nearly as much as hashing. These calls cost it 0.03 ms.
 */
import { hasCode } from '../base/errors.ts'
import { asyncSlots, nativeFunction } from '../base/fs/native.ts'

const INIT = 'int SHA256_Init(uint8_t *context)'
const UPDATE = 'int SHA256_Update(uint8_t *context, const uint8_t *data, size_t size)'
const FINAL = 'int SHA256_Final(uint8_t *digest, uint8_t *context)'
/** SHA256_CTX has 112 bytes in every OpenSSL since 1.0; more would not hurt. */
const CONTEXT_SIZE = 256
const DIGEST_SIZE = 32

let available: boolean | null = null

/** Whether this process can hash natively: Linux, koffi, and an OpenSSL that exports it. Tried once. */
export function hasNativeSha256(): boolean {
  available ??= canLoad()
  return available
}

/** SHA-256 of `data` followed by `suffix`, 32 bytes; neither may change meanwhile. Only where `hasNativeSha256`. */
export async function nativeSha256(data: Uint8Array, suffix?: Uint8Array): Promise<Uint8Array> {
  const context = Buffer.alloc(CONTEXT_SIZE)
  check(nativeFunction(INIT)(context))
  await update(context, data)
  if (suffix !== undefined) check(nativeFunction(UPDATE)(context, suffix, suffix.length))
  const digest = Buffer.alloc(DIGEST_SIZE)
  check(nativeFunction(FINAL)(digest, context))
  return digest
}

async function update(context: Uint8Array, data: Uint8Array): Promise<void> {
  using _slot = await asyncSlots.acquire()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  nativeFunction(UPDATE).async(context, data, data.length, (error: unknown, result: unknown) => {
    // `data` and `context` are named here, so that they live until the thread is done with them.
    if (error !== null && error !== undefined) reject(error)
    else if (result === 1 && data.length >= 0 && context.length > 0) resolve()
    else reject(new Error('SHA256_Update failed'))
  })
  await promise
}

function check(result: unknown): void {
  if (result !== 1) throw new Error('OpenSSL cannot hash')
}

function canLoad(): boolean {
  try {
    for (const prototype of [INIT, UPDATE, FINAL]) nativeFunction(prototype)
    return true
  } catch (error) {
    if (hasCode(error, 'NATIVE_UNSUPPORTED')) return false
    throw error
  }
}
