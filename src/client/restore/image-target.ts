/**
 * A new image file. Its chunks are written past the page cache as long as the disk keeps up: a large image would push
 * everything else out of it, and copying into fresh pages costs as much time as all the rest of a restore. What the disk
 * does not take at once, and all where direct writes do not work, goes through the cache.
 */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { isSystemError } from '../../base/errors.ts'
import { bytesToAlignment, DIRECT_ALIGNMENT } from '../../base/fs/native-address.ts'
import { writePieces } from '../../base/fs/write-pieces.ts'
import type { PlainChunk } from './remote-chunks.ts'
import { createTarget } from './targets.ts'

/** Keep a disk busy, and leave threads of libuv's pool to hash and decompress. */
const DIRECT_WRITES_MAX = 2
/** All writes at once, with their chunks in memory. */
const WRITES_MAX = 4

/** Writes an image of `size` bytes to the new file `path`; zeros become holes. Errors: as `createTarget`, system errors. */
export async function writeImage(
  path: string,
  chunks: AsyncIterable<PlainChunk>,
  size: number,
): Promise<void> {
  await using handle = await createTarget(path, 'wx')
  await using target = await ImageTarget.open(handle, path)
  for await (const chunk of chunks) await target.add(chunk)
  await target.settle()
  await handle.truncate(size)
}

class ImageTarget implements AsyncDisposable {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #direct: FileHandle | null
  #isDirect: boolean
  readonly #running = new Set<Promise<void>>()
  #directCount = 0
  #failure: Error | null = null

  private constructor(handle: FileHandle, path: string, direct: FileHandle | null) {
    this.#handle = handle
    this.#path = path
    this.#direct = direct
    this.#isDirect = direct !== null
  }

  static async open(handle: FileHandle, path: string): Promise<ImageTarget> {
    return new ImageTarget(handle, path, await openDirect(path))
  }

  /** Begins to write `chunk`, waits if too many are being written; releases it when it is written. */
  async add({ bytes, offset, release }: PlainChunk): Promise<void> {
    if (bytes === null) return release()
    if (this.#running.size >= WRITES_MAX) await Promise.race(this.#running)
    this.#throwFailure()
    const writing = this.#write(bytes, offset).then(release, (error: Error) => {
      this.#failure ??= error
    })
    this.#running.add(writing)
    void writing.then(() => this.#running.delete(writing))
  }

  /** Waits for all writes; throws what one of them threw. */
  async settle(): Promise<void> {
    await Promise.all(this.#running)
    this.#throwFailure()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running)
    await this.#direct?.close()
  }

  async #write(bytes: Uint8Array, offset: number): Promise<void> {
    const done = this.#takesDirect(bytes, offset) ? await this.#writeDirect(bytes, offset) : 0
    const position = offset + done
    await writePieces(this.#handle, bytes.subarray(done), { position, path: this.#path })
  }

  #takesDirect(bytes: Uint8Array, offset: number): boolean {
    const isWhole = (offset | bytes.length) % DIRECT_ALIGNMENT === 0
    if (!this.#isDirect || this.#directCount >= DIRECT_WRITES_MAX || !isWhole) return false
    return bytesToAlignment(bytes) === 0
  }

  /** Count of bytes written; the rest is for the page cache. */
  async #writeDirect(bytes: Uint8Array, offset: number): Promise<number> {
    if (this.#direct === null) return 0
    this.#directCount += 1
    try {
      return (await this.#direct.write(bytes, 0, bytes.length, offset)).bytesWritten
    } catch (error) {
      if (!isSystemError(error, 'EINVAL')) throw error
      // The file system wants another alignment, or none of it.
      this.#isDirect = false
      return 0
    } finally {
      this.#directCount -= 1
    }
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure
  }
}

/** Null where the file system knows no direct writes. */
async function openDirect(path: string): Promise<FileHandle | null> {
  if (constants.O_DIRECT === undefined) return null
  try {
    return await open(path, constants.O_WRONLY | constants.O_DIRECT)
  } catch {
    return null
  }
}
