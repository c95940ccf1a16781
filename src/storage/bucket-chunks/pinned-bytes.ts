/**
 * Bytes of chunks whose upload is not final, kept until their sessions ended (races.md R-60): in a file without a name,
 * which goes by itself with the process, or in memory where there is no folder for it. Never evicted.
 */
import { Mutex } from '../../base/async/mutex.ts'
import type { FileHandle } from '../../base/fs/file-system.ts'
import type { Digest } from '../../formats/digest.ts'
import { errors } from '../errors.ts'

/** Some batches of deletes whose answers were lost, at 4 MiB a chunk. */
export const PINNED_FILE_BYTES_MAX = 16 * 1024 ** 3
/** Without a file: a few chunks, as a server under load can spare. */
export const PINNED_MEMORY_BYTES_MAX = 256 << 20

interface Place {
  readonly offset: number
  readonly size: number
}

export class PinnedBytes implements AsyncDisposable {
  readonly #openFile: (() => Promise<FileHandle>) | null
  readonly #memory = new Map<Digest, Uint8Array>()
  readonly #places = new Map<Digest, Place>()
  /** One write or read of the file at a time: it is used seldom, and emptied when nothing is left in it. */
  readonly #turns = new Mutex()
  #file: FileHandle | null = null
  #end = 0
  #memorySize = 0

  /** `openFile` gives a file that nobody else has, empty and without a name; null: memory alone. */
  constructor(openFile: (() => Promise<FileHandle>) | null) {
    this.#openFile = openFile
  }

  get count(): number {
    return this.#memory.size + this.#places.size
  }

  has(digest: Digest): boolean {
    return this.#memory.has(digest) || this.#places.has(digest)
  }

  /** Keeps a copy of `bytes`, unless there are some already. Throws CHUNK_NOT_PINNED: nothing may rely on the chunk then. */
  async keep(digest: Digest, bytes: Uint8Array): Promise<void> {
    using _turn = await this.#turns.acquire()
    if (this.has(digest)) return
    if (this.#openFile === null) return this.#keepInMemory(digest, bytes)
    try {
      this.#file ??= await this.#openFile()
      if (this.#end + bytes.length > PINNED_FILE_BYTES_MAX)
        throw errors.CHUNK_NOT_PINNED({ digest })
      await this.#file.write(bytes, this.#end)
      this.#places.set(digest, { offset: this.#end, size: bytes.length })
      this.#end += bytes.length
    } catch {
      // A full disk is no reason to fail as long as memory does.
      this.#keepInMemory(digest, bytes)
    }
  }

  /** The bytes kept, owned by the caller; null if there are none. */
  async read(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    using _turn = await this.#turns.acquire()
    const kept = this.#memory.get(digest)
    if (kept !== undefined) return new Uint8Array(kept)
    const place = this.#places.get(digest)
    if (place === undefined || this.#file === null) return null
    const bytes = new Uint8Array(place.size)
    return (await this.#file.read(bytes, place.offset)) === place.size ? bytes : null
  }

  drop(digest: Digest): void {
    this.#memorySize -= this.#memory.get(digest)?.length ?? 0
    this.#memory.delete(digest)
    if (this.#places.delete(digest) && this.#places.size === 0) void this.#closeFile()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#memory.clear()
    this.#memorySize = 0
    this.#places.clear()
    await this.#closeFile()
  }

  #keepInMemory(digest: Digest, bytes: Uint8Array): void {
    if (this.#memorySize + bytes.length > PINNED_MEMORY_BYTES_MAX) {
      throw errors.CHUNK_NOT_PINNED({ digest })
    }
    this.#memory.set(digest, new Uint8Array(bytes))
    this.#memorySize += bytes.length
  }

  async #closeFile(): Promise<void> {
    using _turn = await this.#turns.acquire()
    // Somebody may have come in the meantime.
    if (this.#places.size > 0) return
    const file = this.#file
    this.#file = null
    this.#end = 0
    await file?.close().catch(() => {})
  }
}
