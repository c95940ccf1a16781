/** Zstandard as blobs use it: one frame, level 1, with its content size (formats.md 1.3). */
import { promisify } from 'node:util'
import {
  constants,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
} from 'node:zlib'

import type { Allocate } from '../base/buffer-pool.ts'
import { errors } from './errors.ts'
import {
  hasNativeZstd,
  nativeCompress,
  nativeDecompress,
  nativeDecompressSync,
} from './native-zstd.ts'

const compressAsync = promisify(zstdCompress)
const decompressAsync = promisify(zstdDecompress)

const LEVEL_1 = { [constants.ZSTD_c_compressionLevel]: 1 }
/** The text of the library for what is no frame. */
const UNKNOWN_FRAME = 'Unknown frame descriptor'
const FRAME_MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)
/** Below this, Node's own calls cost as little. */
const NATIVE_SIZE_MIN = 16 << 10
/** Output piece for frames that do not say how long they are. */
const UNKNOWN_PIECE_SIZE = 1 << 20
const PIECE_SIZE_MIN = 64 << 10

/** Below this, compressing costs less than asking whether to. */
const LOOK_SIZE_MIN = 128 << 10
const SAMPLE_COUNT = 16
const SAMPLE_SIZE = 2 << 10
/** Compress if the sample shrinks at least to this part; a chunk that is a quarter text gives about 0.93. */
const SAMPLE_RATIO_MAX = 0.97

/** What Node answers with `info`: the content, and how much of the input belonged to frames. */
interface DecompressResult {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}

/**
 * One frame of level 1 with content size, computed in libuv's pool, behind `headroom` bytes that are left to the
 * caller; null if it would not be shorter than `plain`. `allocate` gives the memory for large ones.
 */
export async function compress(
  plain: Uint8Array,
  { headroom, allocate }: { readonly headroom: number; readonly allocate?: Allocate | undefined },
): Promise<Uint8Array | null> {
  if (plain.length > NATIVE_SIZE_MIN && hasNativeZstd()) {
    const capacity = headroom + plain.length - 1
    const target = allocate?.(capacity) ?? Buffer.allocUnsafe(capacity)
    const size = await nativeCompress(target.subarray(headroom), plain)
    if (size === null) return null
    const used = target.subarray(0, headroom + size)
    return allocate === undefined ? trimmed(used) : used
  }
  const frame = await compressByNode(plain)
  if (frame.length >= plain.length) return null
  const target = Buffer.allocUnsafe(headroom + frame.length)
  target.set(frame, headroom)
  return target
}

/** The way without native calls; the frame may be longer than `plain`. */
export async function compressByNode(plain: Uint8Array): Promise<Uint8Array> {
  // One output piece for the worst case: each further piece costs a trip through the event loop.
  const chunkSize = plain.length + (plain.length >>> 8) + 1024
  return await compressAsync(plain, { params: LEVEL_1, pledgedSrcSize: plain.length, chunkSize })
}

// What stays of a large buffer for long (in a cache) should not hold on to all of it.
function trimmed(used: Uint8Array<ArrayBuffer>): Uint8Array {
  return used.length * 2 > used.buffer.byteLength ? used : Buffer.from(used)
}

/**
 * Whether level 1 would make `plain` smaller, by a look at 32 KiB spread over it (0.1 to 0.2 ms, on this thread).
 * Being wrong costs space or time, never correctness.
 */
export function looksCompressible(plain: Uint8Array): boolean {
  if (plain.length < LOOK_SIZE_MIN) return true
  const sample = new Uint8Array(SAMPLE_COUNT * SAMPLE_SIZE)
  const step = (plain.length - SAMPLE_SIZE) / (SAMPLE_COUNT - 1)
  for (let index = 0; index < SAMPLE_COUNT; index += 1) {
    const start = Math.floor(index * step)
    sample.set(plain.subarray(start, start + SAMPLE_SIZE), index * SAMPLE_SIZE)
  }
  const compressed = zstdCompressSync(sample, { params: LEVEL_1, pledgedSrcSize: sample.length })
  return compressed.length <= sample.length * SAMPLE_RATIO_MAX
}

export interface DecompressOptions {
  readonly sizeMax: number
  /** Gives the memory for large content; of the heap by default. */
  readonly allocate?: Allocate | undefined
}

/**
 * The content of the frame `data`, owned by the caller, computed in libuv's pool.
 * Throws BLOB_DECOMPRESS_FAILED, and BLOB_PLAIN_TOO_LARGE before more than `sizeMax` bytes are made.
 */
export async function decompress(
  data: Uint8Array,
  { sizeMax, allocate = (size) => Buffer.allocUnsafe(size) }: DecompressOptions,
): Promise<Uint8Array> {
  const size = statedSize(data, sizeMax)
  if (size !== null && size > NATIVE_SIZE_MIN && hasNativeZstd()) {
    const plain = allocate(size)
    // Damaged frames go on to Node, for the text of the error; several in a row too, because only it can grow.
    if ((await nativeDecompress(plain, data)) === size) return plain
  }
  return await decompressByNode(data, { size, sizeMax })
}

/** As `decompress`, on the calling thread: for worker threads only. */
export function decompressSync(
  data: Uint8Array,
  { sizeMax, allocate = (size) => Buffer.allocUnsafe(size) }: DecompressOptions,
): Uint8Array {
  const size = statedSize(data, sizeMax)
  if (size !== null && size > 0 && hasNativeZstd()) {
    const plain = allocate(size)
    if (nativeDecompressSync(plain, data) === size) return plain
  }
  let result: DecompressResult
  try {
    result = zstdDecompressSync(data, nodeOptions(size, sizeMax)) as unknown as DecompressResult
  } catch (cause) {
    throw decompressError(cause, sizeMax)
  }
  return checkedContent(result, data, sizeMax)
}

/** What the frame states; throws for what is no frame, and for too much. */
function statedSize(data: Uint8Array, sizeMax: number): number | null {
  if (!FRAME_MAGIC.every((byte, index) => data[index] === byte)) {
    throw errors.BLOB_DECOMPRESS_FAILED({ reason: UNKNOWN_FRAME })
  }
  const size = contentSizeOf(data)
  if (size !== null && size > sizeMax) throw errors.BLOB_PLAIN_TOO_LARGE({ sizeMax })
  return size
}

/** The way without native calls; `size` is what the frame states, or null. */
export async function decompressByNode(
  data: Uint8Array,
  { size, sizeMax }: { readonly size: number | null; readonly sizeMax: number },
): Promise<Uint8Array> {
  let result: DecompressResult
  try {
    const options = nodeOptions(size, sizeMax)
    result = (await decompressAsync(data, options)) as unknown as DecompressResult
  } catch (cause) {
    throw decompressError(cause, sizeMax)
  }
  return checkedContent(result, data, sizeMax)
}

function nodeOptions(size: number | null, sizeMax: number) {
  // A little more than needed: with exactly the size, another piece would be allocated to see the end.
  // Not much less than usual for small ones: what a frame states may be a lie, or the first of many.
  const chunkSize = size === null ? UNKNOWN_PIECE_SIZE : Math.max(size + 64, PIECE_SIZE_MIN)
  return { chunkSize, maxOutputLength: sizeMax + 1, info: true }
}

function decompressError(cause: unknown, sizeMax: number): Error {
  if (cause instanceof RangeError) return errors.BLOB_PLAIN_TOO_LARGE({ sizeMax }, { cause })
  const reason = cause instanceof Error ? cause.message : String(cause)
  return errors.BLOB_DECOMPRESS_FAILED({ reason }, { cause })
}

function checkedContent(
  { buffer: plain, engine }: DecompressResult,
  data: Uint8Array,
  sizeMax: number,
): Uint8Array {
  if (plain.length > sizeMax) throw errors.BLOB_PLAIN_TOO_LARGE({ sizeMax })
  // Node ignores what follows the last frame; stock takes it for a frame and fails.
  if (engine.bytesWritten !== data.length) {
    throw errors.BLOB_DECOMPRESS_FAILED({ reason: UNKNOWN_FRAME })
  }
  return plain
}

/** The content size that a frame's header states, or null (RFC 8878, 3.1.1.1). */
export function contentSizeOf(frame: Uint8Array): number | null {
  const descriptor = frame[4] ?? 0
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryIdSize = [0, 1, 2, 4][descriptor & 3] ?? 0
  const fieldSize = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0
  const start = 5 + (isSingleSegment ? 0 : 1) + dictionaryIdSize
  if (fieldSize === 0 || frame.length < start + fieldSize) return null
  let size = 0
  for (let index = fieldSize - 1; index >= 0; index -= 1) {
    size = size * 256 + (frame[start + index] ?? 0)
  }
  return fieldSize === 2 ? size + 256 : size
}
