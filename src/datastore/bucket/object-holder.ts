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
import type { Ledger, LedgerHolder } from '../../storage/ledger.ts'
import type { ObjectStore, PutCondition } from '../../storage/object-store.ts'
import type { ProbeVerdict } from '../../storage/s3/verdict.ts'
import { errors } from '../errors.ts'
import type { BucketHolder, HolderWatch } from './holder.ts'
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
  /** A doubt from before: a refresh that did not end. */
  readonly doubt: string | null
}

/** Another process of ours may raise between our look at the bucket and our look at the ledger. */
const LOOKS_MAX = 3
/** Stands for "not ours any more" in the ledger, also after a restart. */
const NO_NONCE = ''

export class ObjectHolder implements BucketHolder {
  readonly #options: ObjectHolderOptions
  readonly #mutex = new Mutex()
  #doubt: string | null

  constructor(options: ObjectHolderOptions) {
    this.#options = options
    this.#doubt = options.doubt
  }

  get doubt(): string | null {
    return this.#doubt
  }

  async check(signal?: AbortSignal): Promise<string | null> {
    if (this.#doubt !== null) return this.#doubt
    using _mutex = await this.#mutex.acquire(signal)
    await this.#look(signal)
    return this.#doubt
  }

  async watch(signal?: AbortSignal): Promise<HolderWatch> {
    const doubt = await this.check(signal)
    if (doubt === null) return { end: async (endSignal) => await this.check(endSignal) }
    // It is somebody else's: whoever that is must not have collected since.
    const { objects, prefix } = this.#options
    const before = await readBucketState(objects, prefix, { signal })
    if (before.holder?.isCollecting === true) {
      const { hostname } = before.holder
      throw errors.BUCKET_COLLECTED({ place: objects.place, hostname, reason: doubt })
    }
    return {
      end: async (endSignal) => {
        const now = await readBucketState(objects, prefix, { signal: endSignal })
        return JSON.stringify(now) === JSON.stringify(before) ? null : doubt
      },
    }
  }

  async raise(signal?: AbortSignal, what: 'idle' | 'collecting' = 'idle'): Promise<void> {
    using _mutex = await this.#mutex.acquire(signal)
    const object = await this.#look(signal)
    const { ledger, objects, prefix } = this.#options
    const known = ledger.holder
    if (object === null || known === null) this.#refuse()
    const next = known.pending ?? nextOf(known)
    await this.#remember({ ...known, pending: next })
    const body = formatHolder({ ...object, ...next, isCollecting: what === 'collecting' })
    const condition = this.#conditionFor(object.etag)
    const { outcome } = await objects.put(`${prefix}/${HOLDER_OBJECT}`, body, { condition, signal })
    const isWritten = outcome === 'written' && condition.kind !== 'always'
    if (!isWritten && !(await this.#isThere(next, signal))) {
      await this.#doubtNow('somebody else raised its generation at the same time')
      this.#refuse()
    }
    await this.#remember({ holderId: known.holderId, ...next, pending: null })
  }

  /** Says that local state is not to be relied on until a refresh, also after a restart. */
  async doubtNow(reason: string): Promise<void> {
    using _mutex = await this.#mutex.acquire()
    await this.#doubtNow(reason)
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
    for (let count = 0; count < LOOKS_MAX; count += 1) {
      const before = ledger.holder
      const state = await readBucketState(objects, prefix, { signal })
      const known = ledger.holder
      reason = differenceOf(known, state) ?? ''
      if (reason === '' || differenceOf(before, state) === null) {
        await this.#adopt(known, state)
        return state.holder
      }
    }
    await this.#doubtNow(reason)
    return null
  }

  /** A raise that was interrupted after it reached the bucket. */
  async #adopt(known: LedgerHolder | null, { holder }: BucketState): Promise<void> {
    const pending = known?.pending ?? null
    if (known === null || pending === null || holder === null) return
    if (!isSame(pending, holder)) return
    await this.#remember({ holderId: known.holderId, ...pending, pending: null })
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

  async #doubtNow(reason: string): Promise<void> {
    if (this.#doubt !== null) return
    // At once, before anything is waited for: what is asked meanwhile is not to count.
    this.#doubt = reason
    const { ledger } = this.#options
    const known = ledger.holder
    if (known !== null) await ledger.setHolder({ ...known, nonce: NO_NONCE, pending: null })
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
