/** Bounds-checked little-endian reader and writer, the cursor of every decoder and encoder. */
import { assert } from './assert.ts'

const U32_SIZE = 4
const U32_RANGE = 2 ** 32
/** Room a new writer starts with; it doubles when it is full. */
const WRITER_START_SIZE = 256

/** The u64 at `offset` of `bytes`; throws RangeError past the end or above 2^53 - 1. */
export function readU64le(bytes: Uint8Array, offset: number): number {
  const value = readU32le(bytes, offset + U32_SIZE) * U32_RANGE + readU32le(bytes, offset)
  if (!Number.isSafeInteger(value)) throw new RangeError(`64-bit value at ${offset} is too large`)
  return value
}

/** Writes `value` (a safe integer of at least 0) as a u64 at `offset`; throws RangeError past the end. */
export function writeU64le(bytes: Uint8Array, offset: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a u64 is a safe integer of at least 0')
  writeU32le(bytes, offset, value % U32_RANGE)
  writeU32le(bytes, offset + U32_SIZE, Math.floor(value / U32_RANGE))
}

/** The u32 at `offset`; throws RangeError past the end. */
export function readU32le(bytes: Uint8Array, offset: number): number {
  const [a, b, c, d] = [bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]]
  if (a === undefined || b === undefined || c === undefined || d === undefined) {
    throw new RangeError(`read of 4 bytes at ${offset} of ${bytes.length}`)
  }
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0
}

/** Writes the low 32 bits of `value` at `offset`; throws RangeError past the end. */
export function writeU32le(bytes: Uint8Array, offset: number, value: number): void {
  if (offset < 0 || offset + U32_SIZE > bytes.length) {
    throw new RangeError(`write of 4 bytes at ${offset} of ${bytes.length}`)
  }
  bytes[offset] = value
  bytes[offset + 1] = value >>> 8
  bytes[offset + 2] = value >>> 16
  bytes[offset + 3] = value >>> 24
}

/** Reads little-endian values one after the other; throws what `onShort` makes when the bytes run out. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #onShort: () => Error
  #offset = 0

  constructor(bytes: Uint8Array, onShort: () => Error) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#onShort = onShort
  }

  /** Position of the next byte. */
  get offset(): number {
    return this.#offset
  }

  /** Count of bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16le(): number {
    return this.#view.getUint16(this.#take(2), true)
  }

  u32le(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  u64le(): bigint {
    return this.#view.getBigUint64(this.#take(8), true)
  }

  i64le(): bigint {
    return this.#view.getBigInt64(this.#take(8), true)
  }

  /** A u64 as a number; throws RangeError above 2^53 - 1. */
  u64Number(): number {
    return readU64le(this.#bytes, this.#take(8))
  }

  /** A borrowed view of the next `size` bytes. */
  bytes(size: number): Uint8Array {
    const start = this.#take(size)
    return this.#bytes.subarray(start, start + size)
  }

  skip(size: number): void {
    this.#take(size)
  }

  #take(size: number): number {
    assert(Number.isSafeInteger(size) && size >= 0, 'a size is a safe integer of at least 0')
    if (size > this.remaining) throw this.#onShort()
    const start = this.#offset
    this.#offset += size
    return start
  }
}

/** Collects little-endian values in a buffer that grows. */
export class ByteWriter {
  #buffer: Uint8Array<ArrayBuffer>
  #view: DataView
  #size = 0

  constructor(sizeHint: number = WRITER_START_SIZE) {
    this.#buffer = new Uint8Array(Math.max(sizeHint, 16))
    this.#view = new DataView(this.#buffer.buffer)
  }

  /** Count of bytes written so far. */
  get size(): number {
    return this.#size
  }

  u8(value: number): this {
    const start = this.#grow(1)
    this.#view.setUint8(start, value)
    return this
  }

  u16le(value: number): this {
    const start = this.#grow(2)
    this.#view.setUint16(start, value, true)
    return this
  }

  u32le(value: number): this {
    const start = this.#grow(4)
    this.#view.setUint32(start, value, true)
    return this
  }

  u64le(value: bigint | number): this {
    const start = this.#grow(8)
    if (typeof value === 'bigint') this.#view.setBigUint64(start, value, true)
    else writeU64le(this.#buffer, start, value)
    return this
  }

  i64le(value: bigint | number): this {
    const start = this.#grow(8)
    this.#view.setBigInt64(start, BigInt(value), true)
    return this
  }

  /** Copies `bytes`. */
  bytes(bytes: Uint8Array): this {
    const start = this.#grow(bytes.length)
    this.#buffer.set(bytes, start)
    return this
  }

  /** The bytes written; the writer must not be used any more. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#size)
  }

  /** Room for `size` bytes, before anything of the buffer is looked at: it may be a new one. */
  #grow(size: number): number {
    const start = this.#size
    this.#size += size
    if (this.#size > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#size, this.#buffer.length * 2))
      larger.set(this.#buffer.subarray(0, start))
      this.#buffer = larger
      this.#view = new DataView(larger.buffer)
    }
    return start
  }
}
