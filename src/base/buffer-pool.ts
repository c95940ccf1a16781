/**
 * Large buffers that are used again: a fresh one of 4 MiB costs a page fault every 4 KiB, and stays until the next
 * collection of garbage.
 */

import { bytesToAlignment, DIRECT_ALIGNMENT } from './fs/native-address.ts'

/** Gives a buffer of exactly this size, with any content. */
export type Allocate = (size: number) => Uint8Array<ArrayBuffer>

export interface PooledBuffer extends Disposable {
  /** Exactly as long as asked for; not zeroed. Must not be used after disposal. */
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface BufferPoolOptions {
  /** Of each buffer kept; longer ones are made when they are asked for, and left to the collector. */
  readonly size: number
  /** Shorter buffers than this are cheap to make and not taken from the pool. */
  readonly sizeMin: number
  /** Buffers kept for later. */
  readonly countMax: number
  /** Whether `take` heeds `headroom`: a page more of memory for each. */
  readonly isAligned?: boolean
}

/** A buffer of the pool and where its first whole page begins. */
interface Whole {
  readonly memory: Uint8Array<ArrayBuffer>
  readonly pageStart: number
}

/** Hands out buffers; one that is not disposed of is simply lost to the pool. */
export class BufferPool {
  readonly #options: BufferPoolOptions
  readonly #free: Whole[] = []

  constructor(options: BufferPoolOptions) {
    this.#options = options
  }

  /**
   * A buffer of `size` bytes with any content. In an aligned pool a page begins `headroom` bytes (less than a page)
   * behind its start, where the system tells addresses.
   */
  take(size: number, headroom = 0): PooledBuffer {
    const { size: wholeSize, sizeMin, countMax } = this.#options
    if (size < sizeMin || size > wholeSize) {
      return { bytes: Buffer.allocUnsafeSlow(size), [Symbol.dispose]() {} }
    }
    let whole: Whole | null = this.#free.pop() ?? this.#make()
    const start = whole.pageStart === 0 ? 0 : whole.pageStart - headroom
    return {
      bytes: whole.memory.subarray(start, start + size),
      [Symbol.dispose]: () => {
        if (whole !== null && this.#free.length < countMax) this.#free.push(whole)
        whole = null
      },
    }
  }

  #make(): Whole {
    const { size, isAligned = false } = this.#options
    if (!isAligned) return { memory: Buffer.allocUnsafeSlow(size), pageStart: 0 }
    const memory = Buffer.allocUnsafeSlow(size + 2 * DIRECT_ALIGNMENT)
    return { memory, pageStart: DIRECT_ALIGNMENT + (bytesToAlignment(memory) ?? 0) }
  }
}
