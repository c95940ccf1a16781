/** The ledger in an SQLite file, shared by all processes that have the datastore open (see `Ledger`). */
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { Log } from '../../base/log.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { Ledger } from '../ledger.ts'

export interface SqliteLedgerOptions {
  /** The file; `-wal` and `-shm` are beside it. Its folder exists. */
  readonly path: string
  readonly clock: Clock
  readonly log: Log
}

export const SqliteLedger = {
  /**
   * Opens the ledger, made empty if it is missing. A damaged or foreign file is moved aside with a line in the log and an
   * empty one takes its place. Throws LEDGER_TOO_NEW for a file of a later version.
   */
  async open(_fs: FileSystem, options: SqliteLedgerOptions): Promise<Ledger> {
    throw new Error(`not yet: ${options.path}`)
  },
}
