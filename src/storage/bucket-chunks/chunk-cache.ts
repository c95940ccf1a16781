/**
 * Copies of chunks in local files, bounded in bytes; the least recently used go first (datastore-semantics.md 19.4).
 *
 * A copy says nothing about the object: whether that is there only the bucket knows. A copy is published by rename and
 * goes by unlink, so whoever has it open reads it whole (races.md R-33). Nothing that goes wrong here fails a caller:
 * without a copy the chunk comes from the bucket.
 */
import { Mutex } from '../../base/async/mutex.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import { type Allocate, BufferPool, type PooledBuffer } from '../../base/buffer-pool.ts'
import { errorChain, isSystemError, toError } from '../../base/errors.ts'
import { temporaryPath } from '../../base/fs/atomic-write.ts'
import type { FileHandle, FileSystem } from '../../base/fs/file-system.ts'
import type { Log } from '../../base/log.ts'
import type { Clock } from '../../base/time/clock.ts'
import { BLOB_HEADER_SIZE, BLOB_SIZE_MAX, checkBlobCrcInPool } from '../../formats/data-blob.ts'
import { type Digest, isDigest } from '../../formats/digest.ts'
import { isCorrupt } from '../chunk-check.ts'
import { COPIES_MAX, readOrder, writeOrder } from './cache-order.ts'
import { CacheRoom } from './cache-room.ts'

export interface ChunkCacheOptions {
  /** Made if it is missing; all in it is ours. */
  readonly folder: string
  /** Of all copies; null: as much as the disk has to spare. */
  readonly bytesMax: number | null
  readonly clock: Clock
  readonly log: Log
}

/** Bytes on their way into the cache. Disposed of without `publish` it leaves nothing. */
export interface StagedCopy extends AsyncDisposable {
  /** Makes the bytes a copy. Never throws for a disk. */
  publish(): Promise<void>
}

/** Copies being written behind readers' backs; the others wait. */
const FILLS_AT_ONCE = 4
/**
 * Bytes in memory on their way into copies behind readers' backs: those of a restore that reads 8 chunks ahead, twice.
 * What comes beyond it is faster than the disk and not kept.
 */
const FILLING_SIZE_MAX = 64 << 20
/** Most chunks of trees fit, all of images do; a disk takes them from where they lie. */
const FILL_BUFFERS = {
  size: (8 << 20) + BLOB_HEADER_SIZE,
  sizeMin: 256 << 10,
  countMax: 8,
  isAligned: true,
}
/** Uses between two writings of the order, and time: after a crash the order is that old. */
const USES_PER_SAVE = 1000
const SAVE_INTERVAL_MS = 5 * 60_000
/** After a write failed: how long nothing is written. */
const PAUSE_MS = 60_000
const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

export class ChunkCache {
  readonly #fs: FileSystem
  readonly #options: ChunkCacheOptions
  readonly #room: CacheRoom
  /** Sizes, least recently used first. */
  readonly #copies = new Map<Digest, number>()
  /** A copy's name comes or goes, one at a time. */
  readonly #changes = new Mutex()
  readonly #fills = new Semaphore(FILLS_AT_ONCE)
  readonly #filling = new Semaphore(FILLING_SIZE_MAX)
  /** Digests whose copies are being written behind readers' backs. */
  readonly #coming = new Set<Digest>()
  readonly #buffers = new BufferPool(FILL_BUFFERS)
  readonly #running = new Set<Promise<void>>()
  #size = 0
  #pausedUntilMs = Number.NEGATIVE_INFINITY
  #isFailing = false
  #unsavedUses = 0
  #savedMs: number

  private constructor(fs: FileSystem, options: ChunkCacheOptions) {
    this.#fs = fs
    this.#options = options
    this.#room = new CacheRoom(fs, options)
    this.#savedMs = options.clock.monotonic()
  }

  /** Opens the cache with what an earlier run left; temporaries of a crash are removed. Throws system errors. */
  static async open(fs: FileSystem, options: ChunkCacheOptions): Promise<ChunkCache> {
    await fs.mkdir(options.folder, { recursive: true, mode: FOLDER_MODE })
    const cache = new ChunkCache(fs, options)
    await cache.#load()
    return cache
  }

  /** Bytes of all copies. */
  get size(): number {
    return this.#size
  }

  get count(): number {
    return this.#copies.size
  }

  has(digest: Digest): boolean {
    return this.#copies.has(digest)
  }

  /** The copy, owned by the caller; null if there is none with a right CRC and, if it is known, of `size` bytes. */
  async read(
    digest: Digest,
    options: { readonly size?: number | null; readonly allocate?: Allocate | undefined } = {},
  ): Promise<Uint8Array<ArrayBuffer> | null> {
    const { size = null, allocate } = options
    // Also without an entry: another process may have written it.
    const blob = await this.#readFile(digest, allocate)
    if (blob === null) return null
    if ((size !== null && blob.length !== size) || !(await hasRightCrc(blob))) {
      const path = this.#pathOf(digest)
      this.#options.log.warn('copy of a chunk is damaged and removed', { path })
      await this.remove(digest)
      return null
    }
    this.#use(digest, blob.length)
    return blob
  }

  /** Begins to write a copy; null if there is one or none is to be kept. `blob` must not change until it is disposed of. */
  stage(digest: Digest, blob: Uint8Array): StagedCopy | null {
    if (this.#copies.has(digest) || !this.#isWanted(blob.length)) return null
    const temporary = temporaryPath(this.#pathOf(digest))
    const written = this.#writeTemporary(temporary, blob)
    let isOver = false
    return {
      publish: async () => {
        if (isOver || !(await written)) return
        isOver = true
        await this.#publish(digest, blob.length, temporary)
      },
      [Symbol.asyncDispose]: async () => {
        if ((await written) && !isOver) await this.#unlink(temporary)
        isOver = true
      },
    }
  }

  /** Keeps a copy, written behind the caller's back unless too much is waiting to be written. `blob` is the caller's again. */
  fill(digest: Digest, blob: Uint8Array): void {
    if (this.#copies.has(digest) || this.#coming.has(digest)) return
    if (!this.#isWanted(blob.length)) return
    const permit = this.#filling.tryAcquire(blob.length)
    if (permit === null) return
    const buffer = this.#buffers.take(blob.length)
    buffer.bytes.set(blob)
    this.#coming.add(digest)
    this.#track(this.#fillSoon(digest, buffer, permit))
  }

  /** Removes the copy, if there is one. */
  async remove(digest: Digest): Promise<void> {
    using _change = await this.#changes.acquire()
    await this.#drop(digest)
  }

  /** Another bound from now on, after a change of the configuration. */
  resize(bytesMax: number | null): void {
    this.#room.resize(bytesMax)
    this.#track(this.#shrink())
  }

  /** A file that nobody else has, empty and without a name: it goes with the process. */
  async openNameless(): Promise<FileHandle> {
    const path = temporaryPath(`${this.#options.folder}/pinned`)
    const handle = await this.#fs.open(path, 'read-write-create', FILE_MODE)
    await this.#unlink(path)
    return handle
  }

  /** Resolves when nothing is being written any more, and the order is written down. */
  async close(): Promise<void> {
    await this.idle()
    await this.#save()
  }

  /** Resolves when nothing is being written behind anybody's back. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  #pathOf(digest: Digest): string {
    return `${this.#options.folder}/${digest.slice(0, 2)}/${digest}`
  }

  #orderPath(): string {
    return `${this.#options.folder}/order`
  }

  async #load(): Promise<void> {
    const found = new Map<Digest, number>()
    const order = await readOrder(this.#fs, this.#orderPath())
    const newer: [Digest, number][] = []
    for (const entry of await this.#fs.readDir(this.#options.folder)) {
      const path = `${this.#options.folder}/${entry.name}`
      if (entry.kind === 'folder') await this.#loadFolder(path, order, found, newer)
      else if (isTemporary(entry.name)) await this.#unlink(path)
    }
    for (const digest of order.keys()) {
      const size = found.get(digest)
      if (size !== undefined) this.#add(digest, size)
    }
    for (const [digest, size] of newer) this.#add(digest, size)
    this.#unsavedUses = 0
  }

  async #loadFolder(
    folder: string,
    order: ReadonlyMap<Digest, number>,
    found: Map<Digest, number>,
    newer: [Digest, number][],
  ): Promise<void> {
    for (const { name } of await this.#fs.readDir(folder)) {
      const path = `${folder}/${name}`
      if (isTemporary(name)) await this.#unlink(path)
      if (!isDigest(name)) continue
      const known = order.get(name)
      if (known !== undefined) found.set(name, known)
      else newer.push([name, (await this.#fs.lstat(path)).size])
    }
  }

  async #readFile(digest: Digest, allocate: Allocate | undefined) {
    try {
      return await this.#fs.readFile(this.#pathOf(digest), BLOB_SIZE_MAX, allocate)
    } catch (error) {
      this.#forget(digest)
      if (!isSystemError(error, 'ENOENT')) this.#warn('cannot read a copy of a chunk', error)
      return null
    }
  }

  async #writeTemporary(path: string, blob: Uint8Array): Promise<boolean> {
    try {
      await using handle = await this.#create(path)
      await handle.write(blob, 0)
      return true
    } catch (error) {
      this.#pause(error)
      await this.#unlink(path)
      return false
    }
  }

  async #create(path: string): Promise<FileHandle> {
    try {
      return await this.#fs.open(path, 'create-new', FILE_MODE)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
    const folder = path.slice(0, path.lastIndexOf('/'))
    await this.#fs.mkdir(folder, { recursive: true, mode: FOLDER_MODE })
    return await this.#fs.open(path, 'create-new', FILE_MODE)
  }

  async #publish(digest: Digest, size: number, temporary: string): Promise<void> {
    using _change = await this.#changes.acquire()
    try {
      if (!(await this.#makeRoom(size))) return await this.#unlink(temporary)
      await this.#fs.rename(temporary, this.#pathOf(digest))
      this.#add(digest, size)
      this.#isFailing = false
    } catch (error) {
      this.#pause(error)
      await this.#unlink(temporary)
    }
  }

  async #fillSoon(digest: Digest, buffer: PooledBuffer, permit: Disposable): Promise<void> {
    using _permit = permit
    using blob = buffer
    try {
      using _turn = await this.#fills.acquire()
      await using copy = this.stage(digest, blob.bytes)
      await copy?.publish()
    } finally {
      this.#coming.delete(digest)
    }
  }

  #isWanted(size: number): boolean {
    return this.#room.mayHold(size) && this.#options.clock.monotonic() >= this.#pausedUntilMs
  }

  async #shrink(): Promise<void> {
    using _change = await this.#changes.acquire()
    await this.#makeRoom(0)
  }

  /** Evicts until `size` bytes more fit; false if they never will. Under `#changes`. */
  async #makeRoom(size: number): Promise<boolean> {
    await this.#room.look()
    for (;;) {
      if (this.#copies.size < COPIES_MAX && this.#room.fits(this.#size, size)) return true
      const [oldest] = this.#copies.keys()
      if (oldest === undefined) return false
      await this.#drop(oldest)
    }
  }

  async #drop(digest: Digest): Promise<void> {
    this.#forget(digest)
    await this.#unlink(this.#pathOf(digest))
  }

  #add(digest: Digest, size: number): void {
    this.#forget(digest)
    this.#copies.set(digest, size)
    this.#size += size
    this.#room.change(-size)
    this.#countUse()
  }

  #forget(digest: Digest): void {
    const size = this.#copies.get(digest)
    if (size === undefined) return
    this.#copies.delete(digest)
    this.#size -= size
    this.#room.change(size)
  }

  #use(digest: Digest, size: number): void {
    const known = this.#copies.get(digest)
    // One that another process wrote is ours to evict, too.
    if (known === undefined) return this.#add(digest, size)
    this.#copies.delete(digest)
    this.#copies.set(digest, known)
    this.#countUse()
  }

  #countUse(): void {
    this.#unsavedUses += 1
    const nowMs = this.#options.clock.monotonic()
    if (this.#unsavedUses < USES_PER_SAVE || nowMs < this.#savedMs + SAVE_INTERVAL_MS) return
    this.#track(this.#save())
  }

  async #save(): Promise<void> {
    if (this.#unsavedUses === 0) return
    this.#unsavedUses = 0
    this.#savedMs = this.#options.clock.monotonic()
    try {
      await writeOrder(this.#fs, this.#orderPath(), this.#copies)
    } catch (error) {
      this.#warn('cannot write the order of the cache', error)
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch(toError).then(() => void this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  async #unlink(path: string): Promise<void> {
    // Gone already, or it will be found at the next start.
    await this.#fs.unlink(path).catch(toError)
  }

  /** A full disk, or one that fails: no copies for a while. */
  #pause(error: unknown): void {
    this.#pausedUntilMs = this.#options.clock.monotonic() + PAUSE_MS
    this.#room.forget()
    this.#warn('cannot write a copy of a chunk: none is kept for a while', error)
  }

  /** Once until it works again. */
  #warn(message: string, error: unknown): void {
    if (this.#isFailing) return
    this.#isFailing = true
    const { folder, log } = this.#options
    log.warn(message, { folder, error: errorChain(error) })
  }
}

function isTemporary(name: string): boolean {
  return name.includes('.tmp_')
}

async function hasRightCrc(blob: Uint8Array): Promise<boolean> {
  try {
    await checkBlobCrcInPool(blob)
    return true
  } catch (error) {
    if (isCorrupt(error)) return false
    throw error
  }
}
