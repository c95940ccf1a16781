/** Buckets in memory for servers under test: every endpoint reaches the same ones. */
import { systemClock } from '../../src/base/time/clock.ts'
import type { S3Endpoint } from '../../src/config/s3-endpoint-file.ts'
import type { BucketOpener, BucketOptions, OpenBucket } from '../../src/server/s3/bucket-opener.ts'
import {
  MemoryObjectStore,
  type MemoryObjectStoreOptions,
} from '../../src/storage/memory-object-store.ts'
import type { ObjectStore, PutAnswer } from '../../src/storage/object-store.ts'
import { errors } from '../../src/storage/s3/errors.ts'

export interface HeldRequest {
  readonly arrived: Promise<void>
  release(): void
}

export class MemoryBuckets implements BucketOpener {
  readonly #names: readonly string[]
  readonly #stores = new Map<string, MemoryObjectStore>()
  #held: { arrived: () => void; released: Promise<void> } | null = null
  /** Endpoints as they were when a client was opened, in order. */
  readonly opened: S3Endpoint[] = []
  closedCount = 0
  /** What every request fails with. */
  failure: Error | null = null
  /** Conditions that the stores ignore from now on. */
  ignores: NonNullable<MemoryObjectStoreOptions['ignores']> = []

  /** So many probes from now on end as if the store ignored conditions: what a bad network can do to one. */
  oddProbes = 0

  constructor(names: readonly string[]) {
    this.#names = names
  }

  open(endpoint: S3Endpoint, bucket: string, _options: BucketOptions): OpenBucket {
    if (!this.#names.includes(bucket)) throw noBucket(bucket)
    this.opened.push(endpoint)
    return { objects: this.#watched(bucket), close: () => void (this.closedCount += 1) }
  }

  async listBuckets(): Promise<readonly string[]> {
    return this.#names
  }

  /** The next request waits when it has come. */
  hold(): HeldRequest {
    const arrived = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    this.#held = { arrived: arrived.resolve, released: released.promise }
    return { arrived: arrived.promise, release: released.resolve }
  }

  #store(bucket: string): MemoryObjectStore {
    const key = JSON.stringify([bucket, this.ignores])
    const place = `memory/${bucket}`
    const known = this.#stores.get(key)
    const store =
      known ?? new MemoryObjectStore({ clock: systemClock, place, ignores: this.ignores })
    this.#stores.set(key, store)
    return store
  }

  #watched(bucket: string): ObjectStore {
    return new Proxy(this.#store(bucket), {
      get: (_target, name) => {
        const store = this.#store(bucket)
        const member: unknown = Reflect.get(store, name, store)
        if (typeof member !== 'function') return member
        if (name === 'list') return member.bind(store) as unknown
        return async (...args: unknown[]) => {
          await this.#pass()
          const answer = (await member.apply(store, args)) as unknown
          return name === 'put' && this.#isOdd(args[0] as string, answer as PutAnswer)
            ? { ...(answer as PutAnswer), outcome: 'written' }
            : answer
        }
      },
    })
  }

  /** Whether this is the one request of a probe that is answered otherwise. */
  #isOdd(key: string, { outcome }: PutAnswer): boolean {
    const isOne =
      this.oddProbes > 0 && outcome === 'kept' && /\.cairn-probe\/\w+\/absent$/.test(key)
    if (isOne) this.oddProbes -= 1
    return isOne
  }

  async #pass(): Promise<void> {
    const held = this.#held
    this.#held = null
    held?.arrived()
    await held?.released
    if (this.failure !== null) throw this.failure
  }
}

function noBucket(bucket: string): Error {
  return errors.S3_REFUSED({
    operation: 'head',
    place: `memory/${bucket}`,
    key: null,
    requestId: null,
    reason: 'NoSuchBucket',
    advice: 'make it',
    isLate: false,
  })
}
