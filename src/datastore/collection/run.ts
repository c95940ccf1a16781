/** What the parts of one collection share. */
import type { Progress } from '../../base/progress.ts'
import type { Datastore } from '../datastore.ts'
import { CHUNKS_FOLDER } from '../layout.ts'
import type { LiveSession } from '../uploads/session-digests.ts'
import type { BucketRun } from './bucket/bucket-run.ts'
import type { CollectionEngine } from './engine.ts'
import { Marks } from './marks.ts'
import type { GcCounts } from './status.ts'

/** When a run began, by both clocks. */
export interface RunStart {
  readonly wallMs: number
  readonly monotonicMs: number
  /** Loose chunks that changed at or after this stay: milliseconds since the epoch. */
  readonly cutoffMs: number
}

export interface CollectionRun {
  readonly store: Datastore
  readonly engine: CollectionEngine
  /** Null for a store in a folder. */
  readonly bucketRun: BucketRun | null
  readonly progress: Progress
  readonly start: RunStart
  readonly counts: GcCounts
  /** Whether fewer marked chunks were found than marks made. */
  readonly shortage: { isThere: boolean }
  /** Whether an administrator said that what is gone is meant to be gone. */
  readonly isConfirmed: boolean
}

/** One pass: the digests of a range of folders. */
export interface PassRange {
  readonly from: number
  readonly to: number
}

/** What the sessions of this process rely on; written by the main thread alone (races.md R-67). */
export class SessionMarks implements Disposable {
  readonly #store: Datastore
  readonly #marks: Marks
  readonly #sessions: readonly LiveSession[]

  /** Everything registered from now on is marked. */
  constructor(store: Datastore, range: PassRange) {
    this.#store = store
    this.#marks = new Marks({ ...range, shared: false })
    store.core.sessions.onRegister = (bytes, offset) => this.#marks.add(bytes, offset)
    this.#sessions = [...store.core.sessions]
  }

  /** Marks what live sessions registered before; to be awaited before anything is listed. */
  async seed(breathe: () => Promise<void>): Promise<void> {
    for (const session of this.#sessions) {
      const steps = session.digests.forEachInSteps(SLOTS_PER_STEP, (digest) => {
        this.#marks.add(digest, 0)
      })
      let isFirst = true
      for (const _step of steps) {
        if (!isFirst) await breathe()
        isFirst = false
      }
    }
  }

  has(digest: Uint8Array): boolean {
    return this.#marks.has(digest, 0)
  }

  get byteLength(): number {
    return this.#marks.byteLength
  }

  [Symbol.dispose](): void {
    this.#store.core.sessions.onRegister = null
  }
}

/** About two milliseconds. */
const SLOTS_PER_STEP = 8_192

export function chunksFolder(store: Datastore): string {
  return `${store.path}/${CHUNKS_FOLDER}`
}
