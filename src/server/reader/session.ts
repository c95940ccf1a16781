/** What one reader session knows beyond its datastore's reader (backup-protocol.md 5). */
import type { Clock } from '../../base/time/clock.ts'
import type { SnapshotReader } from '../../datastore/sessions/snapshot-reader.ts'
import type { BudgetShare } from '../session/transfer-budget.ts'

export interface ReaderSession {
  readonly reader: SnapshotReader
  readonly share: BudgetShare
  readonly clock: Clock
  /** A line of the task log. */
  readonly log: (line: string) => void
  readonly isDebug: boolean
}
