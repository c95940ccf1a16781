/** Copies of chunks in local files, bounded in bytes; the least recently used go first (datastore-semantics.md 19.4). */
import type { Allocate } from '../../base/buffer-pool.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { Log } from '../../base/log.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { Digest } from '../../formats/digest.ts'

export interface ChunkCacheOptions {
  /** Made if it is missing; all in it is ours. */
  readonly folder: string
  /** Of all copies; null: as much as the disk has to spare. */
  readonly bytesMax: number | null
  /** Owner of new files; undefined leaves the process's. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
  readonly clock: Clock
  readonly log: Log
}

export class ChunkCache {
  readonly #fs: FileSystem
  readonly #options: ChunkCacheOptions

  private constructor(fs: FileSystem, options: ChunkCacheOptions) {
    this.#fs = fs
    this.#options = options
  }

  /** Opens the cache with what an earlier run left; leftovers of a crash are removed. */
  static async open(fs: FileSystem, options: ChunkCacheOptions): Promise<ChunkCache> {
    return new ChunkCache(fs, options)
  }

  /** Bytes of all copies. */
  get size(): number {
    return 0
  }

  get count(): number {
    return 0
  }

  /** The copy, owned by the caller; null if there is none that is whole. */
  async read(digest: Digest, _allocate?: Allocate): Promise<Uint8Array<ArrayBuffer> | null> {
    await this.#fs.stat(this.#options.folder)
    throw new Error(`not yet: ${digest}`)
  }

  /** Removes the copy, if there is one. */
  async remove(digest: Digest): Promise<void> {
    throw new Error(`not yet: ${digest}`)
  }

  /** Another bound from now on, after a change of the configuration. */
  resize(_bytesMax: number | null): void {}

  /** Writes down what was used when; copies stay. */
  async close(): Promise<void> {}
}
