/** Zstandard by the library inside Node, mostly in libuv's pool, from one buffer into another, as stock calls it. */
import { nativeCall, nativeCallAsync } from '../base/fs/native.ts'
import { canCall, keepAlive } from '../crypto/native-call.ts'

const COMPRESS =
  'size_t ZSTD_compress(uint8_t *target, size_t capacity, const uint8_t *source, size_t size, int level)'
const DECOMPRESS =
  'size_t ZSTD_decompress(uint8_t *target, size_t capacity, const uint8_t *source, size_t size)'

let available: boolean | null = null

/** Whether this process can call it. */
export function hasNativeZstd(): boolean {
  available ??= canCall([COMPRESS, DECOMPRESS], () => true)
  return available
}

/** Size of the level-1 frame of `source` written to the start of `target`, or null if it does not fit. */
export async function nativeCompress(
  target: Uint8Array,
  source: Uint8Array,
): Promise<number | null> {
  const values = [target, target.length, source, source.length, 1]
  const size = await nativeCallAsync(COMPRESS, values)
  keepAlive(target, source)
  return sizeOrNull(size, target)
}

/** Size of the content of the frames `source` written to the start of `target`, or null: does not fit, or damaged. */
export async function nativeDecompress(
  target: Uint8Array,
  source: Uint8Array,
): Promise<number | null> {
  const values = [target, target.length, source, source.length]
  const size = await nativeCallAsync(DECOMPRESS, values)
  keepAlive(target, source)
  return sizeOrNull(size, target)
}

/** As `nativeDecompress`, on the calling thread: for worker threads only. */
export function nativeDecompressSync(target: Uint8Array, source: Uint8Array): number | null {
  return sizeOrNull(nativeCall(DECOMPRESS, [target, target.length, source, source.length]), target)
}

// Errors are the last numbers below 2^64.
function sizeOrNull(size: number | null, target: Uint8Array): number | null {
  return size !== null && size <= target.length ? size : null
}
