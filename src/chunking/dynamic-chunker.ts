/**
 * Cut points by content (chunker.md sections 1, 4 to 6): same data, same cuts as the stock client,
 * whatever pieces it arrives in.
 */
import { assert } from '../base/assert.ts'
import { scanForCut } from './cut-scanner.ts'
import { WINDOW_SIZE } from './rolling-hash.ts'
import { SCAN_SIZE_MAX } from './scanner-code.ts'

/** Smallest average whose minimum is longer than the window, which skipping ahead relies on. */
const AVERAGE_MIN = 512
/** Largest average in use; its maximum, 16 MiB, is the largest chunk a server takes. */
const AVERAGE_MAX = 4 * 1024 * 1024

/** Bytes that decide whether there may be a cut behind them: the window, and one before it. */
export const CUT_TAIL_SIZE = WINDOW_SIZE + 1

/**
 * Finds the ends of chunks in a stream. `average` is a power of two from 512 bytes to 4 MiB; but
 * for the last of a stream, a chunk has at least a quarter and at most four times as many bytes.
 */
export class DynamicChunker {
  readonly sizeMin: number
  readonly sizeMax: number
  readonly #mask: number
  /** The last 64 bytes, once there are as many in the chunk. */
  readonly #window = new Uint8Array(WINDOW_SIZE)
  #size = 0

  constructor(options: { readonly average: number }) {
    const { average } = options
    assert(
      average >= AVERAGE_MIN && average <= AVERAGE_MAX && (average & (average - 1)) === 0,
      'the average size of chunks is a power of two from 512 bytes to 4 MiB',
    )
    this.sizeMin = average / 4
    this.sizeMax = average * 4
    this.#mask = 2 * average - 1
  }

  /** Bytes taken into the current chunk so far. */
  get size(): number {
    return this.#size
  }

  /**
   * Takes the next bytes of the stream: 0 if none of them ends the chunk, else the count of bytes
   * up to and including its last one; those behind were not taken.
   */
  scan(bytes: Uint8Array): number {
    let position = this.#skip(bytes)
    while (position < bytes.length) {
      const pieceSize = Math.min(SCAN_SIZE_MAX, this.sizeMax - this.#size)
      const piece = bytes.subarray(position, position + pieceSize)
      const cut = scanForCut(this.#window, piece, this.#mask)
      position += cut === 0 ? piece.length : cut
      if (cut !== 0 || this.#size + piece.length === this.sizeMax) {
        this.reset()
        return position
      }
      this.#take(piece)
    }
    return 0
  }

  /**
   * Whether a chunk of `size` bytes has a size that is allowed and ends where a cut is possible; `tail` has its last
   * CUT_TAIL_SIZE bytes. What is before is not looked at: it could have been cut there.
   */
  canEnd(size: number, tail: Uint8Array): boolean {
    if (size < this.sizeMin || size > this.sizeMax) return false
    if (size === this.sizeMax) return true
    const window = tail.subarray(0, WINDOW_SIZE)
    return scanForCut(window, tail.subarray(WINDOW_SIZE), this.#mask) === 1
  }

  /** Begins a new chunk. */
  reset(): void {
    this.#size = 0
  }

  /** Takes bytes after which no cut is possible: all before the one that makes the smallest chunk. */
  #skip(bytes: Uint8Array): number {
    const size = Math.min(this.sizeMin - 1 - this.#size, bytes.length)
    if (size <= 0) return 0
    this.#take(bytes.subarray(0, size))
    return size
  }

  #take(bytes: Uint8Array): void {
    const last = bytes.subarray(-WINDOW_SIZE)
    this.#window.copyWithin(0, last.length)
    this.#window.set(last, WINDOW_SIZE - last.length)
    this.#size += bytes.length
  }
}
