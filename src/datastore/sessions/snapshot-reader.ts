/** One reader session: which chunks it may read, and reading them ahead along the index (backup-protocol.md 5). */
import type { PooledBuffer } from '../../base/buffer-pool.ts'
import { parseArchiveName } from '../../formats/archive-name.ts'
import type { Digest } from '../../formats/digest.ts'
import { DigestMap, DigestSet } from '../../formats/digest-map.ts'
import type { SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import { storedBuffers } from '../../storage/stored-buffers.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { snapshotPath } from '../layout.ts'
import type { FileLock } from '../locks.ts'
import { openSnapshotFile, readIndexFile, type SnapshotFile } from '../snapshot-files.ts'
import { breathe, STEPS_PER_BREATH } from './breathe.ts'
import { ReadAhead } from './read-ahead.ts'

export class SnapshotReader implements AsyncDisposable {
  readonly store: Datastore
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
  /** Folder of the snapshot. */
  readonly path: string
  readonly #lock: FileLock
  readonly #allowed = new DigestSet()
  readonly #ahead: ReadAhead<PooledBuffer>

  /** Only `beginRead` makes one. */
  constructor(
    store: Datastore,
    parts: {
      readonly ns: NamespacePath
      readonly ref: SnapshotRef
      readonly lock: FileLock
      readonly readAheadCount?: number | undefined
    },
  ) {
    this.store = store
    this.ns = parts.ns
    this.ref = parts.ref
    this.path = snapshotPath(store.path, parts.ns, parts.ref)
    this.#lock = parts.lock
    this.#ahead = new ReadAhead(
      (digest) => this.#load(digest),
      parts.readAheadCount,
      (chunk) => chunk[Symbol.dispose](),
    )
  }

  /**
   * Opens a file as it is stored; from then on the chunks of an index may be read. Throws `unknown archive type`,
   * FILE_MISSING (404), FILE_OPEN_FAILED, INDEX_OPEN_FAILED.
   */
  async openFile(name: string): Promise<SnapshotFile> {
    const parsed = parseArchiveName(name)
    if (parsed === null) {
      throw errors.SESSION_REFUSED({ text: `unknown archive type: ${quote(name)}` })
    }
    if (parsed.kind !== 'blob') await this.#allowIndex(name)
    return await openSnapshotFile(this.store, this.ns, this.ref, name)
  }

  isAllowed(digest: Digest): boolean {
    return this.#allowed.has(digest)
  }

  /**
   * The stored chunk, to be disposed of when nobody reads it any more; the caller has asked `isAllowed`. Throws
   * CHUNK_FILE_UNREADABLE with stock's text.
   */
  async readChunk(digest: Digest): Promise<PooledBuffer> {
    return await this.#ahead.read(digest)
  }

  chunkPath(digest: Digest): string {
    return this.store.chunks.pathOf(digest)
  }

  /** Releases the snapshot; reads that still run end first. */
  async close(): Promise<void> {
    await this.#ahead.close()
    await this.#lock.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #load(digest: Digest): Promise<PooledBuffer> {
    const taken = new DisposableStack()
    const allocate = (size: number) => taken.use(storedBuffers.take(size)).bytes
    const bytes = await this.store.chunks.read(digest, allocate)
    return { bytes, [Symbol.dispose]: () => taken.dispose() }
  }

  async #allowIndex(name: string): Promise<void> {
    const index = await readIndexFile(this.store, `${this.path}/${name}`)
    const positions = new DigestMap({ capacity: index.count })
    for (let position = 0; position < index.count; position += 1) {
      const { bytes, offset } = index.digestLocation(position)
      this.#allowed.addAt(bytes, offset)
      if (!positions.hasAt(bytes, offset)) positions.setAt(bytes, offset, position)
      if (position % STEPS_PER_BREATH === STEPS_PER_BREATH - 1) await breathe()
    }
    this.#ahead.follow(index, positions)
  }
}
