/** The open datastores of this process by name, opened when first asked for (datastore-semantics.md 13). */
import { Mutex } from '../base/async/mutex.ts'
import { isSystemError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import type { Log } from '../base/log.ts'
import type { Clock } from '../base/time/clock.ts'
import { type ChunkLooker, doorLooker, workerLooker } from '../storage/chunk-looker.ts'
import {
  type Datastore,
  openDatastore,
  type OpenDatastoreOptions,
  withSettings,
} from './datastore.ts'
import { errors } from './errors.ts'
import { PROCESS_LOCK_FILE } from './layout.ts'
import { findUnfinished, recoverJournalled } from './recovery.ts'
import type { DatastoreSettings, MaintenanceType } from './settings.ts'
import type { StoreCore } from './store-core.ts'

/** What a caller is about to do: only looked up, read, or changed. */
export type Operation = 'lookup' | 'read' | 'write'

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
  /** Pretends that a look at a chunk takes this long, for measurements. */
  readonly lookDelayMs?: number
}

export class DatastoreRegistry {
  readonly #options: RegistryOptions
  readonly #looker: ChunkLooker
  readonly #open = new Map<string, Datastore>()
  readonly #recovered = new WeakSet<StoreCore>()
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
    const isSameFolder = known !== undefined && (await this.#isItsFolder(known, settings.path))
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
    this.#open.set(name, store)
    return store
  }

  /** Whether nothing is to be done for this open datastore to be the one that is meant. */
  async #isCurrent(known: Datastore, settings: DatastoreSettings): Promise<boolean> {
    if (!isSame(known.settings, settings)) return false
    if (settings.maintenance === null && !this.#recovered.has(known.core)) return false
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
    if (known === undefined || known.core.isInUse) return
    this.#open.delete(name)
    await known.core.close()
  }

  #openOptions(name: string, settings: DatastoreSettings): OpenDatastoreOptions {
    const { clock, log, paths } = this.#options
    const stateFolder = `${paths.state}/datastores/${name}`
    return { name, settings, clock, log, locks: paths.locks, stateFolder, looker: this.#looker }
  }
}

/** Throws DATASTORE_UNAVAILABLE if the maintenance mode forbids `operation`. */
export function checkMaintenance(
  store: string,
  settings: DatastoreSettings,
  operation: Operation,
): void {
  const { maintenance } = settings
  if (maintenance === null) return
  const { type, message } = maintenance
  if (operation === 'lookup' && type !== 'delete') return
  if (operation === 'read' && type === 'read-only') return
  throw errors.DATASTORE_UNAVAILABLE({ store, reason: reasonOf(type, message) })
}

function reasonOf(type: MaintenanceType, message: string): string {
  switch (type) {
    case 'read-only':
      return `read-only maintenance mode: ${message}`
    case 'offline':
      return `offline maintenance mode: ${message}`
    case 's3-refresh':
      return `S3 refresh maintenance mode: ${message}`
    case 'unmount':
      return 'datastore is being unmounted'
    case 'delete':
      return 'datastore is being deleted'
    default:
      return type satisfies never
  }
}

/** Modes in which nothing of the datastore is to be held open. */
function isOutOfUse({ maintenance }: DatastoreSettings): boolean {
  return maintenance !== null && ['offline', 'unmount', 'delete'].includes(maintenance.type)
}

function isSame(a: DatastoreSettings, b: DatastoreSettings): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
