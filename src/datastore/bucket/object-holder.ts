/**
 * Our hold on a bucket (races.md ): the generation in the bucket, in the ledger and in the datastore's folder
 * must be the same, or somebody else had the bucket, or one of the three is older than the others.
 *
 * Order of a raise: the next generation goes, as pending, into the copy and the ledger (durable); then it is written to
 * the bucket, only over the one that we know; then it is ours in copy and ledger. A crash in between leaves the bucket
 * with the old or the pending one: both are known to be ours. A pending one is written again as it is, so that a late
 * attempt of it changes nothing.
 */
import { randomBytes } from 'node:crypto'
import { Mutex } from '../../base/async/mutex.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { Ledger, LedgerHolder } from '../../storage/ledger.ts'
import type { ObjectStore, PutCondition } from '../../storage/object-store.ts'
import type { ProbeVerdict } from '../../storage/s3/verdict.ts'
import { errors } from '../errors.ts'
import { doubtAll, knownLastDelete, shortenDoubt } from './doubt-all.ts'
import type { BucketHolder, HolderWatch, LookOptions } from './holder.ts'
import type { HolderCopy } from './holder-copy.ts'
import {
  type BucketState,
  formatHolder,
  type HolderObject,
  type HolderState,
  readBucketState,
} from './holder-object.ts'
import { HOLDER_OBJECT } from './keys.ts'

export interface ObjectHolderOptions {
  readonly objects: ObjectStore
  readonly ledger: Ledger
  readonly copy: HolderCopy
  readonly verdict: ProbeVerdict
  readonly prefix: string
  readonly clock: Clock
  /** A doubt from before: a refresh that did not end. */
  readonly doubt: string | null
  /** Everything was put in doubt although the bucket is ours: the ledger is to be made anew. */
  onDoubtful?(): Promise<void>
  /** Whether a refresh has begun that did not end, in whichever process. */
  isRefreshing?(): Promise<boolean>
  /** Another process of ours has refreshed: there is no doubt any more. */
  onRefreshed?(): Promise<void>
  /** Another one in each run of the machine; null: it is not known. */
  readonly bootId: string | null
}

/** Another process of ours may raise between our look at the bucket and our look at the ledger. */
const LOOKS_MAX = 3
/** Stands for "not ours any more" in the ledger, also after a restart. */
const NO_NONCE = ''

export class ObjectHolder implements BucketHolder {
  readonly #options: ObjectHolderOptions
  readonly #mutex = new Mutex()
  #doubt: string | null
  /** Those of ours who may delete chunks now. */
  #deleterCount = 0
  /** The last of them has ended, and the bucket does not say so yet. */
  #isEndOwed = false
  /** Somebody else's bucket as it was when the doubt began, or was begun anew. */
  #foreign: string | null = null
  /** What the ledger said of us when the doubt began. */
  #doubted: string | null = null

  constructor(options: ObjectHolderOptions) {
    this.#options = options
    this.#doubt = options.doubt
    this.#doubted = JSON.stringify(options.ledger.holder)
  }

  get doubt(): string | null {
    return this.#doubt
  }

  async check(signal?: AbortSignal, { isAlone = false }: LookOptions = {}): Promise<string | null> {
    if (this.#doubt !== null && !(await this.#isRefreshed())) return this.#doubt
    using _mutex = await this.#mutex.acquire(signal)
    const object = await this.#look(signal)
    if (object?.isCollecting === true && isAlone) await this.#endLeftover(signal)
    return this.#doubt
  }

  async watch(signal?: AbortSignal, options: LookOptions = {}): Promise<HolderWatch> {
    const { ledger } = this.#options
    const doubt = await this.check(signal, options)
    if (doubt === null) {
      const isDoubtful = ledger.allDoubtedMs !== null
      return { isDoubtful, end: async (endSignal) => await this.check(endSignal) }
    }
    // It is somebody else's: whoever that is must not have collected since.
    const { objects, prefix } = this.#options
    const before = await readBucketState(objects, prefix, { signal })
    if (before.holder?.isCollecting === true) {
      const { hostname } = before.holder
      throw errors.BUCKET_COLLECTED({ place: objects.place, hostname, reason: doubt })
    }
    await this.#doubtForeign(before)
    return {
      isDoubtful: true,
      end: async (endSignal) => {
        const now = await readBucketState(objects, prefix, { signal: endSignal })
        return JSON.stringify(now) === JSON.stringify(before) ? null : doubt
      },
    }
  }

  async raise(signal?: AbortSignal): Promise<void> {
    using _mutex = await this.#mutex.acquire(signal)
    await this.#raise(signal, 'as it is')
  }

  async beginDeletes(signal?: AbortSignal): Promise<AsyncDisposable> {
    using _mutex = await this.#mutex.acquire(signal)
    await this.#raise(signal, true)
    this.#deleterCount += 1
    let isOver = false
    const end = async (): Promise<void> => {
      if (!isOver) await this.#endDeletes()
      isOver = true
    }
    return { [Symbol.asyncDispose]: end }
  }

  async #endDeletes(): Promise<void> {
    using _mutex = await this.#mutex.acquire()
    this.#deleterCount -= 1
    if (this.#deleterCount > 0) return
    this.#isEndOwed = true
    await this.#raise(undefined, false)
  }

  /** The bucket says that chunks are deleted, and no other process does so. */
  async #endLeftover(signal: AbortSignal | undefined): Promise<void> {
    if (this.#deleterCount > 0) return
    const { ledger, bootId } = this.#options
    // Requests of whoever said so may be on their way. The ledger knows of them unless it is an image's; that would
    // have begun another run of the machine.
    const isKnown = this.#isEndOwed || (bootId !== null && ledger.holder?.bootId === bootId)
    if (!isKnown) await this.#doubtAll()
    await this.#raise(signal, false)
  }

  async #raise(signal: AbortSignal | undefined, deletes: boolean | 'as it is'): Promise<void> {
    const object = await this.#look(signal)
    const { ledger, objects, prefix } = this.#options
    const known = ledger.holder
    if (object === null || known === null) this.#refuse()
    const next = known.pending ?? nextOf(known)
    const bootId = deletes === true ? this.#options.bootId : (known.bootId ?? null)
    await this.#remember({ ...known, bootId, pending: next })
    const isCollecting = deletes === 'as it is' ? object.isCollecting === true : deletes
    const lastDeleteMs =
      deletes === false ? await knownLastDelete(this.#options) : object.lastDeleteMs
    const body = formatHolder({ ...object, ...next, isCollecting, lastDeleteMs })
    const condition = this.#conditionFor(object.etag)
    const { outcome } = await objects.put(`${prefix}/${HOLDER_OBJECT}`, body, { condition, signal })
    const isWritten = outcome === 'written' && condition.kind !== 'always'
    if (!isWritten && !(await this.#isThere(next, signal))) {
      await this.#doubtNow('somebody else raised its generation at the same time')
      this.#refuse()
    }
    await this.#remember({ ...known, ...next, bootId, pending: null })
    if (deletes !== 'as it is') this.#isEndOwed = false
  }

  /** Since the doubt began, and by another process: what is said here was written by its refresh. */
  async #isRefreshed(): Promise<boolean> {
    const options = this.#options
    const { holder } = options.ledger
    if (holder === null || holder.nonce === NO_NONCE || holder.pending !== null) return false
    if (JSON.stringify(holder) === this.#doubted || (await options.isRefreshing?.()) !== false)
      return false
    this.#doubt = null
    await options.onRefreshed?.()
    return true
  }

  async #doubtAll(): Promise<void> {
    const { ledger, clock } = this.#options
    await doubtAll(ledger, clock)
    await this.#options.onDoubtful?.()
  }

  /** Whoever has the bucket may have deleted since, and what he sent is not known here. */
  async #doubtForeign(state: BucketState): Promise<void> {
    using _mutex = await this.#mutex.acquire()
    const text = JSON.stringify(state)
    if (text === this.#foreign) return
    await this.#doubtSince(state)
    this.#foreign = text
  }

  /** Local state is not to be relied on until a refresh has ended, also after a restart. */
  async suspend(reason: string): Promise<void> {
    using _mutex = await this.#mutex.acquire()
    if (this.#doubt === null) await this.#forget(reason)
  }

  /** After a refresh: we are the holder with what is in the bucket now. */
  async accept(holder: HolderState): Promise<void> {
    using _mutex = await this.#mutex.acquire()
    const { holderId, generation, nonce } = holder
    await this.#remember({ holderId, generation, nonce, pending: null })
    this.#doubt = null
  }

  /** What is in the bucket if it is ours; else null, and the doubt is set. */
  async #look(signal: AbortSignal | undefined) {
    if (this.#doubt !== null) return null
    const { objects, prefix, ledger } = this.#options
    let reason = ''
    let seen: BucketState | null = null
    for (let count = 0; count < LOOKS_MAX; count += 1) {
      const before = ledger.holder
      const state = await readBucketState(objects, prefix, { signal })
      seen = state
      const known = ledger.holder
      reason = differenceOf(known, state) ?? ''
      if (reason === '' || differenceOf(before, state) === null) {
        await this.#adopt(known, state)
        if (state.holder !== null) await shortenDoubt(this.#options, state.holder)
        return state.holder
      }
    }
    await this.#doubtNow(reason, seen)
    return null
  }

  /** A raise that was interrupted after it reached the bucket. */
  async #adopt(known: LedgerHolder | null, { holder }: BucketState): Promise<void> {
    const pending = known?.pending ?? null
    if (known === null || pending === null || holder === null) return
    if (!isSame(pending, holder)) return
    await this.#remember({ ...known, ...pending, pending: null })
  }

  async #isThere(next: NonNullable<LedgerHolder['pending']>, signal: AbortSignal | undefined) {
    const { objects, prefix } = this.#options
    const { holder } = await readBucketState(objects, prefix, { signal })
    return holder !== null && isSame(next, holder)
  }

  async #remember(holder: LedgerHolder): Promise<void> {
    await this.#options.copy.write(holder)
    await this.#options.ledger.setHolder(holder)
  }

  async #doubtNow(reason: string, seen: BucketState | null = null): Promise<void> {
    if (this.#doubt !== null) return
    await this.#forget(reason)
    await this.#doubtSince(seen)
    if (seen !== null) this.#foreign = JSON.stringify(seen)
  }

  /** Everything, for as long as the bucket gives reason to. */
  async #doubtSince(state: BucketState | null): Promise<void> {
    const { ledger, clock } = this.#options
    await doubtAll(ledger, clock)
    const holder = state?.holder ?? null
    if (holder !== null) await shortenDoubt(this.#options, holder)
  }

  async #forget(reason: string): Promise<void> {
    // At once, before anything is waited for: what is asked meanwhile is not to count.
    this.#doubt = reason
    const { ledger } = this.#options
    const known = ledger.holder
    if (known !== null) await ledger.setHolder({ ...known, nonce: NO_NONCE, pending: null })
    this.#doubted = JSON.stringify(ledger.holder)
    await ledger.clear()
  }

  #refuse(): never {
    const { place } = this.#options.objects
    throw errors.BUCKET_STALE({ place, reason: this.#doubt ?? 'it was never claimed' })
  }

  #conditionFor(etag: string): PutCondition {
    const { verdict } = this.#options
    return verdict.ifMatch === null ? { kind: 'always' } : { kind: 'unchanged', etag }
  }
}

export function newNonce(): string {
  return randomBytes(16).toString('hex')
}

/** Why the bucket is not held with what is known; null if it is. */
export function differenceOf(known: LedgerHolder | null, state: BucketState): string | null {
  const { holder, inUseMs } = state
  if (inUseMs === null) return 'its .in-use object is gone: it was given back or taken over'
  if (holder === null) return 'it has no .cairn-holder object: another server took it over'
  if (holder.inUseMs !== inUseMs) return 'its .in-use object was written by somebody else'
  const { hostname } = holder
  if (known === null) return `nothing is known of it here; it is held by host '${hostname}'`
  if (known.holderId !== holder.holderId) return `it is held by host '${hostname}'`
  if (isSame(known, holder)) return null
  if (known.pending !== null && isSame(known.pending, holder)) return null
  return `its generation is ${holder.generation}, here it is ${known.generation}: one of the two is an old copy`
}

function isSame(a: Pick<HolderState, 'generation' | 'nonce'>, b: HolderObject): boolean {
  return a.generation === b.generation && a.nonce === b.nonce
}

function nextOf({ generation }: LedgerHolder): NonNullable<LedgerHolder['pending']> {
  return { generation: generation + 1, nonce: newNonce() }
}
