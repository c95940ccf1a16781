/**
 * Cut points of the payload stream of a split archive: by content, but at the starts of files where
 * possible, so that an unchanged file can be reused later (chunker.md section 8).
 *
 * Where a suggestion lies inside the bytes at hand it wins over the hash, where it lies beyond them
 * it does not: the cuts depend on the pieces in which the stream arrives.
 */
import { DynamicChunker } from './dynamic-chunker.ts'

/** Gives the next suggested boundary (offset in the stream, never smaller than the last), or undefined. */
export type SuggestionSource = () => number | undefined

export interface PayloadPosition {
  /** Offset in the stream at which the current chunk starts. */
  readonly base: number
  /** Bytes at hand for the current chunk, from `base` on. */
  readonly total: number
}

export class PayloadChunker {
  readonly #chunker: DynamicChunker
  readonly #nextSuggestion: SuggestionSource
  /** The suggestion being considered. */
  #candidate: number | undefined

  constructor(options: { readonly average: number; readonly suggestions: SuggestionSource }) {
    this.#chunker = new DynamicChunker({ average: options.average })
    this.#nextSuggestion = options.suggestions
  }

  /**
   * Takes `data`, the end of the bytes at hand that was not scanned before: 0 if the chunk goes on,
   * else the count of bytes of `data` up to its end.
   */
  scan(data: Uint8Array, { base, total }: PayloadPosition): number {
    const scanned = total - data.length
    for (;;) {
      this.#candidate ??= this.#nextSuggestion()
      const candidate = this.#candidate
      if (candidate === undefined || candidate > base + total) return this.#chunker.scan(data)
      const size = candidate - base
      if (size > this.#chunker.sizeMax) return this.#chunker.scan(data)
      this.#candidate = undefined
      if (size < scanned || size < this.#chunker.sizeMin) continue
      // Nothing left to cut off: the suggestion came too late.
      if (size === scanned) return this.#chunker.scan(data)
      this.#chunker.reset()
      return size - scanned
    }
  }

  /** Begins a new chunk. */
  reset(): void {
    this.#chunker.reset()
  }
}
