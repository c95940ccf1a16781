/** Script of a ledger's thread: bulk work in short transactions, and everything that syncs. */
import { serveWorker } from '../../base/async/serve-worker.ts'
import type { LedgerTask } from './ledger-tasks.ts'
import { LedgerWriter } from './ledger-writer.ts'

let writer: LedgerWriter | null = null

serveWorker((input): unknown => {
  const task = input as LedgerTask
  writer ??= new LedgerWriter(task.path)
  return writer.run(task)
})
