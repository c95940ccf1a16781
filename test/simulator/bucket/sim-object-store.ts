/** The door to the simulated bucket as the code under test sees it: calls of a few attempts, as those of the real client. */
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
} from '../../../src/storage/object-store.ts'
import { checkBatch, checkKey } from '../../../src/storage/object-limits.ts'
import { errors } from '../../../src/storage/s3/errors.ts'
import type { Random } from '../random.ts'
import type { SimNetwork } from './network.ts'
import { infoOf, type SimObjects } from './objects.ts'

/** Attempts of one call. */
const ATTEMPTS_MAX = 4
/** Rounds of one batch of deletes: keys that were not confirmed are asked for again. */
const ROUNDS_MAX = 2

export interface SimObjectStoreParts {
  readonly objects: SimObjects
  readonly network: SimNetwork
  /** Share of the keys of a batch that are not deleted in one round. */
  partialShare(): number
  /** Share of the PUTs of chunks that are refused: one of two uploads fails, and nothing else does. */
  readonly refusedShare: number
  /** Of the operation that runs. */
  random(): Random
}

export class SimObjectStore implements ObjectStore {
  readonly place = 'simulated/bucket'
  readonly #parts: SimObjectStoreParts

  constructor(parts: SimObjectStoreParts) {
    this.#parts = parts
  }

  async get(
    key: string,
    options: RequestOptions & {
      readonly range?: { readonly from: number; readonly to: number }
    } = {},
  ): Promise<StoredObject | null> {
    const { objects } = this.#parts
    const { result } = await this.#run(`GET ${key}`, options, () => {
      const found = objects.get(key)
      if (found === undefined) return null
      const { from, to } = options.range ?? { from: 0, to: found.size }
      return { ...found, body: found.body.slice(from, to) }
    })
    return result
  }

  async head(key: string, options: RequestOptions = {}): Promise<ObjectInfo | null> {
    const { objects } = this.#parts
    const { result } = await this.#run(`HEAD ${key}`, options, () => {
      const found = objects.get(key)
      return found === undefined ? null : infoOf(found)
    })
    return result
  }

  async put(
    key: string,
    body: Uint8Array,
    options: RequestOptions & { readonly condition: PutCondition },
  ): Promise<PutAnswer> {
    checkKey(key)
    const { objects } = this.#parts
    const { condition } = options
    // Late, it still has the bytes that were sent.
    const sent = new Uint8Array(body)
    const what = `PUT${condition.kind === 'always' ? '' : ` (${condition.kind})`} ${key}`
    const isRefused =
      key.includes('/.chunks/') && this.#parts.random().chance(this.#parts.refusedShare)
    if (isRefused) {
      await this.#run(`${what} (refused)`, options, () => null)
      throw this.#failure('S3_REFUSED', what, false)
    }
    const { result: etag, isLate } = await this.#run(what, options, () => {
      return objects.put(key, sent, condition)
    })
    if (etag === null) return { outcome: 'kept', etag: '', isLate }
    return { outcome: 'written', etag, isLate }
  }

  async copy(
    from: string,
    to: string,
    options: RequestOptions = {},
  ): Promise<{ readonly isFound: boolean; readonly isLate: boolean }> {
    const { objects } = this.#parts
    const { result, isLate } = await this.#run(`COPY ${from} to ${to}`, options, () => {
      return objects.copy(from, to)
    })
    return { isFound: result, isLate }
  }

  async delete(keys: readonly string[], options: RequestOptions = {}): Promise<DeleteAnswer> {
    checkBatch(keys)
    const deleted = new Set<string>()
    const reasons = new Map<string, string>()
    let isLate = false
    for (let round = 1; round <= ROUNDS_MAX && deleted.size < keys.length; round += 1) {
      const left = keys.filter((key) => !deleted.has(key))
      try {
        const outcome = await this.#deleteOnce(left, options)
        isLate ||= outcome.isLate
        for (const key of outcome.result) deleted.add(key)
      } catch (error) {
        isLate ||= (error as { data?: { isLate?: boolean } }).data?.isLate === true
        for (const key of left) reasons.set(key, 'no answer')
        break
      }
    }
    const open = keys.filter((key) => !deleted.has(key))
    const failed = open.map((key) => ({ key, reason: reasons.get(key) ?? 'SlowDown' }))
    return { deleted: [...deleted], failed, isLate }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListPage> {
    const { objects } = this.#parts
    let after = options.after ?? ''
    for (;;) {
      const query = { prefix, after, delimiter: options.delimiter }
      const { result } = await this.#run(`LIST ${prefix}`, options, () => objects.list(query))
      yield { objects: result.objects, folders: result.folders }
      if (result.next === null) return
      after = result.next
    }
  }

  /** Nobody uploads in parts. */
  async abortUploads(_prefix: string, options: RequestOptions): Promise<number> {
    const { result } = await this.#run('LIST uploads', options, () => 0)
    return result
  }

  async checkBucket(options: RequestOptions = {}): Promise<void> {
    await this.#run('HEAD bucket', options, () => true)
  }

  async now(options: RequestOptions = {}): Promise<number> {
    const { objects } = this.#parts
    const { result } = await this.#run('Date', options, () => objects.now())
    return result
  }

  /** Those that the store confirmed by name. */
  async #deleteOnce(keys: readonly string[], options: RequestOptions) {
    const { objects } = this.#parts
    const random = this.#parts.random()
    const share = this.#parts.partialShare()
    const taken = keys.filter(() => !random.chance(share))
    return await this.#run(`DELETE ${keys.join(', ')}`, options, () => {
      for (const key of taken) objects.delete(key)
      return taken
    })
  }

  async #run<Result>(
    what: string,
    { signal }: RequestOptions,
    execute: () => Result,
  ): Promise<{ readonly result: Result; readonly isLate: boolean }> {
    let isLate = false
    for (let attempt = 1; ; attempt += 1) {
      if (signal?.aborted === true && !isLate) signal.throwIfAborted()
      const outcome = await this.#parts.network.attempt(what, execute)
      if (outcome.kind === 'answered') return { result: outcome.result, isLate }
      isLate ||= outcome.kind === 'silent'
      if (outcome.kind === 'refused') throw this.#failure('S3_REFUSED', what, isLate)
      if (attempt === ATTEMPTS_MAX || signal?.aborted === true) {
        throw this.#failure('S3_UNAVAILABLE', what, isLate)
      }
    }
  }

  #failure(code: 'S3_REFUSED' | 'S3_UNAVAILABLE', what: string, isLate: boolean): Error {
    const [operation = '', key = ''] = what.split(' ')
    return errors[code]({
      operation,
      place: this.place,
      key,
      requestId: null,
      reason: 'simulated',
      advice: 'none',
      isLate,
    })
  }
}
