/** What all snapshots of one verification share: threads, what is known of chunks, the rate. */
import type { Clock } from '../../base/time/clock.ts'
import { DigestSet } from '../../formats/digest-map.ts'
import type { Datastore } from '../datastore.ts'
import { SeenDigests } from './seen-digests.ts'
import { openVerifyEngine } from './verify-engine.ts'
import type { VerifyEngine } from './verify-slice.ts'

export interface VerifyRunOptions {
  /** Files read at a time, 1 … 32; the datastore's default otherwise. */
  readonly readThreads?: number | undefined
  /** Chunks decoded at a time, 1 … 32; the datastore's default otherwise. */
  readonly verifyThreads?: number | undefined
  /** Stored bytes read per second at most; the datastore's own limit otherwise. */
  readonly rateLimit?: number | undefined
}

export interface VerifyRun extends AsyncDisposable {
  readonly engine: VerifyEngine
  readonly pace: Pace
  /** Whether chunks are read in the order of their inodes. */
  readonly byInode: boolean
  /** Whether nearly all chunks that were read last lay in memory: then no order is better than another. */
  readonly residence: { isMemory: boolean }
  readonly readThreads: number
  readonly verifyThreads: number
  /** Chunks that need not be looked at any more, corrupt ones included: 48 bytes each. */
  readonly seen: SeenDigests
  readonly corrupt: DigestSet
}

/** Begins a run on `store`; to be disposed of. */
export function openVerifyRun(store: Datastore, options: VerifyRunOptions = {}): VerifyRun {
  const { verification } = store.settings
  const readThreads = options.readThreads ?? verification.readThreads
  const verifyThreads = options.verifyThreads ?? verification.verifyThreads
  const engine = openVerifyEngine(store, { readThreads, verifyThreads })
  return {
    engine,
    pace: new Pace(store.clock, options.rateLimit ?? verification.rateLimit),
    byInode: verification.chunkOrder === 'inode' && store.bucket === null,
    readThreads,
    verifyThreads,
    residence: { isMemory: false },
    seen: new SeenDigests(),
    corrupt: new DigestSet(),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

/** Keeps an average rate: what was read pushes the time of the next read back. */
export class Pace {
  readonly #clock: Clock
  /** Bytes per second; null for no limit. */
  readonly rate: number | null
  #freeAtMs = 0

  constructor(clock: Clock, rate: number | null) {
    this.#clock = clock
    this.rate = rate
  }

  /** Resolves when more may be read. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.rate === null) return
    for (;;) {
      const waitMs = this.#freeAtMs - this.#clock.monotonic()
      if (waitMs <= 0) return
      await this.#clock.sleep(waitMs, signal)
    }
  }

  /** Says that `size` bytes were read. */
  spend(size: number): void {
    if (this.rate === null) return
    const from = Math.max(this.#freeAtMs, this.#clock.monotonic())
    this.#freeAtMs = from + (size * 1000) / this.rate
  }
}
