/** One running task: its log is the `Progress` that the work is given. Source: rest-api.md 6.5. */
import { isAnySystemError, toError } from '../base/errors.ts'
import { type Progress, warningLine } from '../base/progress.ts'
import { formatTaskEndLine, type TaskStatus } from '../formats/task-status.ts'
import type { Upid } from '../formats/upid.ts'
import { errors } from './errors.ts'
import type { IndexEntry, TaskEnd } from './index-line.ts'
import type { TaskLog } from './task-log.ts'

/** What the work of a task is given. */
export interface Task extends Progress {
  readonly upid: string
  readonly id: Upid
  /** Counts a warning whose line was logged by `log`. */
  countWarning(): void
  /** Resolves when all lines so far are in the log file. */
  flush(): Promise<void>
}

export interface TaskOutcome {
  readonly upid: string
  readonly status: TaskStatus
  /** Unix seconds. */
  readonly endTime: number
}

export class RunningTask implements Task {
  readonly upid: string
  readonly id: Upid
  readonly #log: TaskLog
  readonly #abort = new AbortController()
  #warningCount = 0
  #end: TaskEnd | null = null

  constructor(options: { readonly upid: string; readonly id: Upid; readonly log: TaskLog }) {
    this.upid = options.upid
    this.id = options.id
    this.#log = options.log
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get entry(): IndexEntry {
    return { text: this.upid, upid: this.id, end: this.#end }
  }

  /** Why lines of the log were lost, or null. */
  get logFailure(): unknown {
    return this.#log.failure
  }

  log(line: string): void {
    this.#log.append(line)
  }

  warn(line: string): void {
    this.#log.append(warningLine(line))
    this.#warningCount += 1
  }

  countWarning(): void {
    this.#warningCount += 1
  }

  /** A task log has lines only; how far work is, it says in its own. */
  advance(): void {}

  async flush(): Promise<void> {
    await this.#log.flush()
  }

  /** Asks the work to stop; it ends when it has noticed. */
  abort(): void {
    this.#abort.abort(errors.TASK_ABORTED({ upid: this.upid }))
  }

  /** As `abort`, because the process ends. */
  end(): void {
    this.#abort.abort(errors.SERVER_ENDING({ upid: this.upid }))
  }

  /** Runs `work` and writes the closing line; never throws for an error of the work. */
  async run(work: (task: Task) => Promise<void>): Promise<TaskOutcome> {
    let status: TaskStatus
    try {
      await work(this)
      const count = this.#warningCount
      status = count === 0 ? { kind: 'ok' } : { kind: 'warning', count }
    } catch (error) {
      status = { kind: 'error', message: failureText(error) }
    }
    const endTime = await this.#log.close(formatTaskEndLine(status))
    this.#end = { endTime, status }
    return { upid: this.upid, status, endTime }
  }
}

/** What failed and why, outermost first; a system error that a message above it tells already is left out. */
export function failureText(thrown: unknown): string {
  let text = toError(thrown).message
  for (let cause = toError(thrown).cause; cause !== undefined; cause = toError(cause).cause) {
    const isTold = isAnySystemError(cause) && text.includes(cause.code ?? '')
    if (!isTold) text += `: ${toError(cause).message}`
  }
  return text
}
