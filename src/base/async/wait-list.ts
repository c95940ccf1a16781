/** First-in-first-out list of waiters that can give up: what every lock of this folder is made of. */

interface Waiter<Grant> {
  readonly request: Grant
  readonly wake: () => void
}

/** Waiters in order of arrival, each with the request it waits for. */
export class WaitList<Request> {
  readonly #waiters = new Set<Waiter<Request>>()

  get size(): number {
    return this.#waiters.size
  }

  /** The request of the waiter whose turn is next, or undefined. */
  first(): Request | undefined {
    for (const waiter of this.#waiters) return waiter.request
    return undefined
  }

  /** Wakes the waiter whose turn is next; what it asked for must already be booked for it. */
  wakeFirst(): void {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter)
      waiter.wake()
      return
    }
  }

  /**
   * Resolves when woken, rejects with the signal's reason when it is aborted before.
   * `onLeave` runs after a waiter gave up, so that those behind it can be looked at again.
   */
  async wait(
    request: Request,
    signal: AbortSignal | undefined,
    onLeave: () => void,
  ): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter<Request> = { request, wake: resolve }
    const giveUp = (): void => {
      if (!this.#waiters.delete(waiter)) return
      reject(signal?.reason)
      onLeave()
    }
    this.#waiters.add(waiter)
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }
}

/** A Disposable that runs `release` at its first disposal and does nothing after that. */
export function releaseOnce(release: () => void): Disposable {
  return new Hold(release)
}

/** A class: object literals with computed names are slow to make, and every lock that is taken makes one of these. */
class Hold implements Disposable {
  #release: (() => void) | null

  constructor(release: () => void) {
    this.#release = release
  }

  [Symbol.dispose](): void {
    const release = this.#release
    this.#release = null
    release?.()
  }
}
