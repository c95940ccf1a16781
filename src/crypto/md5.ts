/** MD5 off the main thread: a checksum against accidents that S3 asks for, nothing that anybody relies on for secrecy. */
import { createHash, hash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { nativeCall, nativeCallAsync } from '../base/fs/native.ts'
import { canCall, keepAlive } from './native-call.ts'

const INIT = 'int MD5_Init(uint8_t *context)'
const UPDATE = 'int MD5_Update(uint8_t *context, const uint8_t *data, size_t size)'
const FINAL = 'int MD5_Final(uint8_t *digest, uint8_t *context)'
/** MD5_CTX has 92 bytes in every OpenSSL since 1.0; more does not hurt. */
const CONTEXT_SIZE = 256
const DIGEST_SIZE = 16
/** Up to here hashing takes less time (about 30 µs) than handing it to another thread. */
const INLINE_SIZE_MAX = 16 << 10
/** Without native calls the main thread hashes at most this much at a time: about 0.8 ms. */
const PIECE_SIZE = 512 << 10

let available: boolean | null = null

/** MD5 of `data`, 16 bytes; `data` must not change meanwhile. */
export async function md5Bytes(data: Uint8Array): Promise<Uint8Array> {
  if (data.length <= INLINE_SIZE_MAX) return hash('md5', data, 'buffer')
  available ??= canCall([INIT, UPDATE, FINAL], probe)
  return available ? await nativeMd5(data) : await md5InTurns(data)
}

/** The way without native calls: on the main thread, in short pieces. */
export async function md5InTurns(data: Uint8Array): Promise<Uint8Array> {
  const md5 = createHash('md5')
  for (let start = 0; start < data.length; start += PIECE_SIZE) {
    if (start > 0) await setImmediate()
    md5.update(data.subarray(start, start + PIECE_SIZE))
  }
  return md5.digest()
}

async function nativeMd5(data: Uint8Array): Promise<Uint8Array> {
  const context = Buffer.alloc(CONTEXT_SIZE)
  check(nativeCall(INIT, [context]))
  check(await nativeCallAsync(UPDATE, [context, data, data.length]))
  keepAlive(context, data)
  return finish(context)
}

function finish(context: Uint8Array): Uint8Array {
  const digest = Buffer.alloc(DIGEST_SIZE)
  check(nativeCall(FINAL, [digest, context]))
  return digest
}

function probe(): boolean {
  const context = Buffer.alloc(CONTEXT_SIZE)
  const data = Buffer.from('abc')
  check(nativeCall(INIT, [context]))
  check(nativeCall(UPDATE, [context, data, data.length]))
  return hash('md5', data, 'buffer').equals(finish(context))
}

function check(result: number | null): void {
  if (result !== 1) throw new Error('OpenSSL cannot hash')
}
