/** Mutual exclusion inside the process, handed over in order of arrival. */
import { Semaphore } from './semaphore.ts'

/** One holder at a time. */
export class Mutex {
  readonly #permit = new Semaphore(1)

  get isLocked(): boolean {
    return this.#permit.free === 0
  }

  /** Waits for its turn; rejects with the signal's reason when aborted before. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    return await this.#permit.acquire(1, signal)
  }

  /** The lock at once, or null if it is held or waited for. */
  tryAcquire(): Disposable | null {
    return this.#permit.tryAcquire()
  }
}
