/**
 * What the previous index of an archive says about the next chunk. The chunker looks at nothing but the bytes since the
 * last cut: a chunk that begins where chunk i of an index of the same chunker began, and has the same bytes, ends
 * where that one ended. Nothing here is believed: who cuts by it compares digests.
 */
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import type { Digest } from '../../formats/digest.ts'
import { DigestMap } from '../../formats/digest-map.ts'

/** A chunk of the previous index that may come next. */
export interface PredictedChunk {
  readonly size: number
  readonly digest: Digest
}

export interface PreviousCutsOptions {
  /** What the chunker of this run allows, bytes. */
  readonly sizeMin: number
  readonly sizeMax: number
}

/**
 * Chunks in a row, from the archive's start or from any place on, that must have been found in the index before the next one
 * is predicted. They were cut by the chunker: an index of other settings is found out, and where little is
 * unchanged between two changes nothing is hashed in vain.
 */
export const AGREED_COUNT_MIN = 4

/** Follows a new archive along the index of the previous one. */
export class PreviousCuts {
  readonly #index: ArchiveIndex
  readonly #isOfSameSizes: boolean
  /** First position of each digest; made when the archive first leaves the order of the index. */
  #positions: DigestMap | null = null
  /** Where the index goes on after the last chunk; null if that is not in it. */
  #next: number | null = 0
  #agreedCount = 0

  constructor(index: ArchiveIndex, options: PreviousCutsOptions) {
    this.#index = index
    this.#isOfSameSizes = hasSizes(index, options)
  }

  /** The next chunk of the archive has this digest. */
  follow(digest: Digest): void {
    const position = this.#find(digest)
    this.#agreedCount = position !== null && position === this.#next ? this.#agreedCount + 1 : 0
    this.#next = position === null ? null : position + 1
  }

  /** A prediction was wrong: the next ones come after as many agreed chunks as the first one did. */
  lose(): void {
    this.#agreedCount = 0
    this.#next = null
  }

  /**
   * What comes after the last chunk and `aheadCount` more of the index, if there is reason to think so. Never the last
   * chunk of the index, which the end of the archive cut off.
   */
  predict(aheadCount: number): PredictedChunk | null {
    if (!this.#isOfSameSizes || this.#next === null) return null
    if (this.#agreedCount < AGREED_COUNT_MIN) return null
    const position = this.#next + aheadCount
    if (position >= this.#index.count - 1) return null
    return { size: this.#index.sizeOf(position), digest: this.#index.digestAt(position) }
  }

  #find(digest: Digest): number | null {
    const next = this.#next
    if (next !== null && next < this.#index.count && this.#index.digestAt(next) === digest) {
      return next
    }
    this.#positions ??= positionsOf(this.#index)
    return this.#positions.get(digest) ?? null
  }
}

/** Whether all chunks but the last have sizes that the chunker of this run gives. */
function hasSizes(index: ArchiveIndex, { sizeMin, sizeMax }: PreviousCutsOptions): boolean {
  for (let position = 0; position < index.count - 1; position++) {
    const size = index.sizeOf(position)
    if (size < sizeMin || size > sizeMax) return false
  }
  return true
}

function positionsOf(index: ArchiveIndex): DigestMap {
  const positions = new DigestMap({ capacity: index.count })
  for (let position = index.count - 1; position >= 0; position--) {
    const { bytes, offset } = index.digestLocation(position)
    positions.setAt(bytes, offset, position)
  }
  return positions
}
