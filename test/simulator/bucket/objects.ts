/** The objects of the simulated bucket: what takes effect when a request is executed, without any time between. */
import { hash } from '../doubles/crypto.ts'
import { compareKeys } from '../../../src/storage/object-limits.ts'
import {
  conditionHolds,
  KEYS_PER_REQUEST,
  type ListPage,
  type ObjectInfo,
  type PutCondition,
  type StoredObject,
} from '../../../src/storage/object-store.ts'

/** Told of each change, after it took effect. */
export interface ObjectWatcher {
  put(object: StoredObject, before: StoredObject | undefined): void
  deleted(object: StoredObject): void
}

export interface ListQuery {
  readonly prefix: string
  /** Keys after this one. */
  readonly after: string
  readonly delimiter: '/' | undefined
}

export interface FoundPage extends ListPage {
  /** Where the next page begins; null if there is none. */
  readonly next: string | null
}

export class SimObjects {
  watcher: ObjectWatcher | null = null
  readonly #objects = new Map<string, StoredObject>()
  readonly #nowMs: () => number
  /** Conditions that are taken and ignored. */
  readonly #ignores: ReadonlySet<PutCondition['kind']>

  /** `nowMs`: the store's own clock. */
  constructor(nowMs: () => number, ignores: readonly PutCondition['kind'][]) {
    this.#nowMs = nowMs
    this.#ignores = new Set(ignores)
  }

  /** In the order of keys. */
  get keys(): string[] {
    return [...this.#objects.keys()].sort(compareKeys)
  }

  /** `Date` and `Last-Modified` have no fractions. */
  now(): number {
    return Math.floor(this.#nowMs() / 1000) * 1000
  }

  get(key: string): StoredObject | undefined {
    return this.#objects.get(key)
  }

  /** The ETag of what was written; null if the condition did not hold. */
  put(key: string, body: Uint8Array, condition: PutCondition): string | null {
    const before = this.#objects.get(key)
    if (!this.#holds(before, condition)) return null
    return this.plant(key, body, this.now())
  }

  /** Writes past all conditions. */
  plant(key: string, body: Uint8Array, modifiedMs: number): string {
    const before = this.#objects.get(key)
    const etag = hash('md5', body) as string
    const kept = new Uint8Array(body)
    const object = { key, size: kept.length, modifiedMs, etag, body: kept }
    this.#objects.set(key, object)
    this.watcher?.put(object, before)
    return etag
  }

  delete(key: string): void {
    const object = this.#objects.get(key)
    this.#objects.delete(key)
    if (object !== undefined) this.watcher?.deleted(object)
  }

  /** What is stored under `key` is not what it was. */
  damage(key: string): void {
    const object = this.#objects.get(key)
    if (object === undefined) return
    const body = new Uint8Array(object.body)
    body[body.length - 1] = (body.at(-1) ?? 0) ^ 1
    this.plant(key, body, object.modifiedMs)
  }

  /** False if there is no source. */
  copy(from: string, to: string): boolean {
    const source = this.#objects.get(from)
    if (source !== undefined) this.plant(to, source.body, this.now())
    return source !== undefined
  }

  list({ prefix, after, delimiter }: ListQuery): FoundPage {
    const objects: ObjectInfo[] = []
    const folders: string[] = []
    let last = ''
    for (const key of this.keys) {
      if (!key.startsWith(prefix) || compareKeys(key, after) <= 0) continue
      const end = delimiter === undefined ? -1 : key.indexOf('/', prefix.length)
      const folder = end < 0 ? null : key.slice(0, end + 1)
      if (folder !== null && (folders.at(-1) === folder || after.startsWith(folder))) continue
      if (objects.length + folders.length === KEYS_PER_REQUEST) {
        return { objects, folders, next: last }
      }
      if (folder !== null) folders.push(folder)
      else objects.push(infoOf(this.#objects.get(key) as StoredObject))
      last = key
    }
    return { objects, folders, next: null }
  }

  /** All that is there, to be put back later. */
  copyAll(): ReadonlyMap<string, StoredObject> {
    return new Map(this.#objects)
  }

  /** The bucket is as it was then; nobody is told. */
  restoreAll(objects: ReadonlyMap<string, StoredObject>): void {
    this.#objects.clear()
    for (const [key, object] of objects) this.#objects.set(key, object)
  }

  #holds(found: StoredObject | undefined, condition: PutCondition): boolean {
    if (this.#ignores.has(condition.kind)) return true
    return conditionHolds(found, condition)
  }
}

export function infoOf({ key, size, modifiedMs, etag }: ObjectInfo): ObjectInfo {
  return { key, size, modifiedMs, etag }
}
