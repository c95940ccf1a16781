/**
 * The lists of a task folder, shared with a stock server: `active`, `archive`, `archive.1.zst` …, changed only under
 * `.active.lock`. Order of a change: finished tasks are appended to the archive before they leave `active`, so that a
 * crash repeats an entry and never loses one. Source: rest-api.md 6.5.
 */
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { SharedRun } from '../base/async/shared-run.ts'
import { isSystemError } from '../base/errors.ts'
import { lockFile } from '../base/fs/file-lock.ts'
import { rotatedNames, rotateFile } from '../base/fs/rotate-file.ts'
import type { Clock } from '../base/time/clock.ts'
import { formatIndexLine, type IndexEntry, parseIndex } from './index-line.ts'
import type { ProcessTable } from './process-table.ts'
import { readTaskEnd } from './read-log.ts'
import { removeOldLogs } from './remove-old-logs.ts'
import type { TaskFiles } from './task-files.ts'

/** What this process knows better than the files. */
export interface OwnTasks {
  readonly pid: number
  readonly pstart: number
  /** Entries of tasks that run here. */
  running(): readonly IndexEntry[]
  /** Entries of tasks that ended here and are not archived yet; they count as archived after `archived`. */
  ended(): readonly IndexEntry[]
  archived(entries: readonly IndexEntry[]): void
}

/** Stock's bounds (rest-api.md 6.5). */
const LOCK_TIMEOUT_MS = 15_000
const ARCHIVE_SIZE_MAX = 512 * 1024
const ARCHIVE_FILES_MAX = 20
/** One archive file, unpacked; far above what rotation leaves. */
const UNPACKED_SIZE_MAX = 64 * 1024 * 1024
const LOCK_MODE = 0o660

const decompress = promisify(zstdDecompress)

export class TaskIndex {
  readonly #files: TaskFiles
  readonly #clock: Clock
  readonly #processes: ProcessTable
  readonly #own: OwnTasks
  readonly #runs = new SharedRun()

  constructor(options: {
    readonly files: TaskFiles
    readonly clock: Clock
    readonly processes: ProcessTable
    readonly own: OwnTasks
  }) {
    this.#files = options.files
    this.#clock = options.clock
    this.#processes = options.processes
    this.#own = options.own
  }

  /** Brings the lists up to date: own tasks, ended ones to the archive, dead ones of others too. */
  async update(): Promise<void> {
    await this.#runs.run(() => this.#locked(() => this.#update()))
  }

  /** Moves the list of older servers into the archive, once. */
  async mergeLegacy(): Promise<void> {
    const { legacyPath, fs } = this.#files
    await this.#locked(async () => {
      const entries = parseIndex(await this.#files.readList(legacyPath))
      const ended = entries.filter(({ end }) => end !== null)
      await this.#archive(ended.toReversed())
      await fs.unlink(legacyPath).catch((error: unknown) => {
        if (!isSystemError(error, 'ENOENT')) throw error
      })
    })
  }

  /** Tasks of other processes that run, newest first. */
  async runningElsewhere(): Promise<IndexEntry[]> {
    const entries = parseIndex(await this.#files.readList(this.#files.activePath))
    const alive: IndexEntry[] = []
    for (const entry of entries) {
      if (entry.end === null && !this.#isOwn(entry) && (await this.#isAlive(entry))) {
        alive.push(entry)
      }
    }
    return alive.toReversed()
  }

  /** Whether the task of another process runs. */
  async isRunningElsewhere(entry: Pick<IndexEntry, 'upid'>): Promise<boolean> {
    return !this.#isOwn(entry) && (await this.#isAlive(entry))
  }

  /** Finished tasks, the last one first; files are read as far as the caller goes. */
  async *archiveBackwards(): AsyncIterable<IndexEntry> {
    const { archivePath } = this.#files
    yield* parseIndex(await this.#files.readList(archivePath)).toReversed()
    for (const path of rotatedNames(archivePath, ARCHIVE_FILES_MAX)) {
      const text = await this.#readRotated(path)
      if (text === null) return
      yield* parseIndex(text).toReversed()
    }
  }

  async #locked(run: () => Promise<void>): Promise<void> {
    await using _lock = await lockFile(this.#files.fs, this.#files.lockPath, {
      kind: 'exclusive',
      timeoutMs: LOCK_TIMEOUT_MS,
      clock: this.#clock,
      mode: LOCK_MODE,
      owner: await this.#files.owner(),
    })
    await run()
  }

  async #update(): Promise<void> {
    const { activePath } = this.#files
    const ended = this.#own.ended()
    const kept: IndexEntry[] = []
    const dead: IndexEntry[] = []
    for (const entry of parseIndex(await this.#files.readList(activePath))) {
      if (this.#isOwn(entry)) continue
      if (entry.end === null && (await this.#isAlive(entry))) kept.push(entry)
      else dead.push(await this.#withEnd(entry))
    }
    await this.#archive([...dead, ...ended])
    const active = [...kept, ...this.#own.running()]
    await this.#files.replace(activePath, textOf(active))
    this.#own.archived(ended)
  }

  async #archive(entries: readonly IndexEntry[]): Promise<void> {
    if (entries.length === 0) return
    const sorted = entries.toSorted((a, b) => (a.end?.endTime ?? 0) - (b.end?.endTime ?? 0))
    const { archivePath, fs } = this.#files
    const size = await this.#files.append(archivePath, textOf(sorted))
    if (size <= ARCHIVE_SIZE_MAX) return
    await rotateFile(fs, archivePath, { filesMax: ARCHIVE_FILES_MAX })
    const oldest = rotatedNames(archivePath, ARCHIVE_FILES_MAX).at(-1) ?? ''
    const first = parseIndex((await this.#readRotated(oldest)) ?? '')[0]
    if (first?.end) await removeOldLogs(this.#files, first.end.endTime)
  }

  async #withEnd(entry: IndexEntry): Promise<IndexEntry> {
    if (entry.end !== null) return entry
    const unknown = { endTime: entry.upid.startTime, status: { kind: 'unknown' } } as const
    const path = this.#files.logPath(entry.upid, entry.text)
    const end = path === null ? null : await readTaskEnd(this.#files.fs, path, entry.upid.startTime)
    return { ...entry, end: end ?? unknown }
  }

  async #readRotated(path: string): Promise<string | null> {
    try {
      const packed = await this.#files.fs.readFile(path)
      const data = await decompress(packed, { maxOutputLength: UNPACKED_SIZE_MAX })
      return data.toString('utf8')
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null
      throw error
    }
  }

  #isOwn({ upid }: Pick<IndexEntry, 'upid'>): boolean {
    return upid.pid === this.#own.pid && upid.pstart === this.#own.pstart
  }

  async #isAlive({ upid }: Pick<IndexEntry, 'upid'>): Promise<boolean> {
    return await this.#processes.isAlive(upid.pid, upid.pstart)
  }
}

function textOf(entries: readonly IndexEntry[]): string {
  return entries.map((entry) => `${formatIndexLine(entry)}\n`).join('')
}
