/**
 * Chunks whose deletion may still be executed by the store, long after it was answered or given up (races.md R-60).
 *
 * While a key is a suspect neither 412 nor 200 says that the object will stay. So what is uploaded under it is kept
 * here, and the session that relies on it waits at its end until the last delete's life is over, looks, and puts it
 * again if it went. A key that has an entry in the ledger is no suspect, and the other way round.
 *
 * While everything is in doubt (`Ledger.doubtAll`) every key is one. Who looks for chunks waits for the end of that, and
 * until the ledger was made anew after it.
 */
import type { Clock } from '../../base/time/clock.ts'
import { type Digest, digestToBytes } from '../../formats/digest.ts'
import type { CertainOptions, ProvisionalChunks } from '../chunk-backend.ts'
import { HOLDER_LOOK_MS, type Ledger, REQUEST_LIFE_MS } from '../ledger.ts'
import { digestOfKey } from './chunk-keys.ts'
import type { PinnedBytes } from './pinned-bytes.ts'
import type { ChunkGate } from './chunk-gate.ts'

const MS_PER_SECOND = 1000

export interface SuspectChunksOptions {
  readonly ledger: Ledger
  readonly gate: ChunkGate
  readonly pins: PinnedBytes
  readonly clock: Clock
  /** Endpoint and bucket, for messages. */
  readonly place: string
  /** Awaited when a doubt of everything is over. */
  afterDoubt(signal?: AbortSignal): Promise<void>
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

  /** How long everything stays in doubt, milliseconds; 0: it is not. */
  get doubtMs(): number {
    const { ledger } = this.#options
    return this.#remainingOf(ledger.allDoubtedMs, REQUEST_LIFE_MS + HOLDER_LOOK_MS)
  }

  /** When that is, in words, with the reason for it. */
  get doubtText(): string {
    const { clock, place } = this.#options
    const end = new Date(clock.now() + this.doubtMs).toISOString()
    return `until ${end} requests that are not known here may still delete chunks of ${place}`
  }

  async untilCertain({ signal, log }: CertainOptions = {}): Promise<void> {
    if (this.doubtMs <= 0) return
    log?.(`waiting ${secondsOf(this.doubtMs)} s: ${this.doubtText}`)
    await this.untilOver(signal)
    await this.#options.afterDoubt(signal)
  }

  /** As `untilCertain`, for whoever makes the ledger anew. */
  async untilOver(signal?: AbortSignal): Promise<void> {
    for (let waitMs = this.doubtMs; waitMs > 0; waitMs = this.doubtMs) {
      await this.#options.clock.sleep(waitMs, signal)
    }
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

  /** Notes a suspect that a session comes to rely on, with what it sent. Throws CHUNK_NOT_PINNED, the signal's reason. */
  async note(digest: Digest, blob: Uint8Array | null, options: CertainOptions = {}): Promise<void> {
    if (blob !== null) await this.#keep(digest, blob, options)
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

  /** Where everything is in doubt and there is no room for all of it, the upload waits for the end of the doubt. */
  async #keep(digest: Digest, blob: Uint8Array, { signal, log }: CertainOptions): Promise<void> {
    try {
      await this.#options.pins.keep(digest, blob)
    } catch (error) {
      if (this.doubtMs <= 0) throw error
      log?.(`no room for chunk ${digest}, waiting ${secondsOf(this.doubtMs)} s: ${this.doubtText}`)
      await this.untilOver(signal)
    }
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
    const { ledger } = this.#options
    const ownMs = ledger.suspectSinceMs(this.#options.keyOf(digest))
    return Math.max(this.#remainingOf(ownMs, REQUEST_LIFE_MS), this.doubtMs)
  }

  /** A clock that was set back must not make it longer than it is. */
  #remainingOf(lastMs: number | null, longestMs: number): number {
    if (lastMs === null) return 0
    return Math.min(Math.max(lastMs + REQUEST_LIFE_MS - this.#options.clock.now(), 0), longestMs)
  }

  #forget(digest: Digest): void {
    this.#open.delete(digest)
    this.#options.pins.drop(digest)
  }
}

function secondsOf(ms: number): number {
  return Math.ceil(ms / MS_PER_SECOND)
}
