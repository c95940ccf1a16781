/**
 * Chunks read before they are asked for, along the index that a reader opened: while one chunk travels to the client
 * the disk reads the next ones. Bounded per session and for all together; what is not fetched soon is dropped.
 */
import { Semaphore } from '../../base/async/semaphore.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import type { Digest } from '../../formats/digest.ts'
import { DigestMap } from '../../formats/digest-map.ts'

/** Chunks ahead of the last one asked for: clients keep about as many requests in flight. */
export const READ_AHEAD_COUNT = 8
/** Chunks held by all sessions together; at 4 MiB each they bound the memory to 64 MiB. */
export const READ_AHEAD_COUNT_MAX = 16
const held = new Semaphore(READ_AHEAD_COUNT_MAX)

interface Entry<Chunk> {
  readonly chunk: Promise<Chunk>
  readonly permit: Disposable
}

export class ReadAhead<Chunk> {
  readonly #load: (digest: Digest) => Promise<Chunk>
  readonly #onUnread: (chunk: Chunk) => void
  readonly #count: number
  /** In order of reading; the oldest is dropped first. */
  readonly #entries = new Map<Digest, Entry<Chunk>>()
  readonly #running = new Set<Promise<unknown>>()
  #index: ArchiveIndex | null = null
  #positions = new DigestMap()
  #lastPosition = -1
  #isClosed = false

  /** `count`: how many chunks ahead; 0 reads what is asked for. `onUnread` gets chunks that nobody asked for. */
  constructor(
    load: (digest: Digest) => Promise<Chunk>,
    count = READ_AHEAD_COUNT,
    onUnread: (chunk: Chunk) => void = () => {},
  ) {
    this.#load = load
    this.#count = count
    this.#onUnread = onUnread
  }

  /** Reads along this index from now on; `positions` maps each of its digests to its first position. */
  follow(index: ArchiveIndex, positions: DigestMap): void {
    this.#index = index
    this.#positions = positions
    this.#lastPosition = -1
  }

  /** The chunk, from what was read ahead or from the disk; then begins with the ones that follow. */
  async read(digest: Digest): Promise<Chunk> {
    const entry = this.#entries.get(digest)
    const chunk = entry?.chunk ?? this.#track(this.#load(digest))
    if (entry !== undefined) this.#remove(digest)
    this.#advance(digest)
    return await chunk
  }

  /** Drops everything; resolves when no read runs. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const digest of this.#entries.keys()) this.#drop(digest)
    await Promise.allSettled(this.#running)
  }

  #advance(digest: Digest): void {
    const position = this.#positions.get(digest)
    if (this.#index === null || position === undefined || this.#isClosed) return
    // Requests on their way at once may overtake each other.
    const isAlong = Math.abs(position - this.#lastPosition) <= this.#count + 1
    this.#lastPosition = isAlong ? Math.max(position, this.#lastPosition) : position
    // A jump is a random access: what was read along the old way is of no use, and one chunk tells no new way.
    if (!isAlong) {
      for (const other of this.#entries.keys()) this.#drop(other)
      return
    }
    const end = Math.min(position + 1 + this.#count, this.#index.count)
    for (let next = position + 1; next < end; next += 1) {
      if (!this.#begin(this.#index.digestAt(next))) return
    }
  }

  /** False if there is no room. */
  #begin(digest: Digest): boolean {
    if (this.#entries.has(digest)) return true
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < this.#count) break
      this.#drop(oldest)
    }
    const permit = held.tryAcquire()
    if (permit === null) return false
    const chunk = this.#track(this.#load(digest))
    this.#entries.set(digest, { chunk, permit })
    return true
  }

  #drop(digest: Digest): void {
    void this.#entries.get(digest)?.chunk.then(this.#onUnread, () => {})
    this.#remove(digest)
  }

  #remove(digest: Digest): void {
    this.#entries.get(digest)?.permit[Symbol.dispose]()
    this.#entries.delete(digest)
  }

  #track(chunk: Promise<Chunk>): Promise<Chunk> {
    // `forget` also takes the error: read ahead it may be that nobody asks for the chunk.
    this.#running.add(chunk)
    const forget = (): void => void this.#running.delete(chunk)
    void chunk.then(forget, forget)
    return chunk
  }
}
