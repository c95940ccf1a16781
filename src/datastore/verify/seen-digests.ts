/** Many digests of which each run adds every one: in parts, because a table that grows holds everybody up meanwhile. */
import type { Digest } from '../../formats/digest.ts'
import { DigestSet } from '../../formats/digest-map.ts'

/** A table of ten million grows in steps of 160,000: some ten milliseconds. */
const PART_COUNT = 64

/** An index may name one chunk many times: what it names is no more than a guess. */
const RESERVE_MAX = 1 << 20

/** As `DigestSet`; 48 bytes a digest. */
export class SeenDigests {
  /** Made when the first digest of a part comes. */
  #parts: DigestSet[] = []
  /** Of each part. */
  #capacity = 0

  /** Takes memory for `count` digests at once if there is none yet: growing costs as much as adding. */
  reserve(count: number): void {
    if (this.#parts.length === 0) this.#capacity = Math.min(count, RESERVE_MAX) / PART_COUNT
  }

  /** False if the digest at `offset` was there. */
  addAt(bytes: Uint8Array, offset: number): boolean {
    return this.#partOf(bytes[offset] ?? 0).addAt(bytes, offset)
  }

  delete(digest: Digest): void {
    this.#partOf(Number.parseInt(digest.slice(0, 2), 16)).delete(digest)
  }

  clear(): void {
    this.#parts = []
    this.#capacity = 0
  }

  #partOf(firstByte: number): DigestSet {
    return (this.#parts[firstByte % PART_COUNT] ??= new DigestSet({ capacity: this.#capacity }))
  }
}
