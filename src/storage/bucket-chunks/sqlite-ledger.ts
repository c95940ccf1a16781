/**
 * The ledger in an SQLite file, shared by all processes that have the datastore open (see `Ledger`).
 *
 * The main thread reads through a connection of its own, with prepared statements. It never writes, for a writer may
 * have to wait for another one, or for a sync: what it notes, a thread writes a moment later (ledger-writer.ts), and
 * until then the note answers here. Whatever is in doubt is forgotten: what the ledger does not know costs one request,
 * what it says wrongly costs data.
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
import { digestOfKey } from './chunk-keys.ts'
import { LedgerNotes } from './ledger-notes.ts'
import {
  type Condemnations,
  ENTRY_GONE,
  type LedgerTask,
  type OpenAnswer,
  type PackedEntries,
  type Rescued,
  SIZE_UNKNOWN,
} from './ledger-tasks.ts'
import { isDamage } from './sqlite-codes.ts'

export interface SqliteLedgerOptions {
  /** The file; `-wal` and `-shm` are beside it. Its folder exists. */
  readonly path: string
  readonly clock: Clock
  readonly log: Log
}

/** How long the main thread waits where SQLite lets it: readers hardly ever do. */
const WAIT_MS = 40
const WORKER_URL = new URL('./ledger-worker.ts', import.meta.url)
const FIRST_BYTES = 256
/** Beside the file: it was found to be damaged. */
const DAMAGE_MARK = '.damaged'

type Task = LedgerTask extends infer Each
  ? Each extends LedgerTask
    ? Omit<Each, 'path'>
    : never
  : never

export class SqliteLedger implements Ledger {
  readonly #fs: FileSystem
  readonly #options: SqliteLedgerOptions
  readonly #pool: WorkerPool
  readonly #database: DatabaseSync
  readonly #knows: StatementSync
  readonly #suspectMs: StatementSync
  readonly #meta: StatementSync
  readonly #notes = new LedgerNotes()
  /** As of the thread's last answer. */
  #seen: Condemnations
  #writing: Promise<void> | null = null
  /** Said once until something is written again. */
  #isWarned = false
  #isMarkedDamaged = false
  #isClosed = false

  private constructor(
    fs: FileSystem,
    options: SqliteLedgerOptions,
    opened: {
      readonly pool: WorkerPool
      readonly database: DatabaseSync
      readonly seen: Condemnations
    },
  ) {
    const { database } = opened
    this.#fs = fs
    this.#options = options
    this.#pool = opened.pool
    this.#seen = opened.seen
    this.#database = database
    this.#knows = database.prepare('SELECT size FROM chunks WHERE digest = ?')
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
      const seen = await openInThread(fs, pool, options)
      const opened = openLedgerFile(options.path, WAIT_MS)
      if (opened.kind !== 'open') throw failedToOpen(options.path, opened)
      return new SqliteLedger(fs, options, { pool, database: opened.database, seen })
    } catch (error) {
      await pool[Symbol.asyncDispose]()
      throw error
    }
  }

  get count(): number {
    return Math.max(Number(this.#readMeta('count') ?? 0) + this.#notes.countChange, 0)
  }

  knowsAt(bytes: Uint8Array, offset: number): { readonly size: number | null } | null {
    try {
      const note = this.#notes.isEmpty ? null : this.#noteOf(digestFromBytes(bytes, offset))
      if (note === ENTRY_GONE) return null
      if (note !== null) return { size: note === SIZE_UNKNOWN ? null : note }
      const row = this.#knows.get(bytes.subarray(offset, offset + DIGEST_SIZE))
      if (row === undefined) return null
      return { size: row['size'] === null ? null : Number(row['size']) }
    } catch (error) {
      this.#warn('cannot ask the ledger', error)
      return null
    }
  }

  add(digest: Digest, size: number | null): void {
    this.#note(digest, size ?? SIZE_UNKNOWN)
  }

  drop(digest: Digest): void {
    this.#note(digest, ENTRY_GONE)
  }

  async entries(from: Digest, to: Digest | null, count: number): Promise<readonly LedgerEntry[]> {
    const { digests, sizes } = await this.#do<PackedEntries>({
      kind: 'entries',
      from: digestToBytes(from),
      to: to === null ? null : digestToBytes(to),
      count,
    })
    return Array.from(sizes, (size, index) => {
      const digest = digestFromBytes(digests, index * DIGEST_SIZE)
      return { digest, size: size === SIZE_UNKNOWN ? null : size }
    })
  }

  async condemn(keys: readonly string[], nowMs: number): Promise<void> {
    for (const key of keys) {
      const digest = digestOfKey(key)
      if (digest !== null) this.#notes.forget(digest)
    }
    this.#seen = await this.#do<Condemnations>({ kind: 'condemn', keys, nowMs })
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
    const allMs = this.allDoubtedMs
    return row === undefined ? allMs : Math.max(Number(row['lastMs']), allMs ?? 0)
  }

  async doubtAll(lastMs: number): Promise<void> {
    this.#seen = await this.#do<Condemnations>({ kind: 'doubt-all', lastMs })
  }

  async limitDoubt(lastMs: number | null): Promise<void> {
    await this.#do({ kind: 'limit-doubt', lastMs })
  }

  get allDoubtedMs(): number | null {
    const lastMs = this.#readMeta('blanketMs')
    if (lastMs === null) return null
    const isOver = this.#options.clock.now() >= Number(lastMs) + REQUEST_LIFE_MS
    return isOver ? null : Number(lastMs)
  }

  async beginRebuild(): Promise<void> {
    await this.#do({ kind: 'begin-rebuild', nowMs: this.#options.clock.now() })
  }

  async addListed(entries: readonly LedgerEntry[]): Promise<void> {
    const digests = new Uint8Array(entries.length * DIGEST_SIZE)
    const sizes = new Int32Array(entries.length)
    entries.forEach(({ digest, size }, index) => {
      digests.set(digestToBytes(digest), index * DIGEST_SIZE)
      sizes[index] = size ?? SIZE_UNKNOWN
    })
    const packed = { digests, sizes }
    const nowMs = this.#options.clock.now()
    if (await this.#do<boolean>({ kind: 'add-listed', entries: packed, nowMs })) return
    throw errors.LEDGER_FAILED({ path: this.#options.path, reason: 'no rebuild is running' })
  }

  async endRebuild(): Promise<void> {
    await this.#do({ kind: 'end-rebuild' })
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
  }

  /** Resolves when all that was noted before is written: the batch on its way, and the one that waited for it. */
  async flush(): Promise<void> {
    await this.#writing
    await this.#writing
  }

  /** Once; nothing is to be asked after. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    try {
      await this.flush()
      this.#database.close()
      await this.#run({ kind: 'close' })
    } finally {
      await this.#pool[Symbol.asyncDispose]()
    }
  }

  /** After all that was noted before. */
  async #do<Result = void>(task: Task): Promise<Result> {
    await this.flush()
    return await this.#run(task)
  }

  async #run<Result = void>(task: Task): Promise<Result> {
    const { path } = this.#options
    try {
      return await this.#pool.run<Result>({ ...task, path } satisfies LedgerTask)
    } catch (error) {
      if (isDamage(error)) this.#markDamaged()
      const reason = toError(error).message
      throw errors.LEDGER_FAILED({ path, reason }, { cause: error })
    }
  }

  #note(digest: Digest, note: number): void {
    this.#notes.set(digest, note, this.#seen)
    if (this.#writing === null) this.#writing = this.#writeNotes()
  }

  /** What is noted of it and counts: of an entry that is noted another process may have condemned the object since. */
  #noteOf(digest: Digest): number | null {
    const found = this.#notes.find(digest)
    if (found === null || found.note === ENTRY_GONE) return found?.note ?? null
    const isCurrent =
      Number(this.#readMeta('condemned')) === this.#seen.all &&
      found.seen.foreign === this.#seen.foreign
    return isCurrent ? found.note : null
  }

  async #writeNotes(): Promise<void> {
    try {
      this.#seen = await this.#run<Condemnations>({ kind: 'apply', ...this.#notes.take() })
      this.#isWarned = false
    } catch (error) {
      this.#warn('cannot write the ledger: chunks stay unknown', error)
    }
    this.#notes.done()
    this.#writing = this.#notes.waitingCount === 0 ? null : this.#writeNotes()
  }

  #readMeta(name: string): unknown {
    return this.#meta.get(name)?.['value'] ?? null
  }

  #warn(message: string, error: unknown): void {
    if (isDamage(error)) this.#markDamaged()
    if (this.#isWarned) return
    this.#isWarned = true
    const { path, log } = this.#options
    log.warn(message, { path, error: errorChain(error) })
  }

  /** Whoever opens it next begins it anew: what is damaged inside is not seen at an open. */
  #markDamaged(): void {
    if (this.#isMarkedDamaged) return
    this.#isMarkedDamaged = true
    const { path, log } = this.#options
    log.error('the ledger is damaged: it will be begun anew at the next start', { path })
    this.#fs
      .open(`${path}${DAMAGE_MARK}`, 'read-write-create')
      .then(async (handle) => await handle.close())
      .catch((failure: unknown) => {
        log.error('cannot mark the ledger as damaged', { path, error: errorChain(failure) })
      })
  }
}

async function openInThread(
  fs: FileSystem,
  pool: WorkerPool,
  { path, clock, log }: SqliteLedgerOptions,
): Promise<Condemnations> {
  const mark = `${path}${DAMAGE_MARK}`
  const isMarked = await exists(fs, mark)
  const answer: OpenAnswer = isMarked
    ? { kind: 'damaged', reason: 'found in use' }
    : await run(pool, { kind: 'open', path, nowMs: clock.now() })
  if (answer.kind === 'open') return answer.seen
  if (answer.kind === 'too-new') throw failedToOpen(path, answer)
  const rescued = await run<Rescued | null>(pool, { kind: 'rescue', path })
  const aside = `${path}.damaged-${clock.now()}`
  log.warn('the ledger is damaged, moved aside and begun anew', { aside, reason: answer.reason })
  await moveAside(fs, path, aside)
  const again = await run<OpenAnswer>(pool, { kind: 'open', path, nowMs: clock.now() })
  if (again.kind !== 'open') throw failedToOpen(path, again)
  await run(pool, { kind: 'adopt', path, rescued, nowMs: clock.now() })
  if (isMarked) await fs.unlink(mark)
  return again.seen
}

async function exists(fs: FileSystem, path: string): Promise<boolean> {
  try {
    await fs.lstat(path)
    return true
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
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
