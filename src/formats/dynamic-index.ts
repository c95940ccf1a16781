/**
 * Dynamic index: end offset and digest of chunks of differing length (formats.md 5).
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 64 | magic, uuid, time, checksum: `index-header.ts` |
 * | 64 | 4032 | zero |
 * | 4096 | 40 a chunk | end (u64 LE, exclusive, in the archive), digest |
 */
import { createHash } from 'node:crypto'

import { writeU64le } from '../base/bytes.ts'
import {
  type ArchiveIndex,
  type DigestLocation,
  INDEX_HEADER_SIZE,
  type IndexIdentity,
} from './archive-index.ts'
import { DIGEST_SIZE, type Digest, digestFromBytes } from './digest.ts'
import { errors } from './errors.ts'
import {
  checkPosition,
  decodeIndexHeader,
  encodeIndexHeader,
  type IndexHeader,
  viewOf,
} from './index-header.ts'
import { DYNAMIC_INDEX_MAGIC } from './magic.ts'

const END_SIZE = 8
export const DYNAMIC_ENTRY_SIZE = END_SIZE + DIGEST_SIZE
/** Room of a new builder; it doubles when it is full. */
const BUILDER_START_SIZE = 64 * DYNAMIC_ENTRY_SIZE

export interface DynamicIndex extends ArchiveIndex {
  readonly kind: 'dynamic'
}

/**
 * Reads an index file; keeps `bytes`, which must not change. Throws INDEX_… errors with stock's texts, and
 * INDEX_END_NOT_ASCENDING for ends that stock would not look at.
 */
export function decodeDynamicIndex(bytes: Uint8Array): DynamicIndex {
  const header = decodeIndexHeader(bytes, DYNAMIC_INDEX_MAGIC)
  const length = bytes.length - INDEX_HEADER_SIZE
  if (length % DYNAMIC_ENTRY_SIZE !== 0) throw errors.INDEX_BODY_SIZE_WRONG({})
  if (length === 0) throw errors.INDEX_EMPTY({})
  checkEnds(bytes)
  return new DynamicIndexView(bytes, header)
}

/** The 4096 bytes before the entries. */
export function encodeDynamicHeader(header: IndexHeader): Uint8Array {
  return encodeIndexHeader(DYNAMIC_INDEX_MAGIC, header)
}

// Walks by the two halves of each end: BigInts for millions of entries would take seconds.
function checkEnds(bytes: Uint8Array): void {
  const view = viewOf(bytes)
  let previous = 0
  for (let at = INDEX_HEADER_SIZE, index = 0; at < bytes.length; at += DYNAMIC_ENTRY_SIZE) {
    const end = endAt(view, at)
    if (end > Number.MAX_SAFE_INTEGER) {
      throw errors.INDEX_END_TOO_LARGE({ end: view.getBigUint64(at, true) })
    }
    if (end <= previous) throw errors.INDEX_END_NOT_ASCENDING({ index, end, previous })
    previous = end
    index += 1
  }
}

function endAt(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true)
}

class DynamicIndexView implements DynamicIndex {
  readonly kind = 'dynamic'
  readonly count: number
  readonly uuid: Uint8Array
  readonly createdAt: number
  readonly headerCsum: Uint8Array
  readonly #bytes: Uint8Array
  readonly #view: DataView

  constructor(bytes: Uint8Array, header: IndexHeader) {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.count = (bytes.length - INDEX_HEADER_SIZE) / DYNAMIC_ENTRY_SIZE
    this.uuid = header.uuid
    this.createdAt = header.createdAt
    this.headerCsum = header.csum
  }

  get size(): number {
    return this.endOf(this.count - 1)
  }

  computeCsum(): Uint8Array {
    return createHash('sha256').update(this.#bytes.subarray(INDEX_HEADER_SIZE)).digest()
  }

  digestAt(index: number): Digest {
    return digestFromBytes(this.#bytes, this.#entryOf(index) + END_SIZE)
  }

  digestBytes(index: number): Uint8Array {
    const start = this.#entryOf(index) + END_SIZE
    return this.#bytes.subarray(start, start + DIGEST_SIZE)
  }

  digestLocation(index: number): DigestLocation {
    return { bytes: this.#bytes, offset: this.#entryOf(index) + END_SIZE }
  }

  startOf(index: number): number {
    checkPosition(index, this.count)
    return index === 0 ? 0 : this.endOf(index - 1)
  }

  endOf(index: number): number {
    return endAt(this.#view, this.#entryOf(index))
  }

  sizeOf(index: number): number {
    return this.endOf(index) - this.startOf(index)
  }

  chunkAt(offset: number): number {
    if (offset < 0 || offset >= this.size) throw errors.INDEX_OFFSET_OUT_OF_RANGE({})
    let low = 0
    let high = this.count - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.endOf(middle) > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  *digests(): IterableIterator<Digest> {
    for (let index = 0; index < this.count; index += 1) yield this.digestAt(index)
  }

  #entryOf(index: number): number {
    checkPosition(index, this.count)
    return INDEX_HEADER_SIZE + index * DYNAMIC_ENTRY_SIZE
  }
}

/** Collects the entries of a dynamic index in order. Who takes them away keeps nothing of it in memory. */
export class DynamicIndexBuilder {
  readonly #hash = createHash('sha256')
  #entries = Buffer.allocUnsafe(BUILDER_START_SIZE)
  #length = 0
  #hashed = 0
  #count = 0
  #end = 0

  /** Chunks appended. */
  get count(): number {
    return this.#count
  }

  /** End of the last chunk: the size so far. */
  get end(): number {
    return this.#end
  }

  /** Adds a chunk that ends at `end`. Throws INDEX_END_NOT_ASCENDING. */
  append(end: number, digest: Digest): void {
    const start = this.#reserve(end)
    this.#entries.write(digest, start + END_SIZE, 'hex')
  }

  /** Adds the digest whose 32 bytes begin at `offset`. Throws INDEX_END_NOT_ASCENDING. */
  appendAt(end: number, bytes: Uint8Array, offset: number): void {
    const start = this.#reserve(end)
    this.#entries.set(bytes.subarray(offset, offset + DIGEST_SIZE), start + END_SIZE)
  }

  /** The encoded entries appended since the last take, owned by the caller. */
  takeEntries(): Uint8Array {
    this.#hashAll()
    const entries = this.#entries.subarray(0, this.#length)
    this.#entries = Buffer.allocUnsafe(BUILDER_START_SIZE)
    this.#length = 0
    this.#hashed = 0
    return entries
  }

  /** The checksum of all entries, taken or not, 32 bytes. */
  csum(): Uint8Array {
    this.#hashAll()
    return this.#hash.copy().digest()
  }

  /** The whole index file; nothing may have been taken. */
  encode(identity: IndexIdentity): Uint8Array {
    if (this.#length !== this.#count * DYNAMIC_ENTRY_SIZE) {
      throw new RangeError('entries of this index were taken')
    }
    const header = encodeDynamicHeader({ ...identity, csum: this.csum() })
    return Buffer.concat([header, this.#entries.subarray(0, this.#length)])
  }

  #reserve(end: number): number {
    if (!(end > this.#end)) {
      throw errors.INDEX_END_NOT_ASCENDING({ index: this.#count, end, previous: this.#end })
    }
    const start = this.#length
    if (start + DYNAMIC_ENTRY_SIZE > this.#entries.length) this.#grow()
    writeU64le(this.#entries, start, end)
    this.#length += DYNAMIC_ENTRY_SIZE
    this.#count += 1
    this.#end = end
    return start
  }

  #grow(): void {
    const grown = Buffer.allocUnsafe(this.#entries.length * 2)
    grown.set(this.#entries)
    this.#entries = grown
  }

  #hashAll(): void {
    this.#hash.update(this.#entries.subarray(this.#hashed, this.#length))
    this.#hashed = this.#length
  }
}
