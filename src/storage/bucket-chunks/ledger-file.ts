/**
 * The ledger's SQLite file: its tables, and opening it in any thread (races.md R-59, R-60, R-65).
 *
 * | table    | a row                                                                        |
 * |----------|------------------------------------------------------------------------------|
 * | chunks   | an object that is there: whole digest, bytes if known; some 47 bytes on disk |
 * | suspects | a key whose delete may still be executed, wall time of its last attempt      |
 * | gone     | a digest that went since a rebuild began: what a LIST shows of it is old     |
 * | meta     | `holder`, `count`, `condemned` (batches), `rebuildMs`, `blanketMs`            |
 *
 * A digest in `chunks` has no key in `suspects`. Write-ahead log, so that readers never wait; the
 * main thread only reads. A transaction is in the log when it is committed, and on stable
 * storage when the log is synced: `condemn` does so, outside the writers' lock, before a DELETE is sent.
 */
import { DatabaseSync } from 'node:sqlite'
import { hasSqliteCode, SQLITE_CORRUPT, SQLITE_NOTADB } from './sqlite-codes.ts'

/** "Crn1" */
const APPLICATION_ID = 0x43726e31
export const LEDGER_VERSION = 1

const TABLES = `
  CREATE TABLE chunks(digest BLOB PRIMARY KEY, size INTEGER) WITHOUT ROWID;
  CREATE TABLE suspects(key TEXT PRIMARY KEY, lastMs INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE gone(digest BLOB PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
  INSERT INTO meta VALUES ('count', 0), ('condemned', 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${LEDGER_VERSION};`

/** NORMAL syncs the log before it is written back, and never at a commit. */
const SETTINGS =
  'PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 16777216;'

export type OpenedFile =
  | { readonly kind: 'open'; readonly database: DatabaseSync }
  | { readonly kind: 'too-new'; readonly version: number }
  /** Not ours, or not readable. */
  | { readonly kind: 'damaged'; readonly reason: string }

/** Opens the file, made if it is missing or empty. `waitMs`: how long its calls wait for another writer. */
export function openLedgerFile(path: string, waitMs: number): OpenedFile {
  const database = new DatabaseSync(path, { timeout: waitMs })
  try {
    const problem = prepare(database)
    if (problem === null) return { kind: 'open', database }
    database.close()
    return problem
  } catch (error) {
    database.close()
    if (!hasSqliteCode(error, SQLITE_CORRUPT, SQLITE_NOTADB)) throw error
    return { kind: 'damaged', reason: error.message }
  }
}

function prepare(database: DatabaseSync): OpenedFile | null {
  const application = readPragma(database, 'application_id')
  const version = readPragma(database, 'user_version')
  if (application === 0 && readPragma(database, 'schema_version') === 0) create(database)
  else if (application !== APPLICATION_ID) return { kind: 'damaged', reason: 'not a ledger' }
  else if (version > LEDGER_VERSION) return { kind: 'too-new', version }
  database.exec(`PRAGMA journal_mode = WAL; ${SETTINGS}`)
  return null
}

/** In one transaction, and one process only: whoever comes second finds it made. */
function create(database: DatabaseSync): void {
  database.exec('PRAGMA journal_mode = WAL; BEGIN IMMEDIATE')
  try {
    if (readPragma(database, 'schema_version') === 0) database.exec(TABLES)
    database.exec('COMMIT')
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function readPragma(database: DatabaseSync, name: string): number {
  return Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}
