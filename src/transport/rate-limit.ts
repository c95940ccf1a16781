/** Token buckets: bytes per second, with a burst. */
import type { Clock } from '../base/time/clock.ts'
import { assert } from '../base/assert.ts'

export interface RateLimit {
  /** Bytes per second. */
  readonly rate: number
  /** Bytes that may pass at once after a pause. */
  readonly burst: number
}

/**
 * A bucket that refills at `rate` and holds at most `burst` bytes. Takers are served in the order
 * in which they came; a take larger than the burst is allowed and paid for afterwards.
 */
export class TokenBucket {
  readonly #clock: Clock
  readonly #rate: number
  readonly #burst: number
  #tokens: number
  #filledAt: number
  #last: Promise<void> = Promise.resolve()

  constructor({ rate, burst }: RateLimit, clock: Clock) {
    assert(rate > 0 && burst > 0, 'rate and burst are positive')
    this.#clock = clock
    this.#rate = rate
    this.#burst = burst
    this.#tokens = burst
    this.#filledAt = clock.monotonic()
  }

  /** Resolves when `size` bytes may pass. Rejects with the signal's reason; then none are taken. */
  take(size: number, signal?: AbortSignal): Promise<void> {
    const turn = this.#last.then(() => this.#wait(size, signal))
    this.#last = turn.catch(() => {})
    return turn
  }

  async #wait(size: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    this.#refill()
    // Waiting until the bucket is not in debt keeps the mean rate exact for any size.
    if (this.#tokens < 0) {
      await this.#clock.sleep((-this.#tokens / this.#rate) * 1000, signal)
      this.#refill()
    }
    this.#tokens -= size
  }

  #refill(): void {
    const now = this.#clock.monotonic()
    const gained = ((now - this.#filledAt) / 1000) * this.#rate
    this.#tokens = Math.min(this.#burst, this.#tokens + gained)
    this.#filledAt = now
  }
}

/** Passes `source` on at the pace of `bucket`; buffers are handed through. */
export async function* rateLimited(
  source: AsyncIterable<Uint8Array>,
  bucket: TokenBucket,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  for await (const bytes of source) {
    await bucket.take(bytes.length, signal)
    yield bytes
  }
}
