/** A process of another program on the same machine. */
import { LockTable } from '../../src/datastore/locks.ts'
import type { Clock } from '../../src/base/time/clock.ts'
import type { Machine } from './kernel/machine.ts'
import { SimFileSystem } from './kernel/sim-file-system.ts'
import type { Scheduler } from './scheduler.ts'

export class StockProcess {
  /** In printed schedules. */
  readonly id = 'stock'
  readonly fs: SimFileSystem
  readonly locks: LockTable

  constructor(parts: { readonly machine: Machine; readonly scheduler: Scheduler; clock: Clock }) {
    this.fs = new SimFileSystem(parts.machine, parts.scheduler)
    const options = { clock: parts.clock, folder: '/run/locks', store: 'store', owner: undefined }
    this.locks = new LockTable(this.fs, options)
  }
}
