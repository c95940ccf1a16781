/** What one backup session knows beyond its datastore's writer: writer ids, counters (backup-protocol.md 6). */
import type { BackupWriter } from '../../datastore/sessions/backup-writer.ts'
import type { IndexWriter } from '../../datastore/sessions/index-writer.ts'
import { refused } from '../errors.ts'
import type { BudgetShare } from '../session/transfer-budget.ts'

/** Upload statistics as the manifest keeps them (6.4). */
export interface UploadStatistics {
  count: number
  /** Plain bytes. */
  size: number
  /** Bytes on disk. */
  compressed_size: number
  duplicates: number
}

/** An index writer with its id and what was uploaded for it. */
export interface OpenWriter {
  readonly id: number
  readonly index: IndexWriter
  readonly uploaded: UploadStatistics
}

export interface BackupSessionParts {
  readonly writer: BackupWriter
  readonly share: BudgetShare
  /** A line of the task log. */
  readonly log: (line: string) => void
  readonly isDebug: boolean
}

export class BackupSession {
  readonly writer: BackupWriter
  readonly share: BudgetShare
  readonly log: (line: string) => void
  readonly isDebug: boolean
  /** Two id spaces over one counter (6.1). */
  readonly #writers = {
    fixed: new Map<number, OpenWriter>(),
    dynamic: new Map<number, OpenWriter>(),
  }
  readonly #statistics = emptyStatistics()
  #lastId = 0

  constructor(parts: BackupSessionParts) {
    this.writer = parts.writer
    this.share = parts.share
    this.log = parts.log
    this.isDebug = parts.isDebug
  }

  /** The sums over closed writers and blobs. */
  get statistics(): Readonly<UploadStatistics> {
    return this.#statistics
  }

  /** A line that only a client that asked for `debug` gets. */
  debug(line: () => string): void {
    if (this.isDebug) this.log(line())
  }

  /** Gives a new writer its id. */
  addWriter(index: IndexWriter): OpenWriter {
    this.#lastId += 1
    const writer = { id: this.#lastId, index, uploaded: emptyStatistics() }
    this.#writers[index.kind].set(writer.id, writer)
    return writer
  }

  /** Errors: `backup already marked as finished.`, `fixed writer '1' not registered`. */
  findWriter(kind: 'fixed' | 'dynamic', id: number): OpenWriter {
    this.writer.assertActive()
    const writer = this.#writers[kind].get(id)
    if (writer === undefined) throw refused(`${kind} writer '${id}' not registered`)
    return writer
  }

  /** A writer was closed: its numbers count from now on. */
  removeWriter(writer: OpenWriter): void {
    this.#writers[writer.index.kind].delete(writer.id)
    const { uploaded } = writer
    this.#statistics.count += uploaded.count
    this.#statistics.size += uploaded.size
    this.#statistics.compressed_size += uploaded.compressed_size
    this.#statistics.duplicates += uploaded.duplicates
  }

  /** A blob was stored: it counts by its encoded size only. */
  addBlob(size: number): void {
    this.#statistics.size += size
  }
}

function emptyStatistics(): UploadStatistics {
  return { count: 0, size: 0, compressed_size: 0, duplicates: 0 }
}
