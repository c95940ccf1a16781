/** A simulated process of the server: what the real one keeps in memory, and the doors it uses. */
import { silentLog } from '../../src/base/log.ts'
import type { Clock } from '../../src/base/time/clock.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { DatastoreRegistry } from '../../src/datastore/registry.ts'
import type { DatastoreSettings } from '../../src/datastore/settings.ts'
import { SimFileSystem } from './kernel/sim-file-system.ts'
import type { Machine } from './kernel/machine.ts'
import type { Scheduler } from './scheduler.ts'

export const STORE_NAME = 'store'

export interface ProcessParts {
  readonly scheduler: Scheduler
  readonly machine: Machine
  /** As they are now. */
  settings(): DatastoreSettings
}

export class SimProcess {
  readonly id: number
  readonly locals = new Map<string, unknown>()
  readonly fs: SimFileSystem
  readonly registry: DatastoreRegistry
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
    const clock: Clock = {
      now: () => scheduler.nowMs + scheduler.wallOffsetMs,
      monotonic: () => scheduler.nowMs,
      sleep: (delayMs, signal) => scheduler.sleep(delayMs, signal),
    }
    this.registry = new DatastoreRegistry({
      fs: this.fs,
      clock,
      log: silentLog,
      paths: { state: '/data/state', locks: '/run/locks' },
      settingsOf: async (name) => (name === STORE_NAME ? parts.settings() : null),
    })
  }

  /** What a server does when it starts. */
  async recover(): Promise<void> {
    await this.registry.recover([STORE_NAME], () => {})
  }

  async lookup(): Promise<Datastore> {
    const store = await this.registry.lookup(STORE_NAME, 'write')
    this.stores.add(store)
    return store
  }
}
