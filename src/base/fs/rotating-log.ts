/** A log file that many write lines to and that is rotated when it gets large. */
import { dirname } from 'node:path'
import { isSystemError } from '../errors.ts'
import type { FileHandle, FileSystem } from './file-system.ts'
import { rotateFile } from './rotate-file.ts'

export interface RotatingLogOptions {
  /** Told when lines are lost: they are never waited for. */
  readonly onError: (error: unknown) => void
  readonly sizeMax?: number
  readonly filesMax?: number
}

/** Stock's bounds of access and authentication logs. */
const SIZE_MAX = 32 * 1024 * 1024
const FILES_MAX = 14
const FILE_MODE = 0o640
/** Lines that wait for a slow disk; beyond it new ones are dropped. */
const WAITING_SIZE_MAX = 1024 * 1024

export class RotatingLog {
  readonly #fs: FileSystem
  readonly #path: string
  readonly #options: RotatingLogOptions
  #waiting: string[] = []
  #waitingSize = 0
  #running: Promise<void> | null = null

  constructor(fs: FileSystem, path: string, options: RotatingLogOptions) {
    this.#fs = fs
    this.#path = path
    this.#options = options
  }

  /** Takes `line`, with its line end; it is written as soon as the disk allows. */
  append(line: string): void {
    if (this.#waitingSize + line.length > WAITING_SIZE_MAX) {
      this.#options.onError(new Error('log line dropped: the disk is too slow'))
      return
    }
    this.#waiting.push(line)
    this.#waitingSize += line.length
    this.#running ??= this.#drain()
  }

  /** Resolves when all lines so far were written or lost. */
  async flush(): Promise<void> {
    while (this.#running !== null) await this.#running
  }

  async #drain(): Promise<void> {
    // Lets the lines of one turn go out together.
    await Promise.resolve()
    try {
      while (this.#waiting.length > 0) await this.#writeAll()
    } catch (error) {
      this.#options.onError(error)
    } finally {
      this.#running = null
    }
  }

  async #writeAll(): Promise<void> {
    const data = Buffer.from(this.#waiting.join(''))
    this.#waiting = []
    this.#waitingSize = 0
    await using handle = await this.#open()
    const { size } = await handle.stat()
    await handle.write(data, size)
    if (size + data.length < (this.#options.sizeMax ?? SIZE_MAX)) return
    await rotateFile(this.#fs, this.#path, { filesMax: this.#options.filesMax ?? FILES_MAX })
  }

  async #open(): Promise<FileHandle> {
    try {
      return await this.#fs.open(this.#path, 'write')
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
      return await this.#create()
    }
  }

  /** As root, the file belongs to the folder's owner, who may have to go on with it. */
  async #create(): Promise<FileHandle> {
    const handle = await this.#fs.open(this.#path, 'read-write-create', FILE_MODE)
    try {
      if (process.geteuid?.() === 0) {
        const { uid, gid } = await this.#fs.stat(dirname(this.#path))
        await handle.chown(uid, gid)
      }
      return handle
    } catch (error) {
      // Left open, it would end the process when its garbage is collected.
      await handle.close()
      throw error
    }
  }
}
