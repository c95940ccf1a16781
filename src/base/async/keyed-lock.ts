/** One mutex per key; an entry exists only while it is held or waited for. */
import { releaseOnce, WaitList } from './wait-list.ts'

/** Holders of different keys do not know of each other; holders of one key follow in order of arrival. */
export class KeyedLock<Key> {
  readonly #entries = new Map<Key, WaitList<null>>()

  /** Count of keys held. */
  get size(): number {
    return this.#entries.size
  }

  /** Waits for its turn at `key`; rejects with the signal's reason when aborted before. */
  async acquire(key: Key, signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted()
    const waiting = this.#entries.get(key)
    if (waiting === undefined) return this.#hold(key)
    await waiting.wait(null, signal, () => {})
    return releaseOnce(() => this.#release(key))
  }

  /** The lock of `key` at once, or null if it is held. */
  tryAcquire(key: Key): Disposable | null {
    return this.#entries.has(key) ? null : this.#hold(key)
  }

  isHeld(key: Key): boolean {
    return this.#entries.has(key)
  }

  /** Whether somebody waits behind the holder of `key`. */
  isWaitedFor(key: Key): boolean {
    return (this.#entries.get(key)?.size ?? 0) > 0
  }

  #hold(key: Key): Disposable {
    this.#entries.set(key, new WaitList())
    return releaseOnce(() => this.#release(key))
  }

  #release(key: Key): void {
    const waiting = this.#entries.get(key)
    if (waiting !== undefined && waiting.size > 0) waiting.wakeFirst()
    else this.#entries.delete(key)
  }
}
