/** Bounded cache with size accounting; concurrent loads of one key share one flight. */
import { assert } from './assert.ts'

export interface LruCacheOptions<Key, Value> {
  /** Most that all entries together may weigh. */
  readonly sizeMax: number
  /** Weight of one entry; one by default, so that `sizeMax` counts entries. */
  readonly sizeOf?: (value: Value, key: Key) => number
}

interface Entry<Value> {
  readonly value: Value
  readonly size: number
}

/** Forgets what was not used for longest. */
export class LruCache<Key, Value> {
  readonly #sizeMax: number
  readonly #sizeOf: (value: Value, key: Key) => number
  readonly #entries = new Map<Key, Entry<Value>>()
  readonly #flights = new Map<Key, Promise<Value>>()
  #size = 0

  constructor(options: LruCacheOptions<Key, Value>) {
    assert(options.sizeMax > 0, 'a cache has room')
    this.#sizeMax = options.sizeMax
    this.#sizeOf = options.sizeOf ?? (() => 1)
  }

  /** Count of entries. */
  get count(): number {
    return this.#entries.size
  }

  /** Weight of all entries. */
  get size(): number {
    return this.#size
  }

  get(key: Key): Value | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  /** Keeps `value`; a value heavier than the whole cache is not kept. */
  set(key: Key, value: Value): void {
    this.#drop(key)
    this.#flights.delete(key)
    const size = this.#sizeOf(value, key)
    if (size > this.#sizeMax) return
    this.#entries.set(key, { value, size })
    this.#size += size
    for (const oldest of this.#entries.keys()) {
      if (this.#size <= this.#sizeMax) return
      this.#drop(oldest)
    }
  }

  /** Forgets `key`; a load in flight still serves its callers but is not kept. */
  delete(key: Key): boolean {
    this.#flights.delete(key)
    return this.#drop(key)
  }

  clear(): void {
    this.#flights.clear()
    this.#entries.clear()
    this.#size = 0
  }

  /** The value of `key`, loaded if it is not there; who asks meanwhile shares the load. Errors are not kept. */
  async load(key: Key, loader: () => Promise<Value>): Promise<Value> {
    const known = this.get(key)
    if (known !== undefined) return known
    const flight = this.#flights.get(key) ?? this.#begin(key, loader)
    return await flight
  }

  #begin(key: Key, loader: () => Promise<Value>): Promise<Value> {
    const flight = Promise.resolve().then(loader)
    this.#flights.set(key, flight)
    const keep = (value: Value): void => {
      if (this.#flights.get(key) === flight) this.set(key, value)
    }
    const forget = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    void flight.then(keep, forget)
    return flight
  }

  #drop(key: Key): boolean {
    const entry = this.#entries.get(key)
    if (entry === undefined) return false
    this.#size -= entry.size
    return this.#entries.delete(key)
  }
}
