/** Buffers of one size that are used again: a fresh 4 MiB for every chunk would outrun the collector. */

import { alignedBytes } from '../../base/fs/native-address.ts'

/** Hands out buffers; one that is not given back is simply lost to the pool. */
export class BufferPool {
  readonly #size: number
  readonly #countMax: number
  readonly #free: Uint8Array<ArrayBuffer>[] = []

  /** @param options.countMax buffers kept for later; more are left to the collector */
  constructor(options: { readonly size: number; readonly countMax: number }) {
    this.#size = options.size
    this.#countMax = options.countMax
  }

  /** A buffer with any content. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#free.pop() ?? alignedBytes(this.#size)
  }

  /** The caller must not touch `buffer` any more. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    if (this.#free.length < this.#countMax) this.#free.push(buffer)
  }
}
