/**
 * The ledger's file as its thread sees it. A transaction holds the writers' lock, for which other processes wait: it
 * is short, and no sync happens inside of one.
 */
import { closeSync, fdatasyncSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { assert } from '../../base/assert.ts'
import { digestFromBytes, DIGEST_SIZE } from '../../formats/digest.ts'
import { type LedgerHolder, REQUEST_LIFE_MS, type Suspect } from '../ledger.ts'
import { digestOfKey } from './chunk-keys.ts'
import { openLedgerFile } from './ledger-file.ts'
import {
  type Condemnations,
  ENTRY_GONE,
  type LedgerTask,
  type OpenAnswer,
  type PackedEntries,
  type Rescued,
  SIZE_UNKNOWN,
} from './ledger-tasks.ts'

/** Keys of one transaction: some ten milliseconds when their pages are in memory; other processes wait so long. */
const KEYS_PER_TRANSACTION = 500
/** Each changes one page or two of 4 KiB: the log stays below some 32 MB. */
const CHANGES_PER_WRITE_BACK = 4000
/** This thread has time. */
const WAIT_MS = 10_000
/** A rebuild that was given up must not make the file grow for ever. */
const REBUILD_LIFE_MS = 48 * 3_600_000
/** How long a caller may go on repeating a delete after it said so, generously. */
const ATTEMPTS_LIFE_MS = 60 * 60_000

export class LedgerWriter {
  readonly #path: string
  readonly #statements = new Map<string, StatementSync>()
  #database: DatabaseSync | null = null
  /** Of the log, for syncs of our own. */
  #log: number | null = null
  #ownCondemned = 0
  /** Of the transaction that runs: whether a rebuild goes on, and entries that came less those that went. */
  #isRebuilding = false
  #countChange = 0
  /** Rows since the log was written back. */
  #changeCount = 0

  constructor(path: string) {
    this.#path = path
  }

  run(task: LedgerTask): unknown {
    switch (task.kind) {
      case 'open':
        return this.#open(task.nowMs)
      case 'condemn':
        return this.#condemn(task.keys, task.nowMs)
      case 'doubt-all':
        return this.#doubtAll(task.lastMs)
      case 'limit-doubt':
        return this.#limitDoubt(task.lastMs)
      case 'acquit':
        return this.#acquit(task.keys)
      case 'renew':
        return this.#renew(task.keys, task.nowMs)
      case 'apply':
        return this.#apply(task.entries, task.seen)
      case 'entries':
        return this.#entries(task)
      case 'suspects':
        return this.#suspects()
      case 'begin-rebuild':
        return this.#beginRebuild(task.nowMs)
      case 'add-listed':
        return this.#addListed(task.entries, task.nowMs)
      case 'end-rebuild':
        return this.#endRebuild()
      case 'set-holder':
        return this.#setHolder(task.holder)
      case 'clear':
        return this.#clear(task.firstByte)
      case 'rescue':
        return this.#rescue()
      case 'adopt':
        return this.#adopt(task.rescued, task.nowMs)
      case 'close':
        return this.#close()
      default:
        return task satisfies never
    }
  }

  #open(nowMs: number): OpenAnswer {
    this.#forget()
    const opened = openLedgerFile(this.#path, WAIT_MS)
    if (opened.kind !== 'open') return opened
    this.#database = opened.database
    this.#restartSuspects(nowMs)
    this.#writeBack()
    return { kind: 'open', seen: this.#condemnations() }
  }

  /**
   * Whoever condemned them may have gone on asking until he was killed: their time begins anew. One that is old enough
   * was asked for by nobody any more.
   */
  #restartSuspects(nowMs: number): void {
    this.#transact(() => {
      const overMs = nowMs - REQUEST_LIFE_MS - ATTEMPTS_LIFE_MS
      this.#run('DELETE FROM suspects WHERE lastMs < ?', overMs)
      this.#run('UPDATE suspects SET lastMs = ?', nowMs)
    })
    this.#sync()
  }

  /** Each key in one transaction with its entry, all of them durable at the end. */
  #condemn(keys: readonly string[], nowMs: number): Condemnations {
    for (const part of partsOf(keys)) {
      const digests = part.flatMap((key) => bytesOf(key) ?? [])
      // So that their pages are in memory before the lock is taken.
      for (const digest of digests) this.#one('SELECT size FROM chunks WHERE digest = ?', digest)
      this.#transact(() => {
        for (const digest of digests) this.#drop(digest)
        for (const key of part) this.#suspect(key, nowMs)
        this.#setMeta('condemned', Number(this.#meta('condemned') ?? 0) + 1)
      })
      this.#ownCondemned += 1
    }
    this.#sync()
    this.#writeBackAfter(keys.length)
    return this.#condemnations()
  }

  /**
   * What was noted before another process condemned may be of an object that it deleted: all of it stays unknown then.
   * What this process condemns is taken out of the notes before it comes here (races.md R-65).
   */
  #apply({ digests, sizes }: PackedEntries, seen: Condemnations): Condemnations {
    for (let start = 0; start < sizes.length; start += KEYS_PER_TRANSACTION) {
      const isCurrent = this.#transact(() => {
        if (this.#condemnations().foreign !== seen.foreign) return false
        const end = Math.min(start + KEYS_PER_TRANSACTION, sizes.length)
        for (let index = start; index < end; index += 1) {
          const digest = digests.subarray(index * DIGEST_SIZE, (index + 1) * DIGEST_SIZE)
          this.#applyOne(digest, sizes[index] ?? SIZE_UNKNOWN)
        }
        return true
      })
      if (!isCurrent) break
    }
    this.#writeBackAfter(sizes.length)
    return this.#condemnations()
  }

  #applyOne(digest: Uint8Array, size: number): void {
    if (size === ENTRY_GONE) return this.#drop(digest)
    const isKnown = size !== SIZE_UNKNOWN
    const changes = this.#run(
      'INSERT OR IGNORE INTO chunks VALUES (?, ?)',
      digest,
      isKnown ? size : null,
    )
    this.#countChange += changes
    if (changes === 0 && isKnown)
      this.#run('UPDATE chunks SET size = ? WHERE digest = ?', size, digest)
  }

  /** As if every key had been condemned then, and durable: what other processes noted before counts for nothing, too. */
  #doubtAll(lastMs: number): Condemnations {
    this.#transact(() => {
      const before = Number(this.#meta('blanketMs') ?? Number.NEGATIVE_INFINITY)
      this.#setMeta('blanketMs', Math.max(before, lastMs))
      this.#setMeta('condemned', Number(this.#meta('condemned') ?? 0) + 1)
    })
    this.#ownCondemned += 1
    this.#sync()
    return this.#condemnations()
  }

  #limitDoubt(lastMs: number | null): void {
    const before = this.#meta('blanketMs')
    if (before === null) return
    this.#transact(() => {
      if (lastMs === null) this.#run("DELETE FROM meta WHERE name = 'blanketMs'")
      else this.#setMeta('blanketMs', Math.min(Number(before), lastMs))
    })
    this.#sync()
  }

  /** Other processes' are those that are not ours. */
  #condemnations(): Condemnations {
    const all = Number(this.#meta('condemned') ?? 0)
    return { all, foreign: all - this.#ownCondemned }
  }

  #acquit(keys: readonly string[]): void {
    for (const part of partsOf(keys)) {
      this.#transact(() => {
        for (const key of part) this.#run('DELETE FROM suspects WHERE key = ?', key)
      })
    }
  }

  #renew(keys: readonly string[], nowMs: number): void {
    for (const part of partsOf(keys)) {
      this.#transact(() => {
        for (const key of part) this.#suspect(key, nowMs)
      })
    }
    this.#sync()
  }

  #suspect(key: string, nowMs: number): void {
    this.#run('INSERT OR REPLACE INTO suspects VALUES (?, ?)', key, nowMs)
  }

  #drop(digest: Uint8Array): void {
    this.#countChange -= this.#run('DELETE FROM chunks WHERE digest = ?', digest)
    if (this.#isRebuilding) this.#run('INSERT OR IGNORE INTO gone VALUES (?)', digest)
  }

  #entries(task: {
    readonly from: Uint8Array
    readonly to: Uint8Array | null
    readonly count: number
  }): PackedEntries {
    const range = 'SELECT digest, size FROM chunks WHERE digest >= ?'
    const order = 'ORDER BY digest LIMIT ?'
    const rows =
      task.to === null
        ? this.#all(`${range} ${order}`, task.from, task.count)
        : this.#all(`${range} AND digest < ? ${order}`, task.from, task.to, task.count)
    const digests = new Uint8Array(rows.length * DIGEST_SIZE)
    const sizes = new Int32Array(rows.length)
    rows.forEach(({ digest, size }, index) => {
      digests.set(digest as Uint8Array, index * DIGEST_SIZE)
      sizes[index] = size === null ? SIZE_UNKNOWN : Number(size)
    })
    return { digests, sizes }
  }

  #suspects(): readonly Suspect[] {
    return this.#all('SELECT key, lastMs FROM suspects').map(({ key, lastMs }) => ({
      key: String(key),
      lastMs: Number(lastMs),
    }))
  }

  #beginRebuild(nowMs: number): void {
    this.#transact(() => {
      this.#run('DELETE FROM gone')
      this.#setMeta('rebuildMs', nowMs)
    })
  }

  /** False if the rebuild is over: nothing was added. */
  #addListed({ digests, sizes }: PackedEntries, nowMs: number): boolean {
    const suspected = new Set(this.#suspects().map(({ key }) => digestOfKey(key)))
    // Everything is one: who lists again later adds them.
    if (nowMs < Number(this.#meta('blanketMs') ?? Number.NEGATIVE_INFINITY) + REQUEST_LIFE_MS) {
      return true
    }
    for (let start = 0; start < sizes.length; start += KEYS_PER_TRANSACTION) {
      const isRunning = this.#transact(() => {
        const beganMs = this.#meta('rebuildMs')
        if (beganMs === null || nowMs > Number(beganMs) + REBUILD_LIFE_MS) return false
        const end = Math.min(start + KEYS_PER_TRANSACTION, sizes.length)
        for (let index = start; index < end; index += 1) {
          const digest = digests.subarray(index * DIGEST_SIZE, (index + 1) * DIGEST_SIZE)
          if (suspected.size > 0 && suspected.has(digestFromBytes(digest))) continue
          this.#addOne(digest, sizes[index] ?? SIZE_UNKNOWN)
        }
        return true
      })
      if (!isRunning) return false
    }
    this.#writeBackAfter(sizes.length)
    return true
  }

  /** Unless it went meanwhile: what a page says may be older than a delete. */
  #addOne(digest: Uint8Array, size: number): void {
    const sql =
      'INSERT OR IGNORE INTO chunks SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM gone WHERE digest = ?1)'
    this.#countChange += this.#run(sql, digest, size === SIZE_UNKNOWN ? null : size)
  }

  #endRebuild(): void {
    this.#transact(() => {
      this.#run('DELETE FROM gone')
      this.#run("DELETE FROM meta WHERE name = 'rebuildMs'")
    })
    // Counted once in a while, so that what crashes lost does not add up.
    const counted = Number(this.#one('SELECT count(*) AS count FROM chunks')?.['count'] ?? 0)
    this.#transact(() => this.#setMeta('count', counted))
    this.#writeBack()
  }

  #setHolder(holder: LedgerHolder): void {
    this.#transact(() => this.#setMeta('holder', JSON.stringify(holder)))
    this.#sync()
  }

  #clear(firstByte: number): void {
    for (let second = 0; second < 256; second += 16) {
      const from = Uint8Array.of(firstByte, second)
      const to =
        second === 240 ? Uint8Array.of(firstByte + 1) : Uint8Array.of(firstByte, second + 16)
      const isLast = firstByte === 255 && second === 240
      this.#transact(() => {
        this.#countChange -= isLast
          ? this.#run('DELETE FROM chunks WHERE digest >= ?', from)
          : this.#run('DELETE FROM chunks WHERE digest >= ? AND digest < ?', from, to)
      })
    }
    if (firstByte === 255) this.#sync()
  }

  #writeBackAfter(changeCount: number): void {
    this.#changeCount += changeCount
    if (this.#changeCount >= CHANGES_PER_WRITE_BACK) this.#writeBack()
  }

  /** Syncs the log, writes what it holds to the file, and syncs that; the log is begun anew then. */
  #writeBack(): void {
    this.#changeCount = 0
    this.#one('PRAGMA wal_checkpoint(PASSIVE)')
  }

  /** What of a damaged file can be read; null: nothing is known. */
  #rescue(): Rescued | null {
    this.#forget()
    let database: DatabaseSync | null = null
    try {
      database = new DatabaseSync(this.#path, { timeout: WAIT_MS })
      this.#database = database
      const holder = this.#meta('holder')
      return {
        suspects: this.#suspects(),
        holder: typeof holder === 'string' ? (JSON.parse(holder) as LedgerHolder) : null,
      }
    } catch {
      return null
    } finally {
      this.#forget()
    }
  }

  #adopt(rescued: Rescued | null, nowMs: number): void {
    this.#transact(() => {
      if (rescued === null) return this.#setMeta('blanketMs', nowMs)
      for (const { key } of rescued.suspects) this.#suspect(key, nowMs)
      if (rescued.holder !== null) this.#setMeta('holder', JSON.stringify(rescued.holder))
    })
    this.#sync()
  }

  #close(): void {
    this.#writeBack()
    this.#forget()
  }

  #meta(name: string): unknown {
    return this.#one('SELECT value FROM meta WHERE name = ?', name)?.['value'] ?? null
  }

  #setMeta(name: string, value: SQLInputValue): void {
    this.#run('INSERT OR REPLACE INTO meta VALUES (?, ?)', name, value)
  }

  #transact<Result>(work: () => Result): Result {
    const database = this.#opened()
    database.exec('BEGIN IMMEDIATE')
    this.#countChange = 0
    try {
      this.#isRebuilding = this.#meta('rebuildMs') !== null
      const result = work()
      if (this.#countChange !== 0) {
        this.#run("UPDATE meta SET value = value + ? WHERE name = 'count'", this.#countChange)
      }
      database.exec('COMMIT')
      return result
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  /** All that was committed is on stable storage from now on. */
  #sync(): void {
    this.#log ??= openSync(`${this.#path}-wal`, 'r')
    fdatasyncSync(this.#log)
  }

  #run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes)
  }

  #one(sql: string, ...values: readonly SQLInputValue[]) {
    return this.#prepare(sql).get(...values)
  }

  #all(sql: string, ...values: readonly SQLInputValue[]) {
    return this.#prepare(sql).all(...values)
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#opened().prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #opened(): DatabaseSync {
    assert(this.#database !== null, 'the ledger was opened in its thread')
    return this.#database
  }

  #forget(): void {
    this.#statements.clear()
    if (this.#log !== null) closeSync(this.#log)
    this.#log = null
    this.#database?.close()
    this.#database = null
  }
}

function* partsOf(keys: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < keys.length; start += KEYS_PER_TRANSACTION) {
    yield keys.slice(start, start + KEYS_PER_TRANSACTION)
  }
}

function bytesOf(key: string): Uint8Array | null {
  const digest = digestOfKey(key)
  return digest === null ? null : Buffer.from(digest, 'hex')
}
