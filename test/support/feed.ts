/** A named pipe that a client backs up: the test decides when it gets more, so it can be stopped in the middle. */
import { spawnSync } from 'node:child_process'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

export class Feed implements AsyncDisposable {
  readonly path: string
  #writer: Promise<FileHandle> | null = null

  /** Makes the pipe at `path`. */
  constructor(path: string) {
    this.path = path
    const { status, stderr } = spawnSync('mkfifo', [path])
    if (status !== 0) throw new Error(`mkfifo: ${String(stderr)}`)
  }

  /** Resolves when the reader has taken nearly all of `bytes` (a pipe holds 64 KiB); rejects when it goes away. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#writer ??= open(this.path, 'w')
    const writer = await this.#writer
    for (let done = 0; done < bytes.length; ) {
      done += (await writer.write(bytes, done)).bytesWritten
    }
  }

  /** The reader has got all. */
  async end(): Promise<void> {
    const writer = await this.#writer
    this.#writer = null
    await writer?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#writer === null) return
    // Opening waits for a reader for ever if none came, and writing if none reads.
    const reader = await open(this.path, constants.O_RDONLY | constants.O_NONBLOCK)
    await this.#writer
    await reader.close()
    await this.end()
  }
}
