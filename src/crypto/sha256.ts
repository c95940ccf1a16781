/** SHA-256 off the main thread. */
import { createHash, hash, subtle } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'

import { hasNativeSha256, nativeSha256 } from './native-sha256.ts'

/** Up to here hashing takes less time (about 20 µs) than handing it to another thread. */
const INLINE_SIZE_MAX = 32 << 10
/** The main thread hashes at most this much at a time: about 0.7 ms. */
const PIECE_SIZE = 1 << 20

/** SHA-256 of `data`, whole or in parts, 32 bytes, computed in libuv's pool; it must not change meanwhile. */
export async function sha256Bytes(data: Uint8Array | readonly Uint8Array[]): Promise<Uint8Array> {
  const parts = partsOf(data)
  if (sizeOf(parts) <= INLINE_SIZE_MAX) return hash('sha256', joined(parts), 'buffer')
  if (hasNativeSha256()) return await nativeSha256(parts)
  return new Uint8Array(await subtle.digest('SHA-256', joined(parts) as Uint8Array<ArrayBuffer>))
}

/** SHA-256 of `data` followed by `suffix`, 32 bytes; `data` must not change meanwhile. */
export async function sha256WithSuffix(
  data: Uint8Array | readonly Uint8Array[],
  suffix: Uint8Array,
): Promise<Uint8Array> {
  const parts = partsOf(data)
  const isNative = sizeOf(parts) > INLINE_SIZE_MAX && hasNativeSha256()
  return isNative ? await nativeSha256(parts, suffix) : await hashInTurns(joined(parts), suffix)
}

/**
 * The way without native calls. On the main thread, in short pieces: joining the two for the pool would cost it as
 * much time in copies.
 */
export async function hashInTurns(data: Uint8Array, suffix: Uint8Array): Promise<Uint8Array> {
  const hash = createHash('sha256')
  for (let start = 0; start < data.length; start += PIECE_SIZE) {
    if (start > 0) await setImmediate()
    hash.update(data.subarray(start, start + PIECE_SIZE))
  }
  return hash.update(suffix).digest()
}

function partsOf(data: Uint8Array | readonly Uint8Array[]): readonly Uint8Array[] {
  return data instanceof Uint8Array ? [data] : data
}

function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts)
}
