/**
 * Chunks whose deletion may still be executed by the store, long after it was answered or given up (races.md R-60).
 *
 * While a key is a suspect neither 412 nor 200 says that the object will stay. So what is uploaded under it is kept
 * here, and the session that relies on it waits at its end until the last delete's life is over, looks, and puts it
 * again if it went. A key that has an entry in the ledger is no suspect, and the other way round.
 */
import type { Clock } from '../../base/time/clock.ts'
import { type Digest, digestToBytes } from '../../formats/digest.ts'
import type { ProvisionalChunks } from '../chunk-backend.ts'
import { type Ledger, REQUEST_LIFE_MS } from '../ledger.ts'
import { digestOfKey } from './chunk-keys.ts'
import type { PinnedBytes } from './pinned-bytes.ts'
import type { ChunkGate } from './chunk-gate.ts'

export interface SuspectChunksOptions {
  readonly ledger: Ledger
  readonly gate: ChunkGate
  readonly pins: PinnedBytes
  readonly clock: Clock
  keyOf(digest: Digest): string
  /** The object's size by a definite answer; null if it is missing. */
  head(digest: Digest, signal?: AbortSignal): Promise<number | null>
  /** Puts it unless it is there; the size stored, null if it was there. Under the gate. */
  upload(digest: Digest, blob: Uint8Array): Promise<number | null>
}

export class SuspectChunks implements ProvisionalChunks {
  readonly #options: SuspectChunksOptions
  /** Put or looked at while they were suspects, and relied on by a session; their bytes are pinned if they were put. */
  readonly #open = new Set<Digest>()

  constructor(options: SuspectChunksOptions) {
    this.#options = options
  }

  /** Whether a delete of it may still be executed. Under its gate; one whose time is over is acquitted here. */
  async isSuspect(digest: Digest): Promise<boolean> {
    const { ledger } = this.#options
    const key = this.#options.keyOf(digest)
    if (!ledger.isSuspect(key)) return false
    if (this.#remainingMs(digest) > 0) return true
    await ledger.acquit([key])
    return false
  }

  /** Notes a suspect that a session comes to rely on, with what it sent. Throws CHUNK_NOT_PINNED. */
  async note(digest: Digest, blob: Uint8Array | null): Promise<void> {
    if (blob !== null) await this.#options.pins.keep(digest, blob)
    this.#open.add(digest)
  }

  /** Whether it can be put again, if it goes. */
  hasBytes(digest: Digest): boolean {
    return this.#options.pins.has(digest)
  }

  async pending(has: (digest: Digest) => boolean): Promise<readonly Digest[]> {
    const found = new Set([...this.#open].filter(has))
    for (const { key } of await this.#options.ledger.suspects()) {
      const digest = digestOfKey(key)
      if (digest !== null && has(digest)) found.add(digest)
    }
    return [...found]
  }

  async waitMs(digests: readonly Digest[]): Promise<number> {
    return digests.reduce((most, digest) => Math.max(most, this.#remainingMs(digest)), 0)
  }

  async settle(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const { clock, gate } = this.#options
    for (;;) {
      const waitMs = this.#remainingMs(digest)
      if (waitMs > 0) await clock.sleep(waitMs, signal)
      using _gate = await gate.acquire(digest, signal)
      // Deleted once more meanwhile, or the clock was set back.
      if (this.#remainingMs(digest) > 0) continue
      return await this.#confirm(digest, signal)
    }
  }

  release(isNeeded: (digest: Digest) => boolean): void {
    for (const digest of this.#open) if (!isNeeded(digest)) this.#forget(digest)
  }

  /** No delete can come any more: what is there now stays. */
  async #confirm(digest: Digest, signal: AbortSignal | undefined): Promise<boolean> {
    const { ledger, pins } = this.#options
    if (ledger.knowsAt(digestToBytes(digest), 0) === null) {
      let size = await this.#options.head(digest, signal)
      if (size === null) {
        const blob = await pins.read(digest)
        if (blob !== null) size = (await this.#options.upload(digest, blob)) ?? blob.length
      }
      await ledger.acquit([this.#options.keyOf(digest)])
      if (size === null) return false
      ledger.add(digest, size)
    }
    this.#forget(digest)
    return true
  }

  #remainingMs(digest: Digest): number {
    const { ledger, clock } = this.#options
    const lastMs = ledger.suspectSinceMs(this.#options.keyOf(digest))
    if (lastMs === null) return 0
    // A clock that was set back must not make it longer than it is.
    return Math.min(Math.max(lastMs + REQUEST_LIFE_MS - clock.now(), 0), REQUEST_LIFE_MS)
  }

  #forget(digest: Digest): void {
    this.#open.delete(digest)
    this.#options.pins.drop(digest)
  }
}
