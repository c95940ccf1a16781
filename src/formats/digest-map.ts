/** Flat tables of digests for sessions and collections: `DigestMap` (digest to u32) and `DigestSet`. */
import type { Digest } from './digest.ts'
import { DigestTable } from './digest-table.ts'

/** Maps digests to numbers 0 … 2^32-1 (sizes of chunks). */
export class DigestMap {
  readonly #table: DigestTable

  /** `capacity`: how many digests are expected; it grows by itself. */
  constructor(options: { readonly capacity?: number } = {}) {
    this.#table = new DigestTable({ ...options, hasValues: true })
  }

  get size(): number {
    return this.#table.size
  }

  get(digest: Digest): number | undefined {
    return this.#valueOf(this.#table.find(digest))
  }

  /** The value of the digest whose 32 bytes begin at `offset`. */
  getAt(bytes: Uint8Array, offset: number): number | undefined {
    return this.#valueOf(this.#table.findAt(bytes, offset))
  }

  has(digest: Digest): boolean {
    return this.#table.find(digest) >= 0
  }

  hasAt(bytes: Uint8Array, offset: number): boolean {
    return this.#table.findAt(bytes, offset) >= 0
  }

  set(digest: Digest, value: number): void {
    this.#table.put(digest, checkValue(value))
  }

  setAt(bytes: Uint8Array, offset: number, value: number): void {
    this.#table.putAt(bytes, offset, checkValue(value))
  }

  /** True if it was there. */
  delete(digest: Digest): boolean {
    return removeSlot(this.#table, this.#table.find(digest))
  }

  clear(): void {
    this.#table.clear()
  }

  /** In no order; `digest` is borrowed until `visit` returns, and `visit` must not change the map. */
  forEach(visit: (digest: Uint8Array, value: number) => void): void {
    this.#table.forEach(visit)
  }

  /** As `forEach`, yielding after every `slotCount` slots. What is added meanwhile may be missed; nothing may be deleted. */
  forEachInSteps(slotCount: number, visit: (digest: Uint8Array) => void): Generator<void> {
    return this.#table.forEachInSteps(slotCount, visit)
  }

  #valueOf(slot: number): number | undefined {
    return slot < 0 ? undefined : this.#table.valueAt(slot)
  }
}

/** A set of digests. */
export class DigestSet {
  readonly #table: DigestTable

  /** `capacity`: how many digests are expected; it grows by itself. */
  constructor(options: { readonly capacity?: number } = {}) {
    this.#table = new DigestTable({ ...options, hasValues: false })
  }

  get size(): number {
    return this.#table.size
  }

  has(digest: Digest): boolean {
    return this.#table.find(digest) >= 0
  }

  hasAt(bytes: Uint8Array, offset: number): boolean {
    return this.#table.findAt(bytes, offset) >= 0
  }

  /** True if it was not there before. */
  add(digest: Digest): boolean {
    return this.#table.put(digest, 0)
  }

  /** True if the digest at `offset` was not there before. */
  addAt(bytes: Uint8Array, offset: number): boolean {
    return this.#table.putAt(bytes, offset, 0)
  }

  /** True if it was there. */
  delete(digest: Digest): boolean {
    return removeSlot(this.#table, this.#table.find(digest))
  }

  clear(): void {
    this.#table.clear()
  }

  /** In no order; `digest` is borrowed until `visit` returns, and `visit` must not change the set. */
  forEach(visit: (digest: Uint8Array) => void): void {
    this.#table.forEach(visit)
  }
}

function removeSlot(table: DigestTable, slot: number): boolean {
  if (slot < 0) return false
  table.remove(slot)
  return true
}

function checkValue(value: number): number {
  if (value >>> 0 !== value) throw new RangeError(`${value} is no unsigned number of 32 bits`)
  return value
}
