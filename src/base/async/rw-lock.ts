/** Shared and exclusive holding inside the process, in order of arrival. */
import { releaseOnce, WaitList } from './wait-list.ts'

type Mode = 'shared' | 'exclusive'

/**
 * Any number of shared holders or one exclusive holder. Strictly first-in-first-out: a shared
 * request behind a waiting exclusive one waits too, so that neither side starves.
 */
export class RwLock {
  readonly #waiting = new WaitList<Mode>()
  #sharedCount = 0
  #isExclusive = false

  async acquireShared(signal?: AbortSignal): Promise<Disposable> {
    return await this.#acquire('shared', signal)
  }

  async acquireExclusive(signal?: AbortSignal): Promise<Disposable> {
    return await this.#acquire('exclusive', signal)
  }

  /** A shared hold at once, or null. */
  tryShared(): Disposable | null {
    return this.#try('shared')
  }

  /** The exclusive hold at once, or null. */
  tryExclusive(): Disposable | null {
    return this.#try('exclusive')
  }

  async #acquire(mode: Mode, signal: AbortSignal | undefined): Promise<Disposable> {
    signal?.throwIfAborted()
    const now = this.#try(mode)
    if (now !== null) return now
    await this.#waiting.wait(mode, signal, () => this.#handOver())
    return releaseOnce(() => this.#release(mode))
  }

  #try(mode: Mode): Disposable | null {
    if (this.#waiting.size > 0 || !this.#isFree(mode)) return null
    this.#book(mode)
    return releaseOnce(() => this.#release(mode))
  }

  #isFree(mode: Mode): boolean {
    return !this.#isExclusive && (mode === 'shared' || this.#sharedCount === 0)
  }

  #book(mode: Mode): void {
    if (mode === 'shared') this.#sharedCount++
    else this.#isExclusive = true
  }

  #release(mode: Mode): void {
    if (mode === 'shared') this.#sharedCount--
    else this.#isExclusive = false
    this.#handOver()
  }

  #handOver(): void {
    for (;;) {
      const mode = this.#waiting.first()
      if (mode === undefined || !this.#isFree(mode)) return
      this.#book(mode)
      this.#waiting.wakeFirst()
    }
  }
}
