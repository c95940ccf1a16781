/**
 * Buckets for whoever needs one: datastores, checks, commands. Opens their clients, probes what the stores really do and
 * keeps the verdicts, counts requests, holds the rates of each endpoint (datastore-semantics.md 19.1, 19.2).
 */
import { type CairnError, hasCode, toError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { ConfigFiles } from '../../config/config-files.ts'
import type { S3Endpoint } from '../../config/s3-endpoint-file.ts'
import { findS3Endpoint, readS3Endpoint } from '../../config/s3-endpoints.ts'
import type { OpenedObjects } from '../../datastore/bucket/store-bucket.ts'
import type { ObjectStore } from '../../storage/object-store.ts'
import { type ProbeVerdict, quirksFor } from '../../storage/s3/verdict.ts'
import { errors } from '../errors.ts'
import {
  type BucketOpener,
  type EndpointLimits,
  makeLimits,
  type OpenBucket,
} from './bucket-opener.ts'
import { CounterBook } from './counter-book.ts'
import { CurrentStore } from './current-store.ts'
import { type BucketName, isAsGood, placeKey, readVerdict, writeVerdict } from './verdict-book.ts'

/** A store that could not be probed at the start is tried again so often. */
const PROBE_RETRY_MS = 30_000
/** A start does not wait longer for a store that has a verdict: between two attempts the probe is given up then. */
const PROBE_WAIT_MS = 10_000
/** A bad network can make a good store look worse: so many probes in a row must say that it changed. */
const PROBES_MAX = 3
/** Where `cairn s3 probe` works when it is told no datastore. */
export const PROBE_PREFIX = 'cairn-probe'

export interface S3AccessOptions {
  readonly files: ConfigFiles
  readonly log: Log
  /** Called when the first bucket is needed: the library behind it takes a quarter of a second to load. */
  readonly loadOpener: () => Promise<BucketOpener>
  /** `start`: every bucket once in the life of this process; `once`: those that have no verdict yet. */
  readonly probes: 'start' | 'once'
}

export interface NamedBucket extends BucketName {
  /** Name of the datastore in the bucket; counters are kept by it. */
  readonly prefix: string
}

interface OpenedFor {
  readonly name: BucketName & { readonly prefix: string | null }
  /** Null: nothing is known yet. */
  readonly verdict: ProbeVerdict | null
}

export class S3Access implements AsyncDisposable {
  readonly counters: CounterBook
  readonly #options: S3AccessOptions
  readonly #closing = new AbortController()
  readonly #limits = new Map<string, { readonly key: string; readonly limits: EndpointLimits }>()
  /** Of this process, by bucket and place. */
  readonly #probed = new Map<string, Promise<ProbeVerdict>>()
  readonly #reprobing = new Set<Promise<void>>()

  constructor(options: S3AccessOptions) {
    const { files, log } = options
    this.#options = options
    this.counters = new CounterBook(files, log)
  }

  /**
   * The bucket of a datastore. Throws S3_ENDPOINT_UNKNOWN, S3_ENDPOINT_INVALID, S3_UNUSABLE (the probe's verdict), the
   * errors of ObjectStore if it was never probed and cannot be reached.
   */
  async openStore(name: NamedBucket): Promise<OpenedObjects> {
    const { files, log } = this.#options
    const endpoint = await readS3Endpoint(files, name.endpointId)
    const { verdict, isFresh } = await this.#verdictOf(endpoint, name)
    const opener = await this.#options.loadOpener()
    if (!verdict.isUsable) throw unusable(name, verdict)
    const store = new CurrentStore({
      endpoint,
      clock: files.clock,
      log,
      open: (current) => this.#open(opener, current, { name, verdict }),
      readEndpoint: async () => await findS3Endpoint(files, name.endpointId),
      checkPlace: async (current) => {
        const other = await this.#probeNow(current, name, { before: verdict })
        if (!isAsGood(verdict, other)) throw otherPlace(name, other)
      },
    })
    if (!isFresh) this.#probeLater(endpoint, name, { store, verdict })
    return { objects: store, verdict, close: async () => store.close() }
  }

  /** A bucket for a moment: a check, a list. `prefix` null counts nothing. Errors: S3_ENDPOINT_UNKNOWN, those of `work`. */
  async withBucket<Result>(
    name: BucketName & { readonly prefix: string | null },
    work: (objects: ObjectStore) => Promise<Result>,
  ): Promise<Result> {
    const endpoint = await readS3Endpoint(this.#options.files, name.endpointId)
    const opener = await this.#options.loadOpener()
    const opened = this.#open(opener, endpoint, { name, verdict: null })
    try {
      return await work(opened.objects)
    } finally {
      opened.close()
    }
  }

  /** Probes a bucket now, below `prefix`, and keeps the verdict. Errors: S3_ENDPOINT_UNKNOWN, those of ObjectStore. */
  async probe(name: NamedBucket): Promise<ProbeVerdict> {
    const endpoint = await readS3Endpoint(this.#options.files, name.endpointId)
    return await this.#probeNow(endpoint, name, { before: await this.lastVerdict(name) })
  }

  /** The verdict of the last probe, or null. Errors: S3_ENDPOINT_UNKNOWN. */
  async lastVerdict(name: BucketName): Promise<ProbeVerdict | null> {
    const { files } = this.#options
    const endpoint = await readS3Endpoint(files, name.endpointId)
    return await readVerdict(files.fs, files.paths.state, { ...name, place: placeKey(endpoint) })
  }

  /** Names of the buckets that an endpoint's keys can see. Errors: S3_ENDPOINT_UNKNOWN, those of ObjectStore. */
  async listBuckets(endpointId: string): Promise<readonly string[]> {
    const endpoint = await readS3Endpoint(this.#options.files, endpointId)
    const { files, log, loadOpener } = this.#options
    const opener = await loadOpener()
    return await opener.listBuckets(endpoint, { clock: files.clock, log })
  }

  /** Datastores must have been closed. Writes out the counters. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#reprobing)
    await this.counters[Symbol.asyncDispose]()
  }

  /** With a verdict also what it says beside the configuration. */
  #open(opener: BucketOpener, endpoint: S3Endpoint, { name, verdict }: OpenedFor): OpenBucket {
    const { files, log } = this.#options
    return opener.open(endpoint, name.bucket, {
      counters: this.counters.of(name),
      limits: this.#limitsOf(endpoint),
      quirks: verdict === null ? endpoint.quirks : quirksFor(verdict, endpoint.quirks),
      ifMatch: verdict?.ifMatch,
      trustsMd5: verdict?.checksMd5,
      clock: files.clock,
      log,
    })
  }

  /** One set for all buckets of an endpoint; another one only if its rates were changed. */
  #limitsOf(endpoint: S3Endpoint): EndpointLimits {
    const { id, rateIn, burstIn, rateOut, burstOut, putRateLimit } = endpoint
    const key = JSON.stringify([rateIn, burstIn, rateOut, burstOut, putRateLimit])
    const known = this.#limits.get(id)
    if (known?.key === key) return known.limits
    const limits = makeLimits(endpoint, this.#options.files.clock)
    this.#limits.set(id, { key, limits })
    return limits
  }

  async #verdictOf(
    endpoint: S3Endpoint,
    name: NamedBucket,
  ): Promise<{ readonly verdict: ProbeVerdict; readonly isFresh: boolean }> {
    const { files, log, probes } = this.#options
    const place = placeKey(endpoint)
    const kept = await readVerdict(files.fs, files.paths.state, { ...name, place })
    if (kept !== null && probes === 'once') return { verdict: kept, isFresh: true }
    const key = JSON.stringify([name.endpointId, name.bucket, place])
    const over = new AbortController()
    const answered = new AbortController()
    if (kept !== null) {
      files.clock.sleep(PROBE_WAIT_MS, answered.signal).then(
        () => over.abort(),
        () => {},
      )
    }
    try {
      // Datastores of one bucket share the probe.
      const probing =
        this.#probed.get(key) ?? this.#probeNow(endpoint, name, { before: kept, over: over.signal })
      this.#probed.set(key, probing)
      return { verdict: await probing, isFresh: true }
    } catch (thrown) {
      this.#probed.delete(key)
      // What is local can be read while the store cannot be reached.
      const isAway = over.signal.aborted || hasCode(thrown, 'S3_UNAVAILABLE')
      if (kept === null || !isAway) throw thrown
      log.warn('cannot probe a bucket at the start', { ...name, error: toError(thrown).message })
      return { verdict: kept, isFresh: false }
    } finally {
      answered.abort()
    }
  }

  /** Probes until the store does what it did `before`, or until it is sure that it does not; keeps that verdict. */
  async #probeNow(
    endpoint: S3Endpoint,
    name: NamedBucket,
    { before, over }: { readonly before: ProbeVerdict | null; readonly over?: AbortSignal },
  ): Promise<ProbeVerdict> {
    const { fs, clock, paths } = this.#options.files
    const { probe } = await import('../../storage/s3/probe.ts')
    const opener = await this.#options.loadOpener()
    const { objects, close } = this.#open(opener, endpoint, { name, verdict: null })
    try {
      const closing = this.#closing.signal
      const signal = over === undefined ? closing : AbortSignal.any([closing, over])
      let verdict = await probe(objects, name.prefix, { clock, signal })
      for (let count = 1; count < PROBES_MAX && isOther(before, verdict); count += 1) {
        verdict = await probe(objects, name.prefix, { clock, signal })
      }
      await writeVerdict(fs, paths.state, { ...name, place: placeKey(endpoint), verdict })
      return verdict
    } finally {
      close()
    }
  }

  #probeLater(
    endpoint: S3Endpoint,
    name: NamedBucket,
    used: { readonly store: CurrentStore; readonly verdict: ProbeVerdict },
  ): void {
    const run = this.#probeUntilAnswered(endpoint, name, used)
      .catch(() => {})
      .finally(() => this.#reprobing.delete(run))
    this.#reprobing.add(run)
  }

  /** Ends with an answer, or when this is closed. */
  async #probeUntilAnswered(
    endpoint: S3Endpoint,
    name: NamedBucket,
    { store, verdict }: { readonly store: CurrentStore; readonly verdict: ProbeVerdict },
  ): Promise<void> {
    const { files } = this.#options
    for (;;) {
      await files.clock.sleep(PROBE_RETRY_MS, this.#closing.signal)
      try {
        const fresh = await this.#probeNow(endpoint, name, { before: verdict })
        if (!isAsGood(verdict, fresh)) store.refuse(otherPlace(name, fresh))
        return
      } catch (error) {
        if (!hasCode(error, 'S3_UNAVAILABLE', 'S3_REFUSED')) throw error
      }
    }
  }
}

function isOther(before: ProbeVerdict | null, after: ProbeVerdict): boolean {
  return before !== null && !isAsGood(before, after)
}

function unusable(name: NamedBucket, { problems }: ProbeVerdict): CairnError {
  return errors.S3_UNUSABLE({ ...name, reason: problems.join('; ') })
}

function otherPlace(name: NamedBucket, verdict: ProbeVerdict): CairnError {
  if (!verdict.isUsable) return unusable(name, verdict)
  const reason = 'it does other things than the store that the datastore was opened on; restart'
  return errors.S3_UNUSABLE({ ...name, reason })
}
