/**
 * All tasks: those that run in this process, those of other processes on the same folder (a stock server's too), and
 * the finished ones. Source: rest-api.md 4.4, 6.5, datastore-semantics.md 14.1.
 */
import { runAs } from '../base/async/current-operation.ts'
import { isSystemError, toError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { type Log, silentLog } from '../base/log.ts'
import { type Clock, unixSeconds } from '../base/time/clock.ts'
import { formatTaskStatus } from '../formats/task-status.ts'
import { formatUpid, parseUpid, type Upid, type UpidText } from '../formats/upid.ts'
import { errors } from './errors.ts'
import type { IndexEntry } from './index-line.ts'
import { type ProcessTable, procTable, readStartTime } from './process-table.ts'
import {
  type LogLine,
  type LogPage,
  readLogPage,
  readTaskEnd,
  streamFile,
  streamLogLines,
} from './read-log.ts'
import { type Task, type TaskOutcome, RunningTask } from './task.ts'
import { TaskFiles } from './task-files.ts'
import { TaskIndex } from './task-index.ts'
import { listPage, type TaskFilter, type TaskPage } from './task-list.ts'
import { TaskLog } from './task-log.ts'

interface ProcessId {
  readonly pid: number
  readonly pstart: number
}

export interface TaskRegistryOptions {
  readonly fs: FileSystem
  readonly clock: Clock
  readonly paths: { readonly tasks: string }
  /** Host name for new UPIDs; what may not stand in one is replaced. */
  readonly node: string
  readonly log?: Log
  /** This process as UPIDs name it; for tests. */
  readonly process?: ProcessId
  readonly processes?: ProcessTable
}

export interface TaskStart {
  /** The worker type. */
  readonly type: string
  /** The worker id, unescaped. */
  readonly id: string | null
  readonly authId: string
}

export interface TaskState {
  readonly running: boolean
  /** Null while it runs. */
  readonly exitStatus: string | null
  /** Unix seconds; null while it runs or if nothing is known. */
  readonly endTime: number | null
}

/** Sessions and jobs of a busy server are dozens; a flood must not eat all memory and descriptors. */
const RUNNING_MAX = 1000
/** More registries than this in one process only a mistake could open. */
const ID_ATTEMPTS_MAX = 100

export class TaskRegistry {
  readonly #fs: FileSystem
  readonly #clock: Clock
  readonly #log: Log
  readonly #node: string
  readonly #self: ProcessId
  readonly #files: TaskFiles
  readonly #index: TaskIndex
  readonly #running = new Map<string, RunningTask>()
  /** Ended, but not yet in the archive. */
  #ended: IndexEntry[] = []
  /** Starting, or ended and on the way to the archive. */
  #unsettled = 0
  #nextTaskId = 0
  #idleWaiters: (() => void)[] = []
  #endingTypes: ReadonlySet<string> = new Set()

  private constructor(options: TaskRegistryOptions, self: ProcessId) {
    this.#fs = options.fs
    this.#clock = options.clock
    this.#log = options.log ?? silentLog
    this.#node = upidNode(options.node)
    this.#self = self
    this.#files = new TaskFiles(options.fs, options.paths.tasks)
    this.#index = new TaskIndex({
      files: this.#files,
      clock: options.clock,
      processes: options.processes ?? procTable(options.fs),
      own: {
        ...self,
        running: () => [...this.#running.values()].map(({ entry }) => entry),
        // A copy: what ends while the lists are written is not in them yet.
        ended: () => [...this.#ended],
        archived: (entries) => {
          this.#ended = this.#ended.filter((entry) => !entries.includes(entry))
        },
      },
    })
  }

  /** Takes over the folder: tasks whose process died are archived with what their log says, else `unknown`. */
  static async open(options: TaskRegistryOptions): Promise<TaskRegistry> {
    const pstart = await readStartTime(options.fs, process.pid)
    // Without /proc the start in seconds serves as well: it only has to differ between processes of one pid.
    const self = options.process ?? {
      pid: process.pid,
      pstart: pstart ?? unixSeconds(options.clock),
    }
    const registry = new TaskRegistry(options, self)
    await registry.#index.mergeLegacy()
    await registry.#index.update()
    return registry
  }

  /**
   * Starts `run` as a task. When it resolves, log and list entry are on disk; `done` never rejects.
   * Errors: TASKS_TOO_MANY, or what making the log fails with.
   */
  async start(
    start: TaskStart,
    run: (task: Task) => Promise<void>,
  ): Promise<{ readonly upid: UpidText; readonly done: Promise<TaskOutcome> }> {
    if (this.runningCount() >= RUNNING_MAX) throw errors.TASKS_TOO_MANY({ max: RUNNING_MAX })
    this.#unsettled += 1
    try {
      const { task, upid } = await this.#create(start)
      return { upid, done: this.#run(task, run) }
    } finally {
      this.#unsettled -= 1
      this.#wakeIdle()
    }
  }

  /** Running tasks, then finished ones, each newest first. */
  async list(filter: TaskFilter = {}): Promise<TaskPage> {
    return await listPage(this.#entries(filter), filter)
  }

  /** Whether the task runs and how it ended; a task that nobody knows is stopped and `unknown`. */
  async status(upid: string): Promise<TaskState> {
    if (await this.#isRunning(upid)) return { running: true, exitStatus: null, endTime: null }
    const id = parseUpid(upid)
    const path = this.#files.logPath(id, upid)
    const end = path === null ? null : await readTaskEnd(this.#fs, path, id.startTime)
    if (end === null) return { running: false, exitStatus: 'unknown', endTime: null }
    return { running: false, exitStatus: formatTaskStatus(end.status), endTime: end.endTime }
  }

  /** Lines of a log, and whether more may come. Errors: TASK_LOG_MISSING. */
  async readLog(
    upid: string,
    page: { readonly start: number; readonly limit: number },
  ): Promise<LogPage & { readonly active: boolean }> {
    const path = this.#logPath(upid)
    // Asked before reading, so that a reader who is told "stopped" has seen the last line.
    const active = await this.#isRunning(upid)
    await this.#running.get(upid)?.flush()
    const { lines, total } = await orMissing(upid, () => readLogPage(this.#fs, path, page))
    return { lines, total, active }
  }

  /** As `readLog`, all lines from `start` on, a portion at a time. Errors: TASK_LOG_MISSING. */
  async readWholeLog(
    upid: string,
    page: { readonly start: number },
  ): Promise<{
    readonly active: boolean
    readonly portions: AsyncGenerator<readonly LogLine[], number>
  }> {
    const path = this.#logPath(upid)
    const active = await this.#isRunning(upid)
    await this.#running.get(upid)?.flush()
    await orMissing(upid, () => this.#fs.stat(path))
    return { active, portions: streamLogLines(this.#fs, path, page) }
  }

  /** The whole log as it is now. Errors: TASK_LOG_MISSING. */
  async *streamLog(upid: string): AsyncIterable<Uint8Array> {
    const path = this.#logPath(upid)
    await this.#running.get(upid)?.flush()
    await orMissing(upid, () => this.#fs.stat(path))
    yield* streamFile(this.#fs, path)
  }

  /** Asks a task of this process to stop; false if it does not run here. */
  abort(upid: string): boolean {
    const task = this.#running.get(upid)
    task?.abort()
    return task !== undefined
  }

  /** Asks all tasks of this process to stop. */
  abortAll(): void {
    for (const task of this.#running.values()) task.abort()
  }

  /**
   * The process is to end, but what runs may go on: only tasks of these types are asked to stop, also those that are
   * yet to start (datastore-semantics.md 18).
   */
  endTypes(types: ReadonlySet<string>): void {
    this.#endingTypes = types
    for (const task of this.#running.values()) this.#endIfEnding(task)
  }

  /** Tasks that run in this process, those that are just starting included. */
  runningCount(): number {
    return this.#running.size + this.#unsettled
  }

  /** Resolves when no task runs here and all ended ones are archived. */
  async idle(): Promise<void> {
    while (this.runningCount() > 0) {
      const { promise, resolve } = Promise.withResolvers<undefined>()
      this.#idleWaiters.push(() => resolve(undefined))
      await promise
    }
  }

  async #create(start: TaskStart): Promise<{ task: RunningTask; upid: UpidText }> {
    const { task, upid } = await this.#createLog(start)
    this.#running.set(upid, task)
    try {
      await this.#index.update()
      this.#endIfEnding(task)
      return { task, upid }
    } catch (error) {
      await task.run(() => Promise.reject(toError(error)))
      this.#running.delete(upid)
      throw error
    }
  }

  #endIfEnding(task: RunningTask): void {
    if (this.#endingTypes.has(task.id.workerType)) task.end()
  }

  async #createLog(start: TaskStart): Promise<{ task: RunningTask; upid: UpidText }> {
    for (let attempt = 1; ; attempt += 1) {
      const id = this.#nextId(start)
      const upid = formatUpid(id)
      try {
        const log = new TaskLog(await this.#files.createLog(id, upid), this.#clock)
        return { task: new RunningTask({ upid, id, log }), upid }
      } catch (error) {
        // Another registry of this process took the number in the same second.
        if (attempt >= ID_ATTEMPTS_MAX || !isSystemError(error, 'EEXIST')) throw error
      }
    }
  }

  #nextId(start: TaskStart): Upid {
    const taskId = this.#nextTaskId
    this.#nextTaskId += 1
    return {
      node: this.#node,
      ...this.#self,
      taskId,
      startTime: unixSeconds(this.#clock),
      workerType: start.type,
      workerId: start.id,
      authId: start.authId,
    }
  }

  async #run(task: RunningTask, work: (task: Task) => Promise<void>): Promise<TaskOutcome> {
    const outcome = await runAs(task.upid, async () => await task.run(work))
    if (task.logFailure !== null) {
      const { message } = toError(task.logFailure)
      this.#log.error('lines of a task log were lost', { upid: task.upid, error: message })
    }
    // Still counted as running until it is archived: a reader of the lists finds it in one of them.
    try {
      this.#ended.push(task.entry)
      this.#running.delete(task.upid)
      this.#unsettled += 1
      await this.#index.update()
    } catch (error) {
      // It stays in #ended: the next update archives it.
      this.#log.error('the task list cannot be written', { error: toError(error).message })
    } finally {
      this.#unsettled -= 1
      this.#wakeIdle()
    }
    return outcome
  }

  async *#entries(filter: TaskFilter): AsyncIterable<IndexEntry> {
    yield* [...this.#running.values()].map(({ entry }) => entry).toReversed()
    yield* await this.#index.runningElsewhere()
    if (filter.running === true) return
    yield* [...this.#ended].toReversed()
    yield* this.#index.archiveBackwards()
  }

  async #isRunning(upid: string): Promise<boolean> {
    if (this.#running.has(upid)) return true
    const id = parseUpid(upid)
    if (!(await this.#index.isRunningElsewhere({ upid: id }))) return false
    const elsewhere = await this.#index.runningElsewhere()
    return elsewhere.some(({ text }) => text === upid)
  }

  #logPath(upid: string): string {
    const path = this.#files.logPath(parseUpid(upid), upid)
    if (path === null) throw errors.TASK_LOG_MISSING({ upid, status: 400 })
    return path
  }

  #wakeIdle(): void {
    if (this.runningCount() > 0) return
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const wake of waiters) wake()
  }
}

async function orMissing<T>(upid: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'ENAMETOOLONG')) throw error
    throw errors.TASK_LOG_MISSING({ upid, status: 400 }, { cause: error })
  }
}

/** Letters, digits and inner hyphens of the host's first label. */
function upidNode(host: string): string {
  const label = (host.split('.')[0] ?? '').replaceAll(/[^a-zA-Z0-9-]/g, '-')
  const trimmed = label.replaceAll(/^-+|-+$/g, '')
  return trimmed === '' ? 'localhost' : trimmed
}
