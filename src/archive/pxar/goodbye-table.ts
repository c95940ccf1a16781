/**
 * GOODBYE: the index that ends every directory (pxar.md 6).
 *
 * | Offset       | Size | Field                                                                |
 * | ------------ | ---- | -------------------------------------------------------------------- |
 * | 24 · i       | 8    | hash of the child's name; of the last record: the tail marker        |
 * | 24 · i + 8   | 8    | G − position of the child's FILENAME; tail: of the directory's ENTRY |
 * | 24 · i + 16  | 8    | size of the child from its FILENAME on; tail: of this whole item     |
 *
 * G is the position of the GOODBYE header. Records form a left-complete binary search tree by hash:
 * the children of record i are 2i + 1 (smaller) and 2i + 2 (larger).
 */
import { readU64le } from '../../base/bytes.ts'
import { errors } from '../errors.ts'
import {
  GOODBYE,
  GOODBYE_RECORD_SIZE,
  GOODBYE_TAIL_HIGH,
  GOODBYE_TAIL_LOW,
  HEADER_SIZE,
} from './format.ts'
import type { PieceWriter } from './piece-writer.ts'
import { hashName } from './siphash.ts'

export interface GoodbyeRecord {
  /** Distance from the GOODBYE header back to the child's FILENAME. */
  readonly offset: number
  readonly size: number
}

/** Numbers kept for one child: hash low, hash high, position of its FILENAME, size. */
const FIELDS = 4
const hashOut = new Uint32Array(2)

/** Collects the children of one directory while it is written: 32 bytes a child. */
export class GoodbyeTable {
  readonly #fields: number[] = []

  get count(): number {
    return this.#fields.length / FIELDS
  }

  /** Adds the child whose FILENAME item starts at `position` and that takes `size` bytes from there. */
  add(name: Uint8Array, position: number, size: number): void {
    hashName(name, hashOut)
    this.#fields.push(hashOut[0] as number, hashOut[1] as number, position, size)
  }

  /** Writes the GOODBYE item of a directory whose ENTRY starts at `directoryStart` (root: 0). */
  write(out: PieceWriter, directoryStart: number): void {
    const goodbyeStart = out.position
    const contentSize = GOODBYE_RECORD_SIZE * (this.count + 1)
    const sorted = this.#sortedIndexes()
    out.header(GOODBYE, contentSize)
    for (const index of treeOrder(sorted.length)) {
      const start = (sorted[index] as number) * FIELDS
      out.room(GOODBYE_RECORD_SIZE)
      out.u32(this.#fields[start] as number)
      out.u32(this.#fields[start + 1] as number)
      out.u64(goodbyeStart - (this.#fields[start + 2] as number))
      out.u64(this.#fields[start + 3] as number)
    }
    out.room(GOODBYE_RECORD_SIZE)
    out.u32(GOODBYE_TAIL_LOW)
    out.u32(GOODBYE_TAIL_HIGH)
    out.u64(goodbyeStart - directoryStart)
    out.u64(contentSize + HEADER_SIZE)
  }

  #sortedIndexes(): number[] {
    const fields = this.#fields
    const indexes = Array.from({ length: this.count }, (_, index) => index)
    return indexes.sort((a, b) => {
      const high = (fields[a * FIELDS + 1] as number) - (fields[b * FIELDS + 1] as number)
      return high === 0 ? (fields[a * FIELDS] as number) - (fields[b * FIELDS] as number) : high
    })
  }
}

/** For each position of the tree array, the index in sorted order (pxar.md 6.3). */
export function treeOrder(count: number): Uint32Array {
  const order = new Uint32Array(count)
  let next = 0
  fill(0)
  return order

  function fill(position: number): void {
    if (position >= count) return
    fill(2 * position + 1)
    order[position] = next++
    fill(2 * position + 2)
  }
}

/** The record at `index` of a table's content. Errors: PXAR_INVALID for values above 2^53 - 1. */
export function readRecord(table: Uint8Array, index: number): GoodbyeRecord {
  const start = index * GOODBYE_RECORD_SIZE
  try {
    return { offset: readU64le(table, start + 8), size: readU64le(table, start + 16) }
  } catch (error) {
    throw errors.PXAR_INVALID({ text: 'goodbye record out of range' }, { cause: error })
  }
}

/** The indexes of all records whose hash is that of `name`, found through the tree (pxar.md 6.4). */
export function* findRecords(
  table: Uint8Array,
  count: number,
  name: Uint8Array,
): Generator<number> {
  hashName(name, hashOut)
  const [low, high] = [hashOut[0] as number, hashOut[1] as number]
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength)
  // Equal hashes can lie in either subtree of a match; each position is visited at most once.
  const pending = [0]
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    if (index >= count) continue
    const start = index * GOODBYE_RECORD_SIZE
    const highDifference = high - view.getUint32(start + 4, true)
    const order = highDifference === 0 ? low - view.getUint32(start, true) : highDifference
    if (order === 0) yield index
    if (order >= 0) pending.push(2 * index + 2)
    if (order <= 0) pending.push(2 * index + 1)
  }
}
