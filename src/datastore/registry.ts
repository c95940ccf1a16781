/** The open datastores of this process by name, opened when first asked for (datastore-semantics.md 13). */
import { Mutex } from '../base/async/mutex.ts'
import { releaseOnce } from '../base/async/wait-list.ts'
import { isSystemError, toError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import type { Log } from '../base/log.ts'
import type { Clock } from '../base/time/clock.ts'
import { type ChunkLooker, doorLooker, workerLooker } from '../storage/chunk-looker.ts'
import type { Ledger } from '../storage/ledger.ts'
import type { ActiveOperations, OperationKind } from './active-operations.ts'
import type { BucketDoors } from './bucket/open-bucket.ts'
import type { OpenedObjects } from './bucket/store-bucket.ts'
import {
  type Datastore,
  openDatastore,
  type OpenDatastoreOptions,
  withSettings,
} from './datastore.ts'
import { errors } from './errors.ts'
import { PROCESS_LOCK_FILE } from './layout.ts'
import { findUnfinished, recoverJournalled } from './recovery.ts'
import { LockBook } from './lock-book.ts'
import { checkMaintenance, isOutOfUse, type Operation } from './maintenance.ts'
import type { BackendSettings, DatastoreSettings } from './settings.ts'
import type { StoreCore } from './store-core.ts'

export type { Operation } from './maintenance.ts'

/** A datastore that is counted as used until this is disposed. */
export interface DatastoreUse extends Disposable {
  readonly store: Datastore
}

export interface RegistryOptions {
  readonly fs: FileSystem
  readonly clock: Clock
  readonly log: Log
  readonly paths: {
    /** State folder of the server; ours is `datastores/<name>` below it. */
    readonly state: string
    /** Folder of the lock files: `<name>/…` below it. */
    readonly locks: string
  }
  /** The settings of a datastore as they are now; null if there is none of this name. */
  settingsOf(name: string): Promise<DatastoreSettings | null>
  /** Where `use` counts; without it nothing is counted. */
  readonly operations?: ActiveOperations
  /** Pretends that a look at a chunk takes this long, for measurements. */
  readonly lookDelayMs?: number
  /** Opens the bucket of the datastore `name`, if it has one; without this such a datastore cannot be opened. */
  readonly openObjects?: (settings: DatastoreSettings, name: string) => Promise<OpenedObjects>
  /** Another one at each start of the machine or container; null, and by default: it is not known. */
  readonly bootId?: string | null
  /** Opens the ledger file at `path`; default: SQLite. */
  readonly openLedger?: (path: string) => Promise<Ledger>
}

export class DatastoreRegistry {
  readonly #options: RegistryOptions
  readonly #looker: ChunkLooker
  readonly #book = new LockBook()
  readonly #open = new Map<string, Datastore>()
  readonly #recovered = new WeakSet<StoreCore>()
  readonly #lettingGo = new Set<Promise<void>>()
  /** One opening at a time: two of one store must find each other. */
  readonly #mutex = new Mutex()

  constructor(options: RegistryOptions) {
    const { fs, lookDelayMs: delayMs = 0 } = options
    this.#options = options
    this.#looker = fs === nodeFileSystem ? workerLooker({ delayMs }) : doorLooker(fs)
  }

  /**
   * The datastore with its settings as they are now. Throws DATASTORE_UNKNOWN, DATASTORE_UNAVAILABLE (maintenance,
   * with stock's texts), DATASTORE_OPEN_FAILED. Operations that run are not interrupted by a later maintenance mode.
   */
  async lookup(name: string, operation: Operation): Promise<Datastore> {
    const settings = await this.#options.settingsOf(name)
    if (settings === null || isOutOfUse(settings)) await this.#letGo(name)
    if (settings === null) throw errors.DATASTORE_UNKNOWN({ store: name })
    checkMaintenance(name, settings, operation)
    const known = this.#open.get(name)
    if (known !== undefined && (await this.#isCurrent(known, settings))) return known
    using _mutex = await this.#mutex.acquire()
    return await this.#openNow(name, settings)
  }

  /**
   * The datastore, counted as used until the result is disposed, also by other processes. Counted first and looked up
   * again then, so that whoever takes it out of use sees the use, or the use sees the mode. Errors: those of `lookup`
   * and of ActiveOperations.published.
   */
  async use(name: string, kind: OperationKind): Promise<DatastoreUse> {
    // Names that nobody has leave no file.
    const known = await this.lookup(name, kind)
    const { operations } = this.#options
    if (operations === undefined) return { store: known, [Symbol.dispose]() {} }
    const counted = operations.begin(name, kind)
    const end = releaseOnce(() => {
      counted[Symbol.dispose]()
      this.#letGoLater(name)
    })
    try {
      await operations.published(name)
      return { store: await this.lookup(name, kind), [Symbol.dispose]: () => end[Symbol.dispose]() }
    } catch (error) {
      end[Symbol.dispose]()
      throw error
    }
  }

  /**
   * Closes what the maintenance mode takes out of use and nobody works on, so that its file system can be unmounted;
   * to be called when modes may have changed.
   */
  async letGoUnused(): Promise<void> {
    for (const name of this.#open.keys()) await this.#letGoIfOutOfUse(name)
  }

  /**
   * To be called once at start: opens each datastore, removes what our own sessions left unfinished, and reports
   * every other snapshot without a manifest, which is never removed by itself. One store's error is a line, too.
   */
  async recover(names: readonly string[], report: (line: string) => void): Promise<void> {
    for (const name of names) {
      try {
        const store = await this.lookup(name, 'read')
        for await (const path of findUnfinished(store)) {
          report(`datastore '${name}': snapshot without a manifest: ${path}`)
        }
      } catch (error) {
        report(`datastore '${name}': ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }

  /** Syncs, stamps and closes all; sessions must have ended. The first error is thrown after all were tried. */
  async close(): Promise<void> {
    const failures: unknown[] = []
    await Promise.allSettled(this.#lettingGo)
    for (const [name, store] of this.#open) {
      this.#open.delete(name)
      await store.core.close().catch((error: unknown) => failures.push(error))
    }
    await this.#looker[Symbol.asyncDispose]()
    if (failures.length > 0) throw failures[0]
  }

  async #openNow(name: string, settings: DatastoreSettings): Promise<Datastore> {
    const known = this.#open.get(name)
    if (known !== undefined && (await this.#isCurrent(known, settings))) return known
    const options = this.#openOptions(name, settings)
    const isSameFolder = known !== undefined && (await this.#isSameStore(known, settings))
    // Another bucket for the same folder, or another folder for the bucket: what is open must go first.
    if (!isSameFolder && (known?.core.bucket ?? options.bucket ?? null) !== null) {
      await this.#letGo(name)
    }
    const store = isSameFolder
      ? withSettings(known, options)
      : await openDatastore(this.#options.fs, options)
    try {
      await this.#recoverOnce(store)
    } catch (error) {
      if (!isSameFolder) await store.core.close()
      throw error
    }
    if (!isSameFolder) await this.#letGo(name)
    else if (settings.backend.kind === 's3') {
      store.core.bucket?.resizeCache(settings.backend.maxCacheBytes)
    }
    this.#open.set(name, store)
    return store
  }

  /** Whether nothing is to be done for this open datastore to be the one that is meant. */
  async #isCurrent(known: Datastore, settings: DatastoreSettings): Promise<boolean> {
    if (!isSame(known.settings, settings)) return false
    if (settings.maintenance === null && !this.#recovered.has(known.core)) return false
    return await this.#isItsFolder(known, settings.path)
  }

  async #isSameStore(known: Datastore, settings: DatastoreSettings): Promise<boolean> {
    if (!isSameBackend(known.settings, settings)) return false
    return await this.#isItsFolder(known, settings.path)
  }

  /** Whether `path` still is the folder that was opened: it may have been removed and made again, or unmounted. */
  async #isItsFolder(known: Datastore, path: string): Promise<boolean> {
    try {
      const { dev, ino } = await this.#options.fs.stat(`${path}/${PROCESS_LOCK_FILE}`)
      return `${dev}:${ino}` === known.core.identity
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false
      throw error
    }
  }

  /** Removes what our sessions left, the first time the store may be written. */
  async #recoverOnce(store: Datastore): Promise<void> {
    if (store.settings.maintenance !== null || this.#recovered.has(store.core)) return
    await recoverJournalled(store)
    this.#recovered.add(store.core)
  }

  /** Closes a datastore unless sessions use it or are about to: its file system can be unmounted then. */
  async #letGo(name: string): Promise<void> {
    const known = this.#open.get(name)
    if (known === undefined || known.core.isInUse || this.#isUsed(name)) return
    this.#open.delete(name)
    await known.core.close()
  }

  #isUsed(name: string): boolean {
    const { read = 0, write = 0 } = this.#options.operations?.countsOf(name) ?? {}
    return read + write > 0
  }

  async #letGoIfOutOfUse(name: string): Promise<void> {
    if (!this.#open.has(name) || this.#isUsed(name)) return
    const settings = await this.#options.settingsOf(name)
    if (settings === null || isOutOfUse(settings)) await this.#letGo(name)
  }

  /** The last operation on a datastore that was taken out of use meanwhile closes it. */
  #letGoLater(name: string): void {
    if (this.#isUsed(name)) return
    const run = this.#letGoIfOutOfUse(name)
      .catch((thrown: unknown) => {
        const error = toError(thrown).message
        this.#options.log.warn('cannot close a datastore', { store: name, error })
      })
      .finally(() => this.#lettingGo.delete(run))
    this.#lettingGo.add(run)
  }

  #openOptions(name: string, settings: DatastoreSettings): OpenDatastoreOptions {
    const { clock, log, paths } = this.#options
    const stateFolder = `${paths.state}/datastores/${name}`
    const book = this.#book
    const looker = this.#looker
    const bucket = this.#bucketDoors(name, settings)
    return { name, settings, clock, log, locks: paths.locks, book, stateFolder, looker, bucket }
  }

  #bucketDoors(name: string, settings: DatastoreSettings): BucketDoors | null {
    const { backend, path } = settings
    const { openObjects, openLedger, bootId } = this.#options
    if (backend.kind === 'filesystem') return null
    if (openObjects === undefined) {
      throw errors.DATASTORE_OPEN_FAILED({ path, reason: 'buckets cannot be opened here' })
    }
    return {
      identity: identityOf(backend),
      prefix: name,
      maxCacheBytes: backend.maxCacheBytes,
      bootId,
      openObjects: async () => await openObjects(settings, name),
      openLedger,
    }
  }
}

function isSame(a: DatastoreSettings, b: DatastoreSettings): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

/** Whether the chunks lie in the same place; the bound of the cache may differ. */
function isSameBackend(a: DatastoreSettings, b: DatastoreSettings): boolean {
  return identityOf(a.backend) === identityOf(b.backend)
}

function identityOf(backend: BackendSettings): string {
  return backend.kind === 's3' ? `${backend.endpointId} ${backend.bucket}` : ''
}
