/**
 * The log of one running task: lines with their time, written in order, never waited for by the task.
 * Source: rest-api.md 6.5.
 */
import type { FileHandle } from '../base/fs/file-system.ts'
import { type Clock, unixSeconds } from '../base/time/clock.ts'
import { formatLogStamp } from '../base/time/format.ts'

/** Lines that wait for a slow disk; beyond it lines are counted instead of kept. */
const WAITING_SIZE_MAX = 4 * 1024 * 1024

export class TaskLog {
  readonly #handle: FileHandle
  readonly #clock: Clock
  #waiting: string[] = []
  #waitingSize = 0
  #dropped = 0
  #position = 0
  #running: Promise<void> | null = null
  #failure: unknown = null

  constructor(handle: FileHandle, clock: Clock) {
    this.#handle = handle
    this.#clock = clock
  }

  /** Why lines were lost, or null. */
  get failure(): unknown {
    return this.#failure
  }

  /** Adds one line; line breaks in `text` become spaces. Returns the time written, in Unix seconds. */
  append(text: string): number {
    const time = unixSeconds(this.#clock)
    if (this.#waitingSize > WAITING_SIZE_MAX) {
      this.#dropped += 1
      return time
    }
    this.#take(time, text)
    return time
  }

  /** Resolves when all lines so far are in the file, or lost to an error. */
  async flush(): Promise<void> {
    while (this.#running !== null) await this.#running
  }

  /** Adds the last line, which is never dropped, and closes the file. Returns its time. */
  async close(lastLine: string): Promise<number> {
    await this.flush()
    const time = unixSeconds(this.#clock)
    this.#take(time, lastLine)
    await this.flush()
    try {
      await this.#handle.close()
    } catch (error) {
      this.#failure ??= error
    }
    return time
  }

  #take(time: number, text: string): void {
    const line = `${formatLogStamp(time)}: ${text.replaceAll(/\s*[\r\n]+\s*/g, ' ')}\n`
    this.#waiting.push(line)
    this.#waitingSize += line.length
    this.#running ??= this.#drain()
  }

  async #drain(): Promise<void> {
    // Lets the lines of one turn go out together.
    await Promise.resolve()
    try {
      while (this.#waiting.length > 0) await this.#writeAll()
    } catch (error) {
      this.#failure ??= error
      this.#waiting = []
      this.#waitingSize = 0
    } finally {
      this.#running = null
    }
  }

  async #writeAll(): Promise<void> {
    const data = Buffer.from(this.#waiting.join(''))
    this.#waiting = []
    this.#waitingSize = 0
    await this.#handle.write(data, this.#position)
    this.#position += data.length
    if (this.#dropped === 0) return
    const count = this.#dropped
    this.#dropped = 0
    this.append(`${count} lines were left out: the disk of the task log is too slow`)
  }
}
