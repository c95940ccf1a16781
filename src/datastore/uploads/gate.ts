/**
 * One holder per digest while it is uploaded, deleted or marked bad (races.md 9.6).
 *
 * An entry exists only while somebody holds or waits: memory grows with pending uploads, never with chunks seen, and
 * nothing is left after a crash. Who waits gets it in order of arrival and looks for himself what is there then: a
 * failed upload never fails its twin.
 */
import { KeyedLock } from '../../base/async/keyed-lock.ts'
import type { Digest } from '../../formats/digest.ts'

export class Gate {
  readonly #digests = new KeyedLock<Digest>()

  /** Digests held now. */
  get size(): number {
    return this.#digests.size
  }

  async acquire(digest: Digest, signal?: AbortSignal): Promise<Disposable> {
    return await this.#digests.acquire(digest, signal)
  }

  /** At once or null: a collection never waits for an upload. */
  tryAcquire(digest: Digest): Disposable | null {
    return this.#digests.tryAcquire(digest)
  }

  /** Whether somebody holds it: what a ledger says about the digest may be about to change then (races.md R-65). */
  isHeld(digest: Digest): boolean {
    return this.#digests.isHeld(digest)
  }

  /** Whether somebody waits for the holder: a collection gives its batch back then. */
  isWaitedFor(digest: Digest): boolean {
    return this.#digests.isWaitedFor(digest)
  }
}
