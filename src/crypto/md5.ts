/** MD5 off the main thread: a checksum against accidents that S3 asks for, nothing that anybody relies on for secrecy. */
import { createHash, hash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { NativeDigest } from './native-digest.ts'

/** Up to here hashing takes less time (about 30 µs) than handing it to another thread. */
const INLINE_SIZE_MAX = 16 << 10
/** Without native calls the main thread hashes at most this much at a time: about 0.8 ms. */
const PIECE_SIZE = 512 << 10

const md5 = new NativeDigest('MD5')

/** MD5 of `data`, 16 bytes; `data` must not change meanwhile. */
export async function md5Bytes(data: Uint8Array): Promise<Uint8Array> {
  if (data.length <= INLINE_SIZE_MAX) return hash('md5', data, 'buffer')
  return md5.isAvailable ? await md5.of([data]) : await md5InTurns(data)
}

/** The way without native calls: on the main thread, in short pieces. */
export async function md5InTurns(data: Uint8Array): Promise<Uint8Array> {
  const digest = createHash('md5')
  for (let start = 0; start < data.length; start += PIECE_SIZE) {
    if (start > 0) await setImmediate()
    digest.update(data.subarray(start, start + PIECE_SIZE))
  }
  return digest.digest()
}
