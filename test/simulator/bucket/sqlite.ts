/**
 * `node:sqlite` for the code under test: the real library on databases in memory, one for each file of a simulated
 * machine, with what a disk adds to them. All connections see what is committed at once; a power cut keeps a prefix of
 * the transactions that has at least those that were synced.
 */
import { DatabaseSync as RealDatabase, type SQLInputValue, type StatementSync } from 'node:sqlite'
import type { Random } from '../random.ts'

interface Statement {
  readonly sql: string
  /** Null: SQL without parameters. */
  readonly values: readonly SQLInputValue[] | null
}

/** One database file. */
export class SimDatabaseFile {
  database = new RealDatabase(':memory:')
  /** Raised when the file is another one: prepared statements are made anew. */
  era = 0
  #transactions: (readonly Statement[])[] = []
  #syncedCount = 0
  #open: Statement[] | null = null

  /** What was committed until now is on the disk. */
  sync(): void {
    this.#syncedCount = this.#transactions.length
  }

  /** A prefix of what was not synced survives. */
  cutPower(random: Random): void {
    const { length } = this.#transactions
    this.restore(this.#syncedCount + random.below(length - this.#syncedCount + 1))
  }

  /** How far it is, for `restore`. */
  get position(): number {
    return this.#transactions.length
  }

  /** It holds what it held at `position`, as an older copy of it; 0: it is lost. */
  restore(position: number): void {
    this.#open = null
    if (position === this.#transactions.length) return
    this.#transactions.length = position
    this.#syncedCount = position
    this.#rebuild()
  }

  /** A file of its own with the same content. */
  copy(): SimDatabaseFile {
    const copy = new SimDatabaseFile()
    copy.#transactions = [...this.#transactions]
    copy.#syncedCount = copy.#transactions.length
    copy.#rebuild()
    return copy
  }

  close(): void {
    this.database.close()
  }

  note(statement: Statement): void {
    const { sql } = statement
    if (sql === 'BEGIN IMMEDIATE') this.#open = []
    else if (sql === 'COMMIT') this.#commit()
    else if (sql === 'ROLLBACK') this.#open = null
    else if (this.#open !== null) this.#open.push(statement)
    // A checkpoint syncs the log and the file.
    else if (sql.startsWith('PRAGMA wal_checkpoint')) this.sync()
    else if (!sql.startsWith('PRAGMA') && !sql.startsWith('SELECT')) {
      throw new Error(`outside of a transaction: ${sql}`)
    }
    if (sql.endsWith('BEGIN IMMEDIATE')) this.#open = []
  }

  #commit(): void {
    const statements = this.#open ?? []
    this.#open = null
    if (statements.length > 0) this.#transactions.push(statements)
  }

  #rebuild(): void {
    this.database.close()
    this.database = new RealDatabase(':memory:')
    this.era += 1
    for (const { sql, values } of this.#transactions.flat()) {
      if (values === null) this.database.exec(sql)
      else this.database.prepare(sql).run(...values)
    }
  }
}

/** The files of the machine that runs now. */
let fileAt: (path: string) => SimDatabaseFile = () => {
  throw new Error('no schedule runs')
}

/** To be called before each schedule. */
export function useDatabaseFiles(find: (path: string) => SimDatabaseFile): void {
  fileAt = find
}

export class DatabaseSync {
  readonly #file: SimDatabaseFile

  constructor(path: string) {
    this.#file = fileAt(path)
  }

  get isTransaction(): boolean {
    return this.#file.database.isTransaction
  }

  exec(sql: string): void {
    this.#file.database.exec(sql)
    this.#file.note({ sql, values: null })
  }

  prepare(sql: string): SimStatement {
    return new SimStatement(this.#file, sql)
  }

  /** The file stays. */
  close(): void {}
}

class SimStatement {
  readonly #file: SimDatabaseFile
  readonly #sql: string
  #era: number
  #real: StatementSync

  constructor(file: SimDatabaseFile, sql: string) {
    this.#file = file
    this.#sql = sql
    this.#era = file.era
    this.#real = file.database.prepare(sql)
  }

  get(...values: SQLInputValue[]) {
    if (this.#sql.startsWith('PRAGMA wal')) this.#file.note({ sql: this.#sql, values: null })
    return this.#statement().get(...values)
  }

  all(...values: SQLInputValue[]) {
    return this.#statement().all(...values)
  }

  run(...values: SQLInputValue[]) {
    const result = this.#statement().run(...values)
    // What is changed in place later is not what was written.
    const kept = values.map((value) => (value instanceof Uint8Array ? value.slice() : value))
    this.#file.note({ sql: this.#sql, values: kept })
    return result
  }

  #statement(): StatementSync {
    if (this.#era !== this.#file.era) {
      this.#era = this.#file.era
      this.#real = this.#file.database.prepare(this.#sql)
    }
    return this.#real
  }
}
