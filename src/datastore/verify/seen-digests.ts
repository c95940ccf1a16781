/** Many digests of which each run adds every one: in parts, because a table that grows holds everybody up meanwhile. */
import type { Digest } from '../../formats/digest.ts'
import { DigestSet } from '../../formats/digest-map.ts'

/** A table of ten million grows in steps of 160,000: some ten milliseconds. */
const PART_COUNT = 64

/** An index may name one chunk many times: what it names is no more than a guess. */
const RESERVE_MAX = 1 << 20

/** As `DigestSet`; 48 bytes a digest. */
export class SeenDigests {
  #parts = makeParts(0)
  #isEmpty = true

  /** Takes memory for `count` digests at once if there is none yet: growing costs as much as adding. */
  reserve(count: number): void {
    if (this.#isEmpty) this.#parts = makeParts(Math.min(count, RESERVE_MAX) / PART_COUNT)
  }

  /** False if the digest at `offset` was there. */
  addAt(bytes: Uint8Array, offset: number): boolean {
    this.#isEmpty = false
    return this.#partOf(bytes[offset] ?? 0).addAt(bytes, offset)
  }

  delete(digest: Digest): void {
    this.#partOf(Number.parseInt(digest.slice(0, 2), 16)).delete(digest)
  }

  clear(): void {
    this.#parts = makeParts(0)
    this.#isEmpty = true
  }

  #partOf(firstByte: number): DigestSet {
    const part = this.#parts[firstByte % PART_COUNT]
    if (part === undefined) throw new RangeError('a byte has a part')
    return part
  }
}

function makeParts(capacity: number): readonly DigestSet[] {
  return Array.from({ length: PART_COUNT }, () => new DigestSet({ capacity }))
}
