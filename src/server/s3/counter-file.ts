/**
 * Request counters that survive a restart: added up in memory, and added to the file every few seconds under its lock,
 * so that several processes may count into one file (datastore-semantics.md 19.2). A crash loses a few seconds of them.
 */
import { dirname } from 'node:path'
import { isSystemError, toError } from '../../base/errors.ts'
import type { FileHandle, FileSystem } from '../../base/fs/file-system.ts'
import type { Log } from '../../base/log.ts'
import { type CalendarEvent, nextEvent } from '../../base/time/calendar-event.ts'
import { type Clock, unixSeconds } from '../../base/time/clock.ts'
import type { CounterName, RequestCounters } from '../../storage/s3/request-counters.ts'
import {
  addCounts,
  COUNTER_FILE_SIZE,
  COUNTER_NAMES,
  type CounterTable,
  type Counts,
  decodeCounters,
  encodeCounters,
  ZERO_COUNTS,
} from './counter-table.ts'

/** Stock's. */
const FLUSH_MS = 5_000
/** Another process holds the lock for one read and one write. */
const LOCK_RETRY_MS = 5
const LOCK_TRIES_MAX = 400
const FILE_MODE = 0o640
const FOLDER_MODE = 0o755

export interface CounterFileOptions {
  readonly path: string
  readonly clock: Clock
  readonly log: Log
}

export class CounterFile implements RequestCounters, AsyncDisposable {
  readonly #fs: FileSystem
  readonly #options: CounterFileOptions
  readonly #closing = new AbortController()
  readonly #pending = new Map<CounterName, number>()
  #thresholds: Counts | null = null
  #schedule: CalendarEvent | null = null
  #flushing: Promise<void> | null = null

  constructor(fs: FileSystem, options: CounterFileOptions) {
    this.#fs = fs
    this.#options = options
  }

  add(name: CounterName, amount: number): void {
    this.#pending.set(name, (this.#pending.get(name) ?? 0) + amount)
    this.#flushing ??= this.#flushLater()
  }

  /** What is told in the log when a count passes it, with the next write; before, those of the file count. */
  setThresholds(thresholds: Counts): void {
    this.#thresholds = thresholds
  }

  /**
   * When they begin anew; null: never by themselves. Nobody has to wake for it: what is counted or read first after that
   * time finds zeros.
   */
  setSchedule(schedule: CalendarEvent | null): void {
    this.#schedule = schedule
  }

  /** What the file says, and what was counted here since. */
  async read(): Promise<CounterTable> {
    const table = this.#current(await readCounters(this.#fs, this.#options.path))
    return { ...table, counts: addCounts(table.counts, this.#peekPending()) }
  }

  /** All counters are zero then; thresholds stay. */
  async reset(): Promise<void> {
    this.#pending.clear()
    const resetTime = unixSeconds(this.#options.clock)
    await this.#change(({ thresholds }) => ({ counts: ZERO_COUNTS, thresholds, resetTime }))
  }

  /** Adds what is pending to the file. What it cannot write stays pending. */
  async flush(): Promise<void> {
    const added = this.#peekPending()
    this.#pending.clear()
    try {
      await this.#change((table) => {
        const { counts, resetTime } = this.#current(table)
        const thresholds = this.#thresholds ?? table.thresholds
        const next = { counts: addCounts(counts, added), thresholds, resetTime }
        this.#tellPassed(counts, next)
        return next
      })
    } catch (error) {
      for (const name of COUNTER_NAMES) {
        this.#pending.set(name, (this.#pending.get(name) ?? 0) + added[name])
      }
      throw error
    }
  }

  /** Writes out what is pending. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#flushing
    if (this.#pending.size > 0) await this.#flushQuietly()
  }

  async #flushLater(): Promise<void> {
    await this.#options.clock.sleep(FLUSH_MS, this.#closing.signal).catch(() => {})
    // What is counted from here on has a flush of its own.
    this.#flushing = null
    await this.#flushQuietly()
  }

  /** Counters that cannot be written must not fail a backup. */
  async #flushQuietly(): Promise<void> {
    const { log, path } = this.#options
    try {
      await this.flush()
    } catch (thrown) {
      log.warn('cannot write request counters', { path, error: toError(thrown).message })
    }
  }

  /** Zeros if the schedule named a moment since they began. */
  #current(table: CounterTable): CounterTable {
    const nowTime = unixSeconds(this.#options.clock)
    const { resetTime } = table
    // Also with a clock that was set back: it begins now.
    if (resetTime === 0 || resetTime > nowTime) return { ...table, resetTime: nowTime }
    const due = this.#schedule === null ? null : nextEvent(this.#schedule, resetTime)
    if (due === null || due > nowTime) return table
    return { ...table, counts: ZERO_COUNTS, resetTime: nowTime }
  }

  #peekPending(): Counts {
    const pending = Object.fromEntries(this.#pending)
    return { ...ZERO_COUNTS, ...pending }
  }

  #tellPassed(before: Counts, { counts, thresholds }: CounterTable): void {
    const { log, path } = this.#options
    for (const counter of COUNTER_NAMES) {
      const threshold = thresholds[counter]
      const isPassed = threshold > 0 && counts[counter] >= threshold
      if (!isPassed || before[counter] >= threshold) continue
      log.warn('request counter has reached its threshold', { path, counter, threshold })
    }
  }

  async #change(next: (table: CounterTable) => CounterTable): Promise<void> {
    const { path } = this.#options
    await this.#fs.mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE })
    await using handle = await this.#fs.open(path, 'read-write-create', FILE_MODE)
    await this.#lock(handle)
    const bytes = new Uint8Array(COUNTER_FILE_SIZE)
    const size = await handle.read(bytes, 0)
    await handle.write(encodeCounters(next(tableOf(bytes.subarray(0, size)))), 0)
  }

  async #lock(handle: FileHandle): Promise<void> {
    for (let tries = 1; !handle.tryLock('flock', 'exclusive'); tries += 1) {
      if (tries >= LOCK_TRIES_MAX) throw new Error('the file stays locked')
      await this.#options.clock.sleep(LOCK_RETRY_MS)
    }
  }
}

/** The counters of a file; zeros if there is none or it cannot be read as one. */
export async function readCounters(fs: FileSystem, path: string): Promise<CounterTable> {
  try {
    return tableOf(await fs.readFile(path, COUNTER_FILE_SIZE))
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'EFBIG')) return tableOf(new Uint8Array())
    throw error
  }
}

function tableOf(bytes: Uint8Array): CounterTable {
  return decodeCounters(bytes) ?? { counts: ZERO_COUNTS, thresholds: ZERO_COUNTS, resetTime: 0 }
}
