/**
 * The table under `DigestMap` and `DigestSet`: open addressing over flat arrays, 33 to 37 bytes a slot, no object
 * per digest, so that millions fit (a `Map` of texts needs about five times as much).
 *
 * Slots are probed one after the other; deleting moves later entries up, so there are no tombstones and a table
 * that lives long stays as fast as a new one. The position of a digest depends on a random number per table:
 * a client chooses the digests of encrypted chunks freely and could otherwise pile them up in one place.
 */
import { randomBytes } from 'node:crypto'

import { DIGEST_SIZE, type Digest } from './digest.ts'

const WORDS = DIGEST_SIZE / 4
const CAPACITY_MIN = 16
/** Full above this part; a lookup then takes about two probes. */
const LOAD_MAX = 0.65

/** Text form to words goes through here; never kept over an await. */
const scratch = Buffer.alloc(DIGEST_SIZE)

const NO_WORDS = new Uint32Array(0)
const NO_BYTES = new Uint8Array(0)

export class DigestTable {
  readonly #hasValues: boolean
  readonly #seed: number
  /** The digest looked for, as words. */
  readonly #wanted = new Uint32Array(WORDS)
  #capacity = 0
  #keys = NO_WORDS
  #used = NO_BYTES
  #values = NO_WORDS
  #size = 0

  /** `capacity`: how many digests are expected. */
  constructor(options: { readonly hasValues: boolean; readonly capacity?: number }) {
    this.#hasValues = options.hasValues
    this.#seed = randomBytes(4).readUInt32LE() | 1
    this.#allocate(capacityFor(options.capacity ?? 0))
  }

  get size(): number {
    return this.#size
  }

  /** The slot of the digest at `offset`, or -1. */
  findAt(bytes: Uint8Array, offset: number): number {
    this.#want(bytes, offset)
    const slot = this.#probe()
    return this.#used[slot] === 1 ? slot : -1
  }

  find(digest: Digest): number {
    scratch.write(digest, 'hex')
    return this.findAt(scratch, 0)
  }

  /** Adds the digest at `offset` if it is not there, and sets its value; true if it was added. */
  putAt(bytes: Uint8Array, offset: number, value: number): boolean {
    if (this.#size + 1 > this.#capacity * LOAD_MAX) this.#grow()
    this.#want(bytes, offset)
    const slot = this.#probe()
    if (this.#hasValues) this.#values[slot] = value
    if (this.#used[slot] === 1) return false
    this.#keys.set(this.#wanted, slot * WORDS)
    this.#used[slot] = 1
    this.#size += 1
    return true
  }

  put(digest: Digest, value: number): boolean {
    scratch.write(digest, 'hex')
    return this.putAt(scratch, 0, value)
  }

  valueAt(slot: number): number {
    return this.#values[slot] ?? 0
  }

  /** Empties `slot` and moves up what was displaced by it. */
  remove(slot: number): void {
    const mask = this.#capacity - 1
    let hole = slot
    for (let next = (hole + 1) & mask; this.#used[next] === 1; next = (next + 1) & mask) {
      const home = this.#homeOf(this.#keys, next * WORDS)
      // An entry may move only if its home does not lie between the hole and itself.
      if (((next - home) & mask) < ((next - hole) & mask)) continue
      this.#move(next, hole)
      hole = next
    }
    this.#used[hole] = 0
    this.#size -= 1
  }

  /** Calls `visit` for each entry, in no order; `digest` is borrowed until it returns. The table must not change. */
  forEach(visit: (digest: Uint8Array, value: number) => void): void {
    const bytes = new Uint8Array(this.#keys.buffer)
    for (let slot = 0; slot < this.#capacity; slot += 1) {
      if (this.#used[slot] !== 1) continue
      const start = slot * DIGEST_SIZE
      visit(bytes.subarray(start, start + DIGEST_SIZE), this.valueAt(slot))
    }
  }

  /**
   * As `forEach` in steps of `slotCount` slots, so that others can run in between. Entries added meanwhile may be
   * missed; nothing may be removed.
   */
  *forEachInSteps(slotCount: number, visit: (digest: Uint8Array) => void): Generator<void> {
    // A table that grows gets new arrays: these keep what was there.
    const used = this.#used
    const bytes = new Uint8Array(this.#keys.buffer)
    for (let start = 0; start < used.length; start += slotCount) {
      const end = Math.min(start + slotCount, used.length)
      for (let slot = start; slot < end; slot += 1) {
        if (used[slot] !== 1) continue
        visit(bytes.subarray(slot * DIGEST_SIZE, (slot + 1) * DIGEST_SIZE))
      }
      yield
    }
  }

  clear(): void {
    this.#size = 0
    this.#allocate(CAPACITY_MIN)
  }

  #allocate(capacity: number): void {
    this.#capacity = capacity
    this.#keys = new Uint32Array(capacity * WORDS)
    this.#used = new Uint8Array(capacity)
    this.#values = this.#hasValues ? new Uint32Array(capacity) : NO_WORDS
  }

  #grow(): void {
    const old = { keys: this.#keys, used: this.#used, values: this.#values }
    this.#allocate(this.#capacity * 2)
    for (let slot = 0; slot < old.used.length; slot += 1) {
      if (old.used[slot] !== 1) continue
      this.#wanted.set(old.keys.subarray(slot * WORDS, (slot + 1) * WORDS))
      const target = this.#probe()
      this.#keys.set(this.#wanted, target * WORDS)
      this.#used[target] = 1
      if (this.#hasValues) this.#values[target] = old.values[slot] ?? 0
    }
  }

  #move(from: number, to: number): void {
    this.#keys.copyWithin(to * WORDS, from * WORDS, (from + 1) * WORDS)
    this.#used[to] = 1
    if (this.#hasValues) this.#values[to] = this.#values[from] ?? 0
  }

  #want(bytes: Uint8Array, offset: number): void {
    if (offset < 0 || offset + DIGEST_SIZE > bytes.length) {
      throw new RangeError(`no digest at offset ${offset} of ${bytes.length} bytes`)
    }
    const wanted = this.#wanted
    for (let word = 0, at = offset; word < WORDS; word += 1, at += 4) {
      wanted[word] =
        (bytes[at] ?? 0) |
        ((bytes[at + 1] ?? 0) << 8) |
        ((bytes[at + 2] ?? 0) << 16) |
        ((bytes[at + 3] ?? 0) << 24)
    }
  }

  /** The slot that holds the wanted digest, or the free one where it would go. */
  #probe(): number {
    const mask = this.#capacity - 1
    let slot = this.#homeOf(this.#wanted, 0)
    while (this.#used[slot] === 1 && !this.#isWanted(slot * WORDS)) slot = (slot + 1) & mask
    return slot
  }

  #isWanted(start: number): boolean {
    for (let word = 0; word < WORDS; word += 1) {
      if (this.#keys[start + word] !== this.#wanted[word]) return false
    }
    return true
  }

  #homeOf(words: Uint32Array, start: number): number {
    let mixed = this.#seed
    for (let word = 0; word < WORDS; word += 1) {
      mixed = Math.imul(mixed ^ (words[start + word] ?? 0), 0x9e37_79b1)
      mixed ^= mixed >>> 15
    }
    return mixed & (this.#capacity - 1)
  }
}

function capacityFor(count: number): number {
  let capacity = CAPACITY_MIN
  while (count > capacity * LOAD_MAX) capacity *= 2
  return capacity
}
