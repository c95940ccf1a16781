/** Zstandard by the library inside Node, mostly in libuv's pool, from one buffer into another, as stock calls it. */
import { keepAlive, nativeCall, nativeCallAsync } from '../base/fs/native.ts'
import { canCall } from '../crypto/native-call.ts'

const COMPRESS =
  'size_t ZSTD_compress(uint8_t *target, size_t capacity, const uint8_t *source, size_t size, int level)'
const DECOMPRESS =
  'size_t ZSTD_decompress(uint8_t *target, size_t capacity, const uint8_t *source, size_t size)'
const CONTEXT_SIZE = 'size_t ZSTD_estimateDCtxSize()'
const INIT_CONTEXT = 'uint64_t ZSTD_initStaticDCtx(uint8_t *memory, size_t size)'
const DECOMPRESS_WITH =
  'size_t ZSTD_decompressDCtx(uint8_t *context, uint8_t *target, size_t capacity, const uint8_t *source, size_t size)'

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
  context ??= makeContext()
  const values = [target, target.length, source, source.length]
  const size =
    context.length === 0
      ? nativeCall(DECOMPRESS, values)
      : nativeCall(DECOMPRESS_WITH, [context, ...values])
  return sizeOrNull(size, target)
}

/** Memory of a decompression that is used again: the library's own costs 100 KiB of page faults for every frame. */
let context: Uint8Array | null = null

/** Empty where the library cannot be given memory. */
function makeContext(): Uint8Array {
  if (!canCall([CONTEXT_SIZE, INIT_CONTEXT, DECOMPRESS_WITH], () => true)) return new Uint8Array()
  const memory = Buffer.allocUnsafeSlow(nativeCall(CONTEXT_SIZE, []) ?? 0)
  // The answer is the address of the memory, or null.
  const isMade = nativeCall(INIT_CONTEXT, [memory, memory.length]) !== 0
  return isMade ? memory : new Uint8Array()
}

// Errors are the last numbers below 2^64.
function sizeOrNull(size: number | null, target: Uint8Array): number | null {
  return size !== null && size <= target.length ? size : null
}
