/**
 * Fixed index: the digests of equally long chunks (formats.md 4).
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 64 | magic, uuid, time, checksum: `index-header.ts` |
 * | 64 | 8 | size of the archive, u64 LE |
 * | 72 | 8 | chunk size, u64 LE, a power of two |
 * | 80 | 4016 | zero |
 * | 4096 | 32 a chunk | digests; the last chunk may be shorter |
 */
import { createHash } from 'node:crypto'

import { writeU64le } from '../base/bytes.ts'
import {
  type ArchiveIndex,
  type DigestLocation,
  INDEX_HEADER_SIZE,
  type IndexIdentity,
} from './archive-index.ts'
import { DIGEST_SIZE, type Digest, digestFromBytes, digestToBytes } from './digest.ts'
import { errors } from './errors.ts'
import {
  checkPosition,
  decodeIndexHeader,
  encodeIndexHeader,
  type IndexHeader,
  viewOf,
} from './index-header.ts'
import { FIXED_INDEX_MAGIC } from './magic.ts'

/** The only chunk size that servers create indexes with. */
export const FIXED_CHUNK_SIZE = 4 << 20

export const FIXED_INDEX_SIZE_OFFSET = 64
const CHUNK_SIZE_OFFSET = 72

export interface FixedIndex extends ArchiveIndex {
  readonly kind: 'fixed'
  readonly chunkSize: number
}

/** Reads an index file; keeps `bytes`, which must not change. Throws INDEX_… errors with stock's texts. */
export function decodeFixedIndex(bytes: Uint8Array): FixedIndex {
  const header = decodeIndexHeader(bytes, FIXED_INDEX_MAGIC)
  const view = viewOf(bytes)
  const size = view.getBigUint64(FIXED_INDEX_SIZE_OFFSET, true)
  const chunkSize = view.getBigUint64(CHUNK_SIZE_OFFSET, true)
  if (chunkSize === 0n || (chunkSize & (chunkSize - 1n)) !== 0n) {
    throw errors.INDEX_CHUNK_SIZE_INVALID({ chunkSize })
  }
  const count = (size + chunkSize - 1n) / chunkSize
  const expected = count * BigInt(DIGEST_SIZE)
  const actual = bytes.length - INDEX_HEADER_SIZE
  if (expected !== BigInt(actual)) throw errors.INDEX_FILE_SIZE_WRONG({ expected, actual })
  if (count === 0n) throw errors.INDEX_SIZE_INVALID({})
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw errors.INDEX_END_TOO_LARGE({ end: size })
  return new FixedIndexView(bytes, header, { size: Number(size), chunkSize: Number(chunkSize) })
}

export interface FixedHeader extends IndexHeader {
  readonly size: number
  readonly chunkSize: number
}

/** The 4096 bytes before the digests. */
export function encodeFixedHeader(header: FixedHeader): Uint8Array {
  const bytes = encodeIndexHeader(FIXED_INDEX_MAGIC, header)
  writeU64le(bytes, FIXED_INDEX_SIZE_OFFSET, header.size)
  writeU64le(bytes, CHUNK_SIZE_OFFSET, header.chunkSize)
  return bytes
}

/** The checksum of packed digests (32 bytes each), 32 bytes. */
export function fixedIndexCsum(digests: Uint8Array): Uint8Array {
  return createHash('sha256').update(digests).digest()
}

/** Number of chunks of `chunkSize` that `size` bytes need. */
export function fixedChunkCount(size: number, chunkSize: number): number {
  return Math.ceil(size / chunkSize)
}

class FixedIndexView implements FixedIndex {
  readonly kind = 'fixed'
  readonly count: number
  readonly size: number
  readonly chunkSize: number
  readonly uuid: Uint8Array
  readonly createdAt: number
  readonly headerCsum: Uint8Array
  readonly #bytes: Uint8Array

  constructor(
    bytes: Uint8Array,
    header: IndexHeader,
    sizes: { readonly size: number; readonly chunkSize: number },
  ) {
    this.#bytes = bytes
    this.count = (bytes.length - INDEX_HEADER_SIZE) / DIGEST_SIZE
    this.size = sizes.size
    this.chunkSize = sizes.chunkSize
    this.uuid = header.uuid
    this.createdAt = header.createdAt
    this.headerCsum = header.csum
  }

  computeCsum(): Uint8Array {
    return fixedIndexCsum(this.#bytes.subarray(INDEX_HEADER_SIZE))
  }

  digestAt(index: number): Digest {
    checkPosition(index, this.count)
    return digestFromBytes(this.#bytes, INDEX_HEADER_SIZE + index * DIGEST_SIZE)
  }

  digestBytes(index: number): Uint8Array {
    const { bytes, offset } = this.digestLocation(index)
    return bytes.subarray(offset, offset + DIGEST_SIZE)
  }

  digestLocation(index: number): DigestLocation {
    checkPosition(index, this.count)
    return { bytes: this.#bytes, offset: INDEX_HEADER_SIZE + index * DIGEST_SIZE }
  }

  startOf(index: number): number {
    checkPosition(index, this.count)
    return index * this.chunkSize
  }

  endOf(index: number): number {
    return Math.min(this.startOf(index) + this.chunkSize, this.size)
  }

  sizeOf(index: number): number {
    return this.endOf(index) - this.startOf(index)
  }

  chunkAt(offset: number): number {
    if (offset < 0 || offset >= this.size) throw errors.INDEX_OFFSET_OUT_OF_RANGE({})
    return Math.floor(offset / this.chunkSize)
  }

  *digests(): IterableIterator<Digest> {
    for (let index = 0; index < this.count; index += 1) yield this.digestAt(index)
  }
}

/** Collects the digests of a fixed index in any order; 32 bytes a chunk in memory. */
export class FixedIndexBuilder {
  readonly chunkSize: number
  #size: number
  #digests: Uint8Array

  /** `size` in bytes; 0 if it is not known yet, then `resize` as it grows. */
  constructor(size: number, chunkSize: number = FIXED_CHUNK_SIZE) {
    this.chunkSize = chunkSize
    this.#size = size
    this.#digests = new Uint8Array(fixedChunkCount(size, chunkSize) * DIGEST_SIZE)
  }

  get size(): number {
    return this.#size
  }

  get count(): number {
    return fixedChunkCount(this.#size, this.chunkSize)
  }

  /** Changes the size; new slots are zero. */
  resize(size: number): void {
    this.#size = size
    const length = this.count * DIGEST_SIZE
    if (length <= this.#digests.length) return
    const grown = new Uint8Array(Math.max(length, this.#digests.length * 2))
    grown.set(this.#digests)
    this.#digests = grown
  }

  /** Throws INDEX_POSITION_OUT_OF_RANGE with stock's text. */
  set(index: number, digest: Digest): void {
    this.setAt(index, digestToBytes(digest), 0)
  }

  /** Sets the digest whose 32 bytes begin at `offset`. Throws INDEX_POSITION_OUT_OF_RANGE. */
  setAt(index: number, bytes: Uint8Array, offset: number): void {
    const { count } = this
    if (index < 0 || index >= count) throw errors.INDEX_POSITION_OUT_OF_RANGE({ index, count })
    this.#digests.set(bytes.subarray(offset, offset + DIGEST_SIZE), index * DIGEST_SIZE)
  }

  digestAt(index: number): Digest {
    checkPosition(index, this.count)
    return digestFromBytes(this.#digests, index * DIGEST_SIZE)
  }

  /** The packed digests, borrowed until the next change. */
  body(): Uint8Array {
    return this.#digests.subarray(0, this.count * DIGEST_SIZE)
  }

  csum(): Uint8Array {
    return fixedIndexCsum(this.body())
  }

  /** The whole index file. */
  encode(identity: IndexIdentity): Uint8Array {
    const sizes = { size: this.#size, chunkSize: this.chunkSize }
    const header = encodeFixedHeader({ ...identity, ...sizes, csum: this.csum() })
    return Buffer.concat([header, this.body()])
  }
}
