/**
 * Buffers of chunk size that are used again: fresh ones of 4 MiB cost a page fault every 4 KiB and
 * stay until the next collection of garbage.
 */

/** A chunk of 4 MiB that did not compress, with the larger of the two headers. */
const BUFFER_SIZE = 4 * 1024 * 1024 + 64
/** Smaller bodies are cheap to allocate. */
const POOLED_SIZE_MIN = 256 * 1024
/** 48 MiB that stay when the server is idle. */
const IDLE_COUNT_MAX = 12

export interface BodyBuffer extends Disposable {
  /** Exactly as long as asked for; not zeroed. Must not be used after disposal. */
  readonly bytes: Uint8Array
}

export class BodyBuffers {
  readonly #idle: Uint8Array[] = []

  take(size: number): BodyBuffer {
    if (size < POOLED_SIZE_MIN || size > BUFFER_SIZE) {
      return { bytes: Buffer.allocUnsafeSlow(size), [Symbol.dispose]() {} }
    }
    let whole: Uint8Array | null = this.#idle.pop() ?? Buffer.allocUnsafeSlow(BUFFER_SIZE)
    return {
      bytes: whole.subarray(0, size),
      [Symbol.dispose]: () => {
        if (whole !== null && this.#idle.length < IDLE_COUNT_MAX) this.#idle.push(whole)
        whole = null
      },
    }
  }
}
