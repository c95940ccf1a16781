/** A bucket in a map, for tests and simulations: every promise of ObjectStore, no network. */
import { hash } from 'node:crypto'
import type { Clock } from '../base/time/clock.ts'
import {
  conditionHolds,
  type DeleteAnswer,
  type GetOptions,
  KEYS_PER_REQUEST,
  type ListOptions,
  type ListPage,
  type ObjectInfo,
  type ObjectStore,
  type PutAnswer,
  type PutCondition,
  type RequestOptions,
  type StoredObject,
} from './object-store.ts'
import { checkBatch, checkBody, checkKey, compareKeys } from './object-limits.ts'

export interface MemoryObjectStoreOptions {
  readonly clock: Clock
  /** For messages. */
  readonly place?: string
  /** Conditions that this store takes and ignores, as some do. */
  readonly ignores?: readonly Exclude<PutCondition['kind'], 'always'>[]
}

interface Upload {
  readonly key: string
  readonly startedMs: number
}

export class MemoryObjectStore implements ObjectStore {
  readonly place: string
  readonly #clock: Clock
  readonly #ignores: ReadonlySet<string>
  readonly #objects = new Map<string, StoredObject>()
  readonly #uploads: Upload[] = []
  /** All keys in order; null: some came or went. */
  #order: readonly string[] | null = []

  constructor({ clock, place = 'memory/bucket', ignores = [] }: MemoryObjectStoreOptions) {
    this.#clock = clock
    this.place = place
    this.#ignores = new Set(ignores)
  }

  /** All keys in order, for tests. */
  get keys(): readonly string[] {
    this.#order ??= [...this.#objects.keys()].sort(compareKeys)
    return this.#order
  }

  /** Puts bytes past all conditions, as another server does. */
  plant(key: string, body: Uint8Array, modifiedMs: number = this.#clock.now()): string {
    const etag = hash('md5', body)
    const copy = new Uint8Array(body)
    this.#objects.set(key, {
      key,
      size: copy.length,
      modifiedMs: wholeSeconds(modifiedMs),
      etag,
      body: copy,
    })
    this.#order = null
    return etag
  }

  /** An upload in parts that nobody ends. */
  plantUpload(key: string, startedMs: number): void {
    this.#uploads.push({ key, startedMs })
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | null> {
    await begin(options)
    checkKey(key)
    const found = this.#objects.get(key)
    if (found === undefined) return null
    const { from, to } = options.range ?? { from: 0, to: found.size }
    const part = found.body.subarray(from, to)
    const body = options.allocate?.(part.length) ?? new Uint8Array(part.length)
    body.set(part)
    return { ...found, body }
  }

  async head(key: string, options: RequestOptions = {}): Promise<ObjectInfo | null> {
    await begin(options)
    checkKey(key)
    const found = this.#objects.get(key)
    return found === undefined ? null : infoOf(found)
  }

  async put(
    key: string,
    body: Uint8Array,
    options: RequestOptions & { readonly condition: PutCondition },
  ): Promise<PutAnswer> {
    await begin(options)
    checkKey(key)
    checkBody(key, body)
    if (!this.#holds(key, options.condition)) return { outcome: 'kept', etag: '', isLate: false }
    return { outcome: 'written', etag: this.plant(key, body), isLate: false }
  }

  async copy(
    from: string,
    to: string,
    options: RequestOptions = {},
  ): Promise<{ readonly isFound: boolean; readonly isLate: boolean }> {
    await begin(options)
    checkKey(from)
    checkKey(to)
    const source = this.#objects.get(from)
    if (source !== undefined) this.plant(to, source.body)
    return { isFound: source !== undefined, isLate: false }
  }

  async delete(keys: readonly string[], options: RequestOptions = {}): Promise<DeleteAnswer> {
    await begin(options)
    checkBatch(keys)
    for (const key of keys) {
      if (this.#objects.delete(key)) this.#order = null
    }
    return { deleted: [...keys], failed: [], isLate: false }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListPage> {
    let after = options.after ?? ''
    for (;;) {
      await begin(options)
      const { page, next } = this.#page(prefix, after, options.delimiter)
      yield page
      if (next === null) return
      after = next
    }
  }

  async abortUploads(
    prefix: string,
    options: RequestOptions & { readonly beforeMs: number },
  ): Promise<number> {
    await begin(options)
    const isOver = ({ key, startedMs }: Upload): boolean =>
      key.startsWith(prefix) && startedMs < options.beforeMs
    const kept = this.#uploads.filter((upload) => !isOver(upload))
    return this.#uploads.splice(0, this.#uploads.length, ...kept).length - kept.length
  }

  async checkBucket(options: RequestOptions = {}): Promise<void> {
    await begin(options)
  }

  async now(options: RequestOptions = {}): Promise<number> {
    await begin(options)
    return wholeSeconds(this.#clock.now())
  }

  #holds(key: string, condition: PutCondition): boolean {
    if (this.#ignores.has(condition.kind)) return true
    return conditionHolds(this.#objects.get(key), condition)
  }

  /** The page of keys after `after`; `next` is where the one after it begins, null if there is none. */
  #page(
    prefix: string,
    after: string,
    delimiter: '/' | undefined,
  ): { readonly page: ListPage; readonly next: string | null } {
    const objects: ObjectInfo[] = []
    const folders: string[] = []
    const { keys } = this
    const start = compareKeys(after, prefix) < 0 ? prefix : after
    for (let index = indexFrom(keys, start); index < keys.length; index += 1) {
      const key = keys[index] ?? ''
      if (!key.startsWith(prefix)) break
      const folder = delimiter === undefined ? null : folderOf(key, prefix)
      if (key === after || (folder !== null && isSeen(folder, folders, after))) continue
      if (objects.length + folders.length === KEYS_PER_REQUEST) {
        const last = keys[index - 1] ?? ''
        return { page: { objects, folders }, next: last }
      }
      if (folder === null) objects.push(infoOf(this.#objects.get(key)))
      else folders.push(folder)
    }
    return { page: { objects, folders }, next: null }
  }
}

/** Whether the keys of `folder` are told already, on this page or on the one that ended with `after`. */
function isSeen(folder: string, folders: readonly string[], after: string): boolean {
  return folders.at(-1) === folder || after.startsWith(folder)
}

/** Nothing is answered in the same step, as over a network. */
async function begin({ signal }: RequestOptions): Promise<void> {
  signal?.throwIfAborted()
  await Promise.resolve()
}

function infoOf(object: StoredObject | undefined): ObjectInfo {
  const { key = '', size = 0, modifiedMs = 0, etag = '' } = object ?? {}
  return { key, size, modifiedMs, etag }
}

function folderOf(key: string, prefix: string): string | null {
  const end = key.indexOf('/', prefix.length)
  return end < 0 ? null : key.slice(0, end + 1)
}

/** `Last-Modified` and `Date` have no fractions. */
function wholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000) * 1000
}

/** First index of `keys` with a key that is not before `key`. */
function indexFrom(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareKeys(keys[middle] ?? '', key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
