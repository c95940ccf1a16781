/**
 * The marks of a collection (races.md 9.2, 9.3): 64 bits of each digest that somebody references, from a place in the
 * digest that differs from run to run. A lookup says "maybe referenced" or "certainly not": two digests that share
 * these bits only keep each other.
 *
 * | part | holds |
 * |---|---|
 * | keys | the 8 bytes of each mark in the order of adding, in blocks; a mark's number is its position |
 * | shards | 256 tables of slots, open addressing; a slot is 0 or mark + 1 with four bits of the hash above |
 * | followers | the mark that came after this one in the last index that had both; 0: the next number |
 *
 * Numbers make lists of marks short (`runs.ts`), and let the marker guess: after a mark mostly comes what came after it
 * in the snapshot before, which costs a comparison instead of a search. A shard grows alone, so no allocation is large.
 * All memory can be shared between threads; one writes, and nobody reads while it does (races.md R-67).
 */
import { randomBytes, randomInt } from 'node:crypto'
import { DIGEST_SIZE } from '../../formats/digest.ts'
import type { Runs } from './runs.ts'

/** First two bytes of all digests. */
export const PREFIX_COUNT = 65_536
export const KEY_SIZE = 8
/** The first two bytes name the folder and are left to it. */
const OFFSET_MIN = 2
const OFFSET_MAX = DIGEST_SIZE - KEY_SIZE

export const SHARD_COUNT = 256
const SHARD_BITS = 8
const SHARD_SLOTS_MIN = 16
/** Searches for what is not there take six probes at most on average. */
const LOAD_MAX = 0.7
const GROWTH = 1.5
/** Keys of a block: half a MiB. */
const BLOCK_BITS = 16
export const BLOCK_KEYS = 1 << BLOCK_BITS
const BLOCK_MASK = BLOCK_KEYS - 1
const NUMBER_BITS = 28
const NUMBER_MASK = (1 << NUMBER_BITS) - 1
/** Marks that fit; more need more passes. */
export const MARKS_MAX = NUMBER_MASK - 1
const HASH_RANGE = 2 ** 24

export type TableMemory = ArrayBuffer | SharedArrayBuffer

/** All of a table, to be posted to another thread or kept. */
export interface MarksState {
  /** Place of the eight bytes in the digest. */
  readonly offset: number
  /** First two bytes of the digests that this table is for: from inclusive, to exclusive. */
  readonly from: number
  readonly to: number
  readonly seed: number
  readonly count: number
  readonly isShared: boolean
  readonly keys: readonly TableMemory[]
  readonly followers: readonly TableMemory[]
  readonly shards: readonly TableMemory[]
  readonly shardCounts: readonly number[]
}

export interface MarksOptions {
  /** How many are expected. */
  readonly capacity?: number
  /** Random by default. */
  readonly offset?: number
  readonly from?: number
  readonly to?: number
  /** Whether other threads are to see it. */
  readonly shared: boolean
}

/** Digests in a buffer, `stride` bytes apart. */
export interface PackedDigests {
  readonly view: DataView
  readonly start: number
  readonly stride: number
  readonly count: number
}

/** Words are signed: numbers of 31 bits need no memory of their own. */
export class Marks {
  readonly #offset: number
  readonly #from: number
  readonly #to: number
  readonly #seed: number
  readonly #isShared: boolean
  readonly #keys: Int32Array[]
  readonly #followers: Int32Array[]
  readonly #shards: Int32Array[]
  readonly #shardCounts: number[]
  #count: number

  constructor(options: MarksOptions | MarksState) {
    const state = 'seed' in options ? options : newState(options)
    this.#offset = state.offset
    this.#from = state.from
    this.#to = state.to
    this.#seed = state.seed
    this.#isShared = state.isShared
    this.#keys = state.keys.map((memory) => new Int32Array(memory))
    this.#followers = state.followers.map((memory) => new Int32Array(memory))
    this.#shards = state.shards.map((memory) => new Int32Array(memory))
    this.#shardCounts = [...state.shardCounts]
    this.#count = state.count
  }

  /** Different marks. */
  get count(): number {
    return this.#count
  }

  get offset(): number {
    return this.#offset
  }

  /** Memory that marks and tables take; the rest of the last block does not count. */
  get byteLength(): number {
    const slots = this.#shards.reduce((sum, shard) => sum + shard.byteLength, 0)
    const followers = this.#followers.length * BLOCK_KEYS * Int32Array.BYTES_PER_ELEMENT
    return this.#count * KEY_SIZE + slots + followers
  }

  /** The memory itself, not a copy. */
  get state(): MarksState {
    return {
      offset: this.#offset,
      from: this.#from,
      to: this.#to,
      seed: this.#seed,
      count: this.#count,
      isShared: this.#isShared,
      keys: this.#keys.map(({ buffer }) => buffer),
      followers: this.#followers.map(({ buffer }) => buffer),
      shards: this.#shards.map(({ buffer }) => buffer),
      shardCounts: this.#shardCounts,
    }
  }

  /** Whether digests of this folder belong into this table. */
  covers(prefix: number): boolean {
    return prefix >= this.#from && prefix < this.#to
  }

  /** Marks the digest at `offset` if it is of this table's range; its number, or -1. */
  add(bytes: Uint8Array, offset: number): number {
    if (!this.covers(((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0))) return -1
    const at = offset + this.#offset
    return this.#put(readI32(bytes, at), readI32(bytes, at + 4))
  }

  has(bytes: Uint8Array, offset: number): boolean {
    return this.find(bytes, offset) >= 0
  }

  /** The number of the mark of the digest at `offset`, or -1. */
  find(bytes: Uint8Array, offset: number): number {
    const at = offset + this.#offset
    return this.#find(readI32(bytes, at), readI32(bytes, at + 4))
  }

  /** Marks many, and notes their numbers in `runs` (those of this table's range only). */
  addMany(digests: PackedDigests, runs: Runs): void {
    const { view, start, stride, count } = digests
    const isPart = this.#from > 0 || this.#to < PREFIX_COUNT
    const end = start + count * stride
    const [keyBlocks, followerBlocks, offset] = [this.#keys, this.#followers, this.#offset]
    let last = runs.next - 1
    /** What came in the list before after what was expected there: a change mostly ends with it. */
    let expected = -1
    for (let at = start; at < end; at += stride) {
      if (isPart && !this.covers(view.getUint16(at))) continue
      const low = view.getInt32(at + offset, true)
      const high = view.getInt32(at + offset + 4, true)
      // Calls would double what a right guess costs.
      const follower = (followerBlocks[last >>> BLOCK_BITS] ?? NO_SLOTS)[last & BLOCK_MASK] ?? 0
      let number = follower === 0 ? last + 1 : follower
      const keys = keyBlocks[number >>> BLOCK_BITS] ?? NO_SLOTS
      const place = (number & BLOCK_MASK) << 1
      const isGuessed = keys[place] === low && keys[place + 1] === high && number < this.#count
      if (isGuessed) expected = -1
      else {
        const missed = expected < 0 ? number : expected
        const isExpected = expected >= 0 && this.#isKey(expected, low, high)
        number = isExpected ? expected : this.#put(low, high)
        expected = isExpected ? -1 : this.#follower(missed)
        if (last >= 0) this.#setFollower(last, number)
      }
      if (number !== last + 1 || last < 0) {
        runs.extendTo(last + 1)
        runs.add(number)
      }
      last = number
    }
    runs.extendTo(last + 1)
  }

  /** Adds marks of an earlier table with the same place in the digest: those whose byte in `wanted` is 1. */
  addKeys(keys: Int32Array, wanted: Uint8Array): void {
    for (let index = 0; index < wanted.length; index += 1) {
      if (wanted[index] === 1) this.#put(keys[2 * index] ?? 0, keys[2 * index + 1] ?? 0)
    }
  }

  #find(low: number, high: number): number {
    const hash = this.#hash(low, high)
    const shard = this.#shards[hash & (SHARD_COUNT - 1)] ?? NO_SLOTS
    const tag = hash >>> NUMBER_BITS
    let slot = slotOf(hash, shard.length)
    for (;;) {
      const entry = shard[slot] ?? 0
      if (entry === 0) return -1
      const number = (entry & NUMBER_MASK) - 1
      if (entry >>> NUMBER_BITS === tag && this.#isKey(number, low, high)) return number
      slot += 1
      if (slot === shard.length) slot = 0
    }
  }

  #put(low: number, high: number): number {
    const hash = this.#hash(low, high)
    const index = hash & (SHARD_COUNT - 1)
    const shard = this.#shards[index] ?? NO_SLOTS
    const tag = hash >>> NUMBER_BITS
    let slot = slotOf(hash, shard.length)
    for (;;) {
      const entry = shard[slot] ?? 0
      if (entry === 0) break
      const known = (entry & NUMBER_MASK) - 1
      if (entry >>> NUMBER_BITS === tag && this.#isKey(known, low, high)) return known
      slot += 1
      if (slot === shard.length) slot = 0
    }
    const number = this.#append(low, high)
    shard[slot] = (number + 1) | (tag << NUMBER_BITS)
    this.#countUp(index)
    return number
  }

  /** The mark that came after `number` in the last index that had it; one that is there, or -1. */
  #follower(number: number): number {
    const block = this.#followers[number >>> BLOCK_BITS] ?? NO_SLOTS
    const follower = block[number & BLOCK_MASK] ?? 0
    const next = follower === 0 ? number + 1 : follower
    return next < this.#count ? next : -1
  }

  /** `follower` came after `number` in the last index that had it. */
  #setFollower(number: number, follower: number): void {
    const block = number >>> BLOCK_BITS
    let followers = this.#followers[block]
    if (followers === undefined) {
      if (follower === number + 1) return
      while (this.#followers.length <= block) {
        const size = BLOCK_KEYS * Int32Array.BYTES_PER_ELEMENT
        this.#followers.push(new Int32Array(allocate(size, this.#isShared)))
      }
      followers = this.#followers[block] ?? NO_SLOTS
    }
    followers[number & BLOCK_MASK] = follower
  }

  #append(low: number, high: number): number {
    const number = this.#count
    if (number >= MARKS_MAX) throw new RangeError('more marks than a table can number')
    const block = number >>> BLOCK_BITS
    const keys = (this.#keys[block] ??= new Int32Array(
      allocate(BLOCK_KEYS * KEY_SIZE, this.#isShared),
    ))
    const at = (number & BLOCK_MASK) << 1
    keys[at] = low
    keys[at + 1] = high
    this.#count = number + 1
    return number
  }

  #isKey(number: number, low: number, high: number): boolean {
    const keys = this.#keys[number >>> BLOCK_BITS] ?? NO_SLOTS
    const at = (number & BLOCK_MASK) << 1
    return keys[at] === low && keys[at + 1] === high
  }

  #countUp(index: number): void {
    const count = (this.#shardCounts[index] ?? 0) + 1
    this.#shardCounts[index] = count
    const shard = this.#shards[index] ?? NO_SLOTS
    if (count <= shard.length * LOAD_MAX) return
    const grown = new Int32Array(
      allocate(Math.ceil(shard.length * GROWTH) * Int32Array.BYTES_PER_ELEMENT, this.#isShared),
    )
    for (const entry of shard) {
      if (entry !== 0) this.#insert(grown, entry)
    }
    this.#shards[index] = grown
  }

  #insert(shard: Int32Array, entry: number): void {
    const number = (entry & NUMBER_MASK) - 1
    const keys = this.#keys[number >>> BLOCK_BITS] ?? NO_SLOTS
    const at = (number & BLOCK_MASK) << 1
    const hash = this.#hash(keys[at] ?? 0, keys[at + 1] ?? 0)
    let slot = slotOf(hash, shard.length)
    while (shard[slot] !== 0) {
      slot += 1
      if (slot === shard.length) slot = 0
    }
    shard[slot] = entry
  }

  /** Who chooses digests (a client that encrypts) must not choose slots. */
  #hash(low: number, high: number): number {
    let hash = Math.imul(low ^ this.#seed, 0x85eb_ca6b) ^ high
    hash ^= hash >>> 15
    hash = Math.imul(hash, this.#seed | 1)
    hash ^= hash >>> 13
    hash = Math.imul(hash, 0xc2b2_ae35)
    return hash ^ (hash >>> 16)
  }
}

/** The table of `marks` with more marks of an earlier run. */
export function restoreMarks(request: {
  readonly marks: MarksState
  readonly keys: Int32Array
  readonly wanted: Uint8Array
}): MarksState {
  const marks = new Marks(request.marks)
  marks.addKeys(request.keys, request.wanted)
  return marks.state
}

const NO_SLOTS = new Int32Array(SHARD_SLOTS_MIN)

function slotOf(hash: number, length: number): number {
  return (((hash >>> SHARD_BITS) * length) / HASH_RANGE) | 0
}

function newState(options: MarksOptions): MarksState {
  const { capacity = 0, offset, from = 0, to = PREFIX_COUNT, shared: isShared } = options
  const perShard = Math.ceil(capacity / SHARD_COUNT / LOAD_MAX)
  const size = Math.max(SHARD_SLOTS_MIN, perShard) * Int32Array.BYTES_PER_ELEMENT
  return {
    offset: offset ?? randomInt(OFFSET_MIN, OFFSET_MAX + 1),
    from,
    to,
    seed: randomBytes(4).readInt32LE(),
    count: 0,
    isShared,
    keys: [],
    followers: [],
    shards: Array.from({ length: SHARD_COUNT }, () => allocate(size, isShared)),
    shardCounts: Array.from({ length: SHARD_COUNT }, () => 0),
  }
}

function allocate(size: number, isShared: boolean): TableMemory {
  return isShared ? new SharedArrayBuffer(size) : new ArrayBuffer(size)
}

function readI32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  )
}
