/**
 * The deletes of a sweep (races.md 9.6, R-34, R-60, R-65, R-67). For each batch: its gates are taken and the marks asked
 * once more, in one step of the thread that owns the sessions; the ledger forgets the entries and makes the keys
 * suspects, durably; one call of DELETE; what the store confirmed by name is acquitted, all else stays suspect; then the
 * gates open.
 *
 * What waits for its batch holds no gate: whoever uploads it goes on, and the second look finds it in use.
 */
import { Mutex } from '../../../base/async/mutex.ts'
import { toError } from '../../../base/errors.ts'
import { digestToBytes } from '../../../formats/digest.ts'
import { HOLDER_LOOK_MS } from '../../../storage/ledger.ts'
import { deleteCondemned } from '../../../storage/condemned-delete.ts'
import { type DeleteAnswer, KEYS_PER_REQUEST } from '../../../storage/object-store.ts'
import { quote } from '../../debug-text.ts'
import { errors } from '../../errors.ts'
import { checkClock } from '../plausibility.ts'
import type { CollectionRun } from '../run.ts'
import type { BucketRun } from './bucket-run.ts'
import type { LooseObject } from './loose-object.ts'

export interface DeletesOptions {
  /** Awaited once before the first DELETE; throws if nothing may be deleted. */
  readonly beforeFirst: () => Promise<void>
  /** Awaited before a DELETE, if the last of these was HOLDER_LOOK_MS ago; the same. */
  readonly checkHolder: () => Promise<void>
  /** Whether a root or a session relies on the digest, by the marks as they are now. */
  readonly isMarked: (digest: Uint8Array) => boolean
  /** Told of what stays although it was given. */
  readonly onKept: (object: LooseObject) => void
}

/** Reasons that are shown of keys that were not deleted. */
const REASONS_MAX = 10

export class Deletes {
  readonly #run: CollectionRun
  readonly #bucketRun: BucketRun
  readonly #options: DeletesOptions
  readonly #mutex = new Mutex()
  #queue: LooseObject[] = []
  #isPrepared = false
  /** When the last look began, monotonic. */
  #lookedMs = 0
  #failedCount = 0

  constructor(run: CollectionRun, bucketRun: BucketRun, options: DeletesOptions) {
    this.#run = run
    this.#bucketRun = bucketRun
    this.#options = options
  }

  /** Keys that the store did not confirm. */
  get failedCount(): number {
    return this.#failedCount
  }

  /** Takes what may go. Resolves when less than a batch waits: a list that is faster than the deletes waits for them. */
  async add(objects: readonly LooseObject[]): Promise<void> {
    this.#queue.push(...objects)
    while (this.#queue.length >= KEYS_PER_REQUEST) await this.#deleteNext()
  }

  /** Deletes what still waits. */
  async finish(): Promise<void> {
    while (this.#queue.length > 0) await this.#deleteNext()
  }

  async #deleteNext(): Promise<void> {
    const { progress, store, start } = this.#run
    using _turn = await this.#mutex.acquire(progress.signal)
    if (this.#queue.length === 0) return
    if (!this.#isPrepared) {
      this.#lookedMs = store.clock.monotonic()
      await this.#options.beforeFirst()
      this.#isPrepared = true
    } else if (store.clock.monotonic() - this.#lookedMs >= HOLDER_LOOK_MS) {
      // Somebody may have taken it over, and waits no longer than this for us to notice.
      this.#lookedMs = store.clock.monotonic()
      await this.#options.checkHolder()
    }
    progress.signal.throwIfAborted()
    checkClock(store.clock, start)
    const batch = this.#queue.splice(0, KEYS_PER_REQUEST)
    using gates = new DisposableStack()
    const held = this.#takeGates(batch, gates)
    if (held.length > 0) await this.#delete(held)
  }

  /** The gate and the second look, without a turn of the event loop in between (races.md R-67). */
  #takeGates(batch: readonly LooseObject[], gates: DisposableStack): LooseObject[] {
    const objects: LooseObject[] = []
    /** Several objects of one digest go under one gate. */
    const held = new Set<string>()
    for (const object of batch) {
      const { digest } = object
      if (!held.has(digest)) {
        const gate = this.#run.store.core.gate.tryAcquire(digest)
        if (gate === null) {
          this.#options.onKept(object)
          continue
        }
        gates.use(gate)
        held.add(digest)
      }
      if (this.#isNeeded(object)) this.#options.onKept(object)
      else objects.push(object)
    }
    return objects
  }

  #isNeeded(object: LooseObject): boolean {
    const { bucket } = this.#bucketRun
    const bytes = digestToBytes(object.digest)
    // Its evidence is needed again if the good one went meanwhile.
    if (object.isHealed) {
      const isKnown = bucket.ledger.knowsAt(bytes, 0) !== null
      return !isKnown || bucket.ledger.isSuspect(bucket.chunkKey(object.digest))
    }
    return this.#options.isMarked(bytes)
  }

  /** The gates are held until this has ended. */
  async #delete(objects: readonly LooseObject[]): Promise<void> {
    const { objects: door, ledger } = this.#bucketRun.bucket
    const { clock } = this.#run.store
    const keys = objects.map(({ key }) => key)
    let answer: DeleteAnswer
    try {
      answer = await deleteCondemned({ objects: door, ledger, clock }, keys)
    } catch (error) {
      const path = keys[0] ?? ''
      const { message: reason } = toError(error)
      throw errors.COLLECTION_SWEEP_FAILED({ path, reason }, { cause: error })
    }
    const confirmed = new Set(answer.deleted)
    for (const object of objects) {
      if (!confirmed.has(object.key)) this.#options.onKept(object)
      else {
        this.#count(object)
        if (object.kind === 'chunk') await this.#bucketRun.bucket.forgetCopy(object.digest)
      }
    }
    this.#judge(answer)
  }

  #count(object: LooseObject): void {
    const { counts } = this.#run
    counts[object.kind === 'bad' ? 'removed-bad' : 'removed-chunks'] += 1
    counts['removed-bytes'] += object.size
  }

  /** What a store refuses for some keys is reported; if it deletes nothing at all, the run ends. */
  #judge({ deleted, failed }: DeleteAnswer): void {
    const [first] = failed
    for (const { key, reason } of failed) {
      if (this.#failedCount < REASONS_MAX) {
        this.#run.progress.warn(`deleting ${quote(key)} was not confirmed: ${reason}`)
      }
      this.#failedCount += 1
    }
    if (deleted.length > 0 || first === undefined) return
    throw errors.COLLECTION_SWEEP_FAILED({ path: first.key, reason: first.reason })
  }
}
