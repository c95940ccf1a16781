/**
 * The ledger in an SQLite file, shared by all processes that have the datastore open (see `Ledger`).
 *
 * The main thread asks and adds through a connection of its own, with prepared statements; a thread does what takes
 * long or syncs (ledger-writer.ts). Where the main thread cannot do something in time, it forgets: what the ledger does
 * not know costs one request, what it says wrongly costs data.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { WorkerPool } from '../../base/async/worker-pool.ts'
import { errorChain, isSystemError, toError } from '../../base/errors.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { Log } from '../../base/log.ts'
import type { Clock } from '../../base/time/clock.ts'
import { type Digest, digestFromBytes, DIGEST_SIZE, digestToBytes } from '../../formats/digest.ts'
import { errors } from '../errors.ts'
import {
  type Ledger,
  type LedgerEntry,
  type LedgerHolder,
  REQUEST_LIFE_MS,
  type Suspect,
} from '../ledger.ts'
import { openLedgerFile } from './ledger-file.ts'
import type { LedgerTask, OpenAnswer, PackedEntries, Rescued } from './ledger-tasks.ts'
import { hasSqliteCode, SQLITE_CORRUPT, SQLITE_NOTADB } from './sqlite-codes.ts'

export interface SqliteLedgerOptions {
  /** The file; `-wal` and `-shm` are beside it. Its folder exists. */
  readonly path: string
  readonly clock: Clock
  readonly log: Log
}

/** How long the main thread waits for another writer; they hold their lock for a millisecond or two. */
const WAIT_MS = 40
/** Entries added between two writings back of the log: some megabytes of it. */
const ADDS_PER_WRITE_BACK = 1000
const WORKER_URL = new URL('./ledger-worker.ts', import.meta.url)
const FIRST_BYTES = 256

type Task = LedgerTask extends infer Each
  ? Each extends LedgerTask
    ? Omit<Each, 'path'>
    : never
  : never

export class SqliteLedger implements Ledger {
  readonly #options: SqliteLedgerOptions
  readonly #pool: WorkerPool
  readonly #database: DatabaseSync
  readonly #knows: StatementSync
  readonly #insert: StatementSync
  readonly #update: StatementSync
  readonly #delete: StatementSync
  readonly #noteGone: StatementSync
  readonly #suspectMs: StatementSync
  readonly #meta: StatementSync
  /** Wrong entries that another writer kept us from removing; they count for nothing until the thread did it. */
  readonly #dropping = new Set<Digest>()
  /** Entries that came, less those that went, since the count was written; and those whose count is being written. */
  #added = 0
  #addedBefore = 0
  #writingBack: Promise<void> | null = null
  #isBroken = false
  #isClosed = false

  private constructor(options: SqliteLedgerOptions, pool: WorkerPool, database: DatabaseSync) {
    this.#options = options
    this.#pool = pool
    this.#database = database
    this.#knows = database.prepare('SELECT size FROM chunks WHERE digest = ?')
    this.#insert = database.prepare('INSERT OR IGNORE INTO chunks VALUES (?, ?)')
    this.#update = database.prepare('UPDATE chunks SET size = ? WHERE digest = ?')
    this.#delete = database.prepare('DELETE FROM chunks WHERE digest = ?')
    this.#noteGone = database.prepare('INSERT OR IGNORE INTO gone VALUES (?)')
    this.#suspectMs = database.prepare('SELECT lastMs FROM suspects WHERE key = ?')
    this.#meta = database.prepare('SELECT value FROM meta WHERE name = ?')
  }

  /**
   * Opens the ledger, made empty if it is missing. A damaged or foreign file is moved aside with a line in the log and an
   * empty one takes its place, with the suspects of the old one if they can be read; else everything is one for the life
   * of a request. Throws LEDGER_TOO_NEW for a file of a later version, errors of the system and of SQLite.
   */
  static async open(fs: FileSystem, options: SqliteLedgerOptions): Promise<SqliteLedger> {
    const pool = new WorkerPool(WORKER_URL, { size: 1 })
    try {
      await openInThread(fs, pool, options)
      const opened = openLedgerFile(options.path, WAIT_MS)
      if (opened.kind !== 'open') throw failedToOpen(options.path, opened)
      return new SqliteLedger(options, pool, opened.database)
    } catch (error) {
      await pool[Symbol.asyncDispose]()
      throw error
    }
  }

  get count(): number {
    const written = Number(this.#readMeta('count') ?? 0)
    return Math.max(written + this.#added + this.#addedBefore, 0)
  }

  knowsAt(bytes: Uint8Array, offset: number): { readonly size: number | null } | null {
    if (this.#dropping.size > 0 && this.#dropping.has(digestFromBytes(bytes, offset))) return null
    try {
      const row = this.#knows.get(bytes.subarray(offset, offset + DIGEST_SIZE))
      if (row === undefined) return null
      return { size: row['size'] === null ? null : Number(row['size']) }
    } catch (error) {
      this.#warn('cannot ask the ledger', error)
      return null
    }
  }

  add(digest: Digest, size: number | null): void {
    const bytes = digestToBytes(digest)
    try {
      if (this.#insert.run(bytes, size).changes === 0) {
        if (size !== null) this.#update.run(size, bytes)
      } else this.#added += 1
      this.#dropping.delete(digest)
    } catch (error) {
      this.#warn('cannot write the ledger: a chunk stays unknown', error)
    }
    if (this.#added >= ADDS_PER_WRITE_BACK) this.#writeBackLater()
  }

  drop(digest: Digest): void {
    const bytes = digestToBytes(digest)
    const isRebuilding = this.#readMeta('rebuildMs') !== null
    if (!isRebuilding && this.knowsAt(bytes, 0) === null) return
    try {
      // First: a crash in between leaves an unknown one.
      if (isRebuilding) this.#noteGone.run(bytes)
      this.#added -= Number(this.#delete.run(bytes).changes)
    } catch (error) {
      this.#warn('cannot remove an entry of the ledger at once', error)
      this.#dropLater(digest, bytes)
    }
  }

  async entries(from: Digest, to: Digest | null, count: number): Promise<readonly LedgerEntry[]> {
    const { digests, sizes } = await this.#do<PackedEntries>({
      kind: 'entries',
      from: digestToBytes(from),
      to: to === null ? null : digestToBytes(to),
      count,
    })
    return Array.from(sizes, (size, index) => {
      return { digest: digestFromBytes(digests, index * DIGEST_SIZE), size: size < 0 ? null : size }
    })
  }

  async condemn(keys: readonly string[], nowMs: number): Promise<void> {
    await this.#do({ kind: 'condemn', keys, nowMs })
  }

  async acquit(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#do({ kind: 'acquit', keys })
  }

  async renewSuspects(keys: readonly string[], nowMs: number): Promise<void> {
    if (keys.length > 0) await this.#do({ kind: 'renew', keys, nowMs })
  }

  async suspects(): Promise<readonly Suspect[]> {
    return await this.#do({ kind: 'suspects' })
  }

  isSuspect(key: string): boolean {
    return this.suspectSinceMs(key) !== null
  }

  suspectSinceMs(key: string): number | null {
    const row = this.#suspectMs.get(key)
    if (row !== undefined) return Number(row['lastMs'])
    const blanketMs = this.#readMeta('blanketMs')
    if (blanketMs === null) return null
    const isOver = this.#options.clock.now() >= Number(blanketMs) + REQUEST_LIFE_MS
    return isOver ? null : Number(blanketMs)
  }

  async beginRebuild(): Promise<void> {
    await this.#do({ kind: 'begin-rebuild', nowMs: this.#options.clock.now() })
  }

  async addListed(entries: readonly LedgerEntry[]): Promise<void> {
    const digests = new Uint8Array(entries.length * DIGEST_SIZE)
    const sizes = new Int32Array(entries.length)
    entries.forEach(({ digest, size }, index) => {
      digests.set(digestToBytes(digest), index * DIGEST_SIZE)
      sizes[index] = size ?? -1
    })
    const packed = { digests, sizes }
    const nowMs = this.#options.clock.now()
    if (await this.#do<boolean>({ kind: 'add-listed', entries: packed, nowMs })) return
    throw errors.LEDGER_FAILED({ path: this.#options.path, reason: 'no rebuild is running' })
  }

  async endRebuild(): Promise<void> {
    await this.#do({ kind: 'end-rebuild' })
    this.#added = 0
  }

  get holder(): LedgerHolder | null {
    const text = this.#readMeta('holder')
    return typeof text === 'string' ? (JSON.parse(text) as LedgerHolder) : null
  }

  async setHolder(holder: LedgerHolder): Promise<void> {
    await this.#do({ kind: 'set-holder', holder })
  }

  async clear(): Promise<void> {
    for (let firstByte = 0; firstByte < FIRST_BYTES; firstByte += 1) {
      await this.#do({ kind: 'clear', firstByte })
    }
    this.#added = 0
  }

  /** Once; nothing is to be asked after. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#writingBack
    this.#database.close()
    try {
      await this.#do({ kind: 'close', added: this.#added })
    } finally {
      await this.#pool[Symbol.asyncDispose]()
    }
  }

  async #do<Result = void>(task: Task): Promise<Result> {
    const { path } = this.#options
    try {
      return await this.#pool.run<Result>({ ...task, path } satisfies LedgerTask)
    } catch (error) {
      const reason = toError(error).message
      throw errors.LEDGER_FAILED({ path, reason }, { cause: error })
    }
  }

  #readMeta(name: string): unknown {
    return this.#meta.get(name)?.['value'] ?? null
  }

  #writeBackLater(): void {
    if (this.#writingBack !== null) return
    const added = this.#added
    this.#addedBefore = added
    this.#added = 0
    this.#writingBack = this.#do({ kind: 'write-back', added })
      .catch((error: unknown) => this.#warn('cannot write back the log of the ledger', error))
      .finally(() => {
        this.#addedBefore = 0
        this.#writingBack = null
      })
  }

  #dropLater(digest: Digest, digests: Uint8Array): void {
    this.#dropping.add(digest)
    this.#do({ kind: 'drop', digests }).then(
      () => this.#dropping.delete(digest),
      (error: unknown) => this.#warn('cannot remove an entry of the ledger', error),
    )
  }

  /** Once until it is opened again; a damaged file is replaced then. */
  #warn(message: string, error: unknown): void {
    if (this.#isBroken) return
    this.#isBroken = hasSqliteCode(error, SQLITE_CORRUPT, SQLITE_NOTADB)
    const { path, log } = this.#options
    log.warn(message, { path, error: errorChain(error) })
  }
}

async function openInThread(
  fs: FileSystem,
  pool: WorkerPool,
  { path, clock, log }: SqliteLedgerOptions,
): Promise<void> {
  const answer = await run<OpenAnswer>(pool, { kind: 'open', path, nowMs: clock.now() })
  if (answer.kind === 'open') return
  if (answer.kind === 'too-new') throw failedToOpen(path, answer)
  const rescued = await run<Rescued | null>(pool, { kind: 'rescue', path })
  const aside = `${path}.damaged-${clock.now()}`
  log.warn('the ledger is damaged, moved aside and begun anew', { aside, reason: answer.reason })
  await moveAside(fs, path, aside)
  const again = await run<OpenAnswer>(pool, { kind: 'open', path, nowMs: clock.now() })
  if (again.kind !== 'open') throw failedToOpen(path, again)
  await run(pool, { kind: 'adopt', path, rescued, nowMs: clock.now() })
}

async function run<Result>(pool: WorkerPool, task: LedgerTask): Promise<Result> {
  return await pool.run<Result>(task)
}

/** The log first: without its file it would be taken for one of the new file. */
async function moveAside(fs: FileSystem, path: string, aside: string): Promise<void> {
  for (const suffix of ['-shm', '-wal', '']) {
    try {
      await fs.rename(`${path}${suffix}`, `${aside}${suffix}`)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
  }
}

function failedToOpen(path: string, answer: Exclude<OpenAnswer, { kind: 'open' }>): Error {
  if (answer.kind === 'too-new') return errors.LEDGER_TOO_NEW({ path, version: answer.version })
  return errors.LEDGER_FAILED({ path, reason: answer.reason })
}
