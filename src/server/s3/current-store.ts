/**
 * The bucket of a datastore through its endpoint as that is configured now: a changed key, certificate or rate counts
 * from the next request on, and requests that are under way end as they began. A changed host, region or quirk is
 * another place: it is probed first, and used only if it does all that the datastore relies on.
 */
import { toError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { S3Endpoint } from '../../config/s3-endpoint-file.ts'
import type {
  DeleteAnswer,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  PutAnswer,
  PutCondition,
  RequestOptions,
  StoredObject,
} from '../../storage/object-store.ts'
import type { OpenBucket } from './bucket-opener.ts'
import { placeKey } from './verdict-book.ts'

/** How soon a change is noticed: sooner than whoever made it can start another command. */
const LOOK_MS = 100

export interface CurrentStoreOptions {
  readonly endpoint: S3Endpoint
  readonly clock: Clock
  readonly log: Log
  readonly open: (endpoint: S3Endpoint) => OpenBucket
  /** The endpoint as it is configured; null if there is none of this name any more. */
  readonly readEndpoint: () => Promise<S3Endpoint | null>
  /** Throws if the place of `endpoint` cannot take over. */
  readonly checkPlace: (endpoint: S3Endpoint) => Promise<void>
}

/** A client and how many requests it has under way. */
interface Used extends OpenBucket {
  readonly endpoint: S3Endpoint
  requests: number
  isRetired: boolean
}

export class CurrentStore implements ObjectStore {
  readonly #options: CurrentStoreOptions
  #used: Used
  #lookedMs: number
  #looking: Promise<void> | null = null
  #refusal: Error | null = null

  constructor(options: CurrentStoreOptions) {
    this.#options = options
    this.#used = this.#openUsed(options.endpoint)
    this.#lookedMs = options.clock.monotonic()
  }

  get place(): string {
    return this.#used.objects.place
  }

  /** Every request fails with `reason` from now on. */
  refuse(reason: Error): void {
    this.#refusal = reason
  }

  /** No request may be under way or come. */
  close(): void {
    this.#used.close()
  }

  async get(
    key: string,
    options?: Parameters<ObjectStore['get']>[1],
  ): Promise<StoredObject | null> {
    return await this.#with(async (objects) => await objects.get(key, options))
  }

  async head(key: string, options?: RequestOptions): Promise<ObjectInfo | null> {
    return await this.#with(async (objects) => await objects.head(key, options))
  }

  async put(
    key: string,
    body: Uint8Array,
    options: RequestOptions & { readonly condition: PutCondition },
  ): Promise<PutAnswer> {
    return await this.#with(async (objects) => await objects.put(key, body, options))
  }

  async copy(
    from: string,
    to: string,
    options?: RequestOptions,
  ): Promise<{ readonly isFound: boolean; readonly isLate: boolean }> {
    return await this.#with(async (objects) => await objects.copy(from, to, options))
  }

  /** As promised never throws for an answer that is missing: one that cannot be sent is an error before anything was. */
  async delete(keys: readonly string[], options?: RequestOptions): Promise<DeleteAnswer> {
    return await this.#with(async (objects) => await objects.delete(keys, options))
  }

  async *list(prefix: string, options?: ListOptions): AsyncIterable<ListPage> {
    const used = await this.#take()
    try {
      yield* used.objects.list(prefix, options)
    } finally {
      this.#give(used)
    }
  }

  async abortUploads(
    prefix: string,
    options: RequestOptions & { readonly beforeMs: number },
  ): Promise<number> {
    return await this.#with(async (objects) => await objects.abortUploads(prefix, options))
  }

  async checkBucket(options?: RequestOptions): Promise<void> {
    await this.#with(async (objects) => await objects.checkBucket(options))
  }

  async now(options?: RequestOptions): Promise<number> {
    return await this.#with(async (objects) => await objects.now(options))
  }

  async #with<Result>(work: (objects: ObjectStore) => Promise<Result>): Promise<Result> {
    const used = await this.#take()
    try {
      return await work(used.objects)
    } finally {
      this.#give(used)
    }
  }

  async #take(): Promise<Used> {
    const { clock } = this.#options
    if (clock.monotonic() - this.#lookedMs >= LOOK_MS) {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = null
      })
      await this.#looking
    }
    if (this.#refusal !== null) throw this.#refusal
    this.#used.requests += 1
    return this.#used
  }

  #give(used: Used): void {
    used.requests -= 1
    if (used.isRetired && used.requests === 0) used.close()
  }

  /** Throws while the endpoint names a place that cannot be used; the next request looks again. */
  async #look(): Promise<void> {
    const { clock, log, readEndpoint } = this.#options
    const { id } = this.#used.endpoint
    let endpoint: S3Endpoint | null = null
    try {
      endpoint = await readEndpoint()
    } catch (thrown) {
      log.warn('cannot read an S3 endpoint', { endpoint: id, error: toError(thrown).message })
    }
    // Taken away by hand while it is in use: the datastore ends in order all the same.
    if (endpoint !== null && !isSame(endpoint, this.#used.endpoint)) await this.#change(endpoint)
    this.#lookedMs = clock.monotonic()
  }

  async #change(endpoint: S3Endpoint): Promise<void> {
    if (placeKey(endpoint) !== placeKey(this.#used.endpoint)) {
      await this.#options.checkPlace(endpoint)
    }
    const last = this.#used
    this.#used = this.#openUsed(endpoint)
    last.isRetired = true
    if (last.requests === 0) last.close()
    this.#options.log.info('an S3 endpoint has changed', { endpoint: endpoint.id })
  }

  #openUsed(endpoint: S3Endpoint): Used {
    const { objects, close } = this.#options.open(endpoint)
    return { endpoint, objects, close, requests: 0, isRetired: false }
  }
}

function isSame(a: S3Endpoint, b: S3Endpoint): boolean {
  // Secrets print as redacted, so they are compared by themselves.
  return a.secretKey.reveal() === b.secretKey.reveal() && JSON.stringify(a) === JSON.stringify(b)
}
