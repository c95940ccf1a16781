/**
 * Large buffers that are used again: a fresh one of 4 MiB costs a page fault every 4 KiB, and stays until the next
 * collection of garbage.
 */

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
}

/** Hands out buffers; one that is not disposed of is simply lost to the pool. */
export class BufferPool {
  readonly #options: BufferPoolOptions
  readonly #free: Uint8Array<ArrayBuffer>[] = []

  constructor(options: BufferPoolOptions) {
    this.#options = options
  }

  /** A buffer of `size` bytes with any content. */
  take(size: number): PooledBuffer {
    const { size: wholeSize, sizeMin, countMax } = this.#options
    if (size < sizeMin || size > wholeSize) {
      return { bytes: Buffer.allocUnsafeSlow(size), [Symbol.dispose]() {} }
    }
    let whole: Uint8Array<ArrayBuffer> | null =
      this.#free.pop() ?? Buffer.allocUnsafeSlow(wholeSize)
    return {
      bytes: whole.subarray(0, size),
      [Symbol.dispose]: () => {
        if (whole !== null && this.#free.length < countMax) this.#free.push(whole)
        whole = null
      },
    }
  }
}
