/** The lists of snapshots of this server: read in threads, kept by `ListingCache`. */
import { mapConcurrent } from '../base/async/map-concurrent.ts'
import { WorkerPool } from '../base/async/worker-pool.ts'
import type { Clock } from '../base/time/clock.ts'
import type { Datastore } from '../datastore/datastore.ts'
import { groupPath } from '../datastore/layout.ts'
import { type ListedGroup, ListingCache } from '../datastore/listing-cache.ts'
import type { GroupAnswer } from '../datastore/listing/read-group.ts'
import type { GroupRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'

const WORKER_URL = new URL('./listing-worker.ts', import.meta.url)
/** Each takes 20 MB; more would wait for the same disk. */
const THREAD_COUNT = 2
/** Groups of one task: its way there and back takes as long as ten snapshots. */
const GROUPS_PER_TASK = 4
/** As many as there are threads, and the next ones. */
const TASKS_AT_ONCE = 4

export class SnapshotLists implements AsyncDisposable {
  readonly #pool = new WorkerPool(WORKER_URL, { size: THREAD_COUNT })
  readonly #caches = new WeakMap<Datastore['core'], ListingCache>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The snapshots of `groups` in their order, as JSON objects without the owner; for lists only. */
  async *list(
    store: Datastore,
    ns: NamespacePath,
    groups: readonly GroupRef[],
  ): AsyncGenerator<ListedGroup> {
    const cache = this.#cacheOf(store)
    const places = groups.map((group) => ({ group, path: groupPath(store.path, ns, group) }))
    const listed = mapConcurrent(
      tasksOf(places),
      { concurrency: TASKS_AT_ONCE },
      async (task) => await cache.list(task),
    )
    for await (const part of listed) yield* part
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]()
  }

  #cacheOf({ core }: Datastore): ListingCache {
    const known = this.#caches.get(core)
    if (known !== undefined) return known
    const cache = new ListingCache(this.#clock, {
      read: async (requests) => await this.#pool.run<readonly GroupAnswer[]>(requests),
    })
    this.#caches.set(core, cache)
    return cache
  }
}

function* tasksOf<Place>(places: readonly Place[]): Generator<readonly Place[]> {
  for (let start = 0; start < places.length; start += GROUPS_PER_TASK) {
    yield places.slice(start, start + GROUPS_PER_TASK)
  }
}
