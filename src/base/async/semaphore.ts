/** Counted permits, handed out in order of arrival. */
import { assert } from '../assert.ts'
import { releaseOnce, WaitList } from './wait-list.ts'

/** At most `count` permits are out at any time; a large request is not overtaken by small ones. */
export class Semaphore {
  readonly #count: number
  readonly #waiting = new WaitList<number>()
  #free: number

  constructor(count: number) {
    assert(Number.isSafeInteger(count) && count > 0, 'a semaphore has at least one permit')
    this.#count = count
    this.#free = count
  }

  /** Permits that are not out. */
  get free(): number {
    return this.#free
  }

  /** Waits for `permits` permits; rejects with the signal's reason when aborted before it has them. */
  async acquire(permits = 1, signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted()
    const now = this.tryAcquire(permits)
    if (now !== null) return now
    await this.#waiting.wait(permits, signal, () => this.#handOver())
    return releaseOnce(() => this.#release(permits))
  }

  /** The permits at once, or null if they are not free or somebody waits already. */
  tryAcquire(permits = 1): Disposable | null {
    assert(permits > 0 && permits <= this.#count, 'a request fits into the semaphore')
    if (this.#waiting.size > 0 || permits > this.#free) return null
    this.#free -= permits
    return releaseOnce(() => this.#release(permits))
  }

  #release(permits: number): void {
    this.#free += permits
    this.#handOver()
  }

  #handOver(): void {
    for (;;) {
      const permits = this.#waiting.first()
      if (permits === undefined || permits > this.#free) return
      this.#free -= permits
      this.#waiting.wakeFirst()
    }
  }
}
