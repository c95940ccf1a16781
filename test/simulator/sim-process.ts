/** A simulated process of the server: what the real one keeps in memory, and the doors it uses. */
import { silentLog } from '../../src/base/log.ts'
import { ActiveOperations } from '../../src/datastore/active-operations.ts'
import type { Clock } from '../../src/base/time/clock.ts'
import type { OpenedObjects } from '../../src/datastore/bucket/store-bucket.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { DatastoreRegistry, type DatastoreUse } from '../../src/datastore/registry.ts'
import type { DatastoreSettings } from '../../src/datastore/settings.ts'
import { SimFileSystem } from './kernel/sim-file-system.ts'
import type { Machine } from './kernel/machine.ts'
import { STORE_LINK } from './places.ts'
import type { Scheduler } from './scheduler.ts'

export const STORE_NAME = 'store'
/** A second name of the same folder, by a link to it. */
export const ALIAS_NAME = 'alias'

export interface ProcessParts {
  readonly scheduler: Scheduler
  readonly machine: Machine
  /** Null: the store is in a folder. */
  readonly bucket: { open(): Promise<OpenedObjects> } | null
  /** As they are now. */
  settings(): DatastoreSettings
  /** Whether a process of this number is there. */
  isAlive(id: number): boolean
}

export class SimProcess {
  readonly id: number
  readonly locals = new Map<string, unknown>()
  readonly fs: SimFileSystem
  readonly registry: DatastoreRegistry
  readonly clock: Clock
  readonly operations: ActiveOperations
  /** Aborted when the process is told to end: collection and verify stop. */
  readonly shutdown = new AbortController()
  readonly stores = new Set<Datastore>()
  isAlive = true
  /** Operations that still run in it. */
  operationCount = 0

  constructor(id: number, parts: ProcessParts) {
    const { scheduler, machine } = parts
    this.id = id
    this.fs = new SimFileSystem(machine, scheduler)
    this.clock = {
      now: () => scheduler.nowMs + scheduler.wallOffsetMs,
      monotonic: () => scheduler.nowMs,
      sleep: (delayMs, signal) => scheduler.sleep(delayMs, signal),
    }
    const { fs, clock } = this
    this.operations = new ActiveOperations({
      fs,
      clock,
      folder: '/run/active-operations',
      self: { pid: id, starttime: 1 },
      isAlive: async (pid) => await Promise.resolve(parts.isAlive(pid)),
    })
    const { bucket } = parts
    this.registry = new DatastoreRegistry({
      fs,
      ...(bucket === null ? {} : { openObjects: async () => await bucket.open() }),
      clock,
      operations: this.operations,
      log: silentLog,
      paths: { state: '/data/state', locks: '/run/locks' },
      settingsOf: async (name) => {
        if (name === ALIAS_NAME) return { ...parts.settings(), path: STORE_LINK }
        return name === STORE_NAME ? parts.settings() : null
      },
    })
  }

  /** What a server does when it starts. */
  async recover(): Promise<void> {
    await this.registry.recover([STORE_NAME], () => {})
  }

  async lookup(name = STORE_NAME): Promise<Datastore> {
    const store = await this.registry.lookup(name, 'write')
    this.stores.add(store)
    return store
  }

  /** As `lookup`, counted until the use is disposed. */
  async use(): Promise<DatastoreUse> {
    const use = await this.registry.use(STORE_NAME, 'write')
    this.stores.add(use.store)
    return use
  }
}
