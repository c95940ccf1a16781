/** The plain bytes of an archive, in order, fetched several chunks ahead (backup-protocol 5, 7.7). */
import { mapConcurrent } from '../../base/async/map-concurrent.ts'
import { type Allocate, BufferPool, type PooledBuffer } from '../../base/buffer-pool.ts'
import { LruCache } from '../../base/lru-cache.ts'
import type { CryptConfig } from '../../crypto/crypt-config.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import { type DecodeChunkOptions, decodeChunk } from '../../formats/chunk.ts'
import type { CryptMode } from '../../formats/crypt-mode.ts'
import {
  BLOB_HEADER_SIZE,
  checkBlobCrc,
  ENCRYPTED_BLOB_HEADER_SIZE,
  inspectBlob,
} from '../../formats/data-blob.ts'
import type { Digest } from '../../formats/digest.ts'
import { DigestSet } from '../../formats/digest-map.ts'
import { isAllZero } from '../backup/zero-chunks.ts'
import { errors } from '../errors.ts'
import type { ReaderSession } from '../reader-session.ts'

export interface ArchiveReadOptions {
  /** Key and mode of the archive, from the manifest. */
  readonly crypt: CryptConfig | null
  readonly mode: CryptMode
  readonly signal: AbortSignal | undefined
  readonly pace: ((size: number) => Promise<void>) | undefined
}

export interface PlainChunk {
  /** Offset in the archive. */
  readonly offset: number
  readonly size: number
  /** Null when all bytes are zero. Not to be written to. */
  readonly bytes: Uint8Array | null
  /** To be called once, when nobody reads `bytes` any more. */
  readonly release: () => void
}

/** Covers 20 ms of latency at 1.6 GB/s, and bounds memory to twice as many chunks. */
const CHUNKS_AHEAD = 8
/** Larger buffers than this are not kept: half as long again as an average chunk of a tree. */
const POOLED_SIZE_MAX = 8 * 1024 * 1024
const POOLED_SIZE_MIN = 256 * 1024
/** A stored and a decoded form of each chunk that is on its way. */
const POOLED_COUNT_MAX = 2 * CHUNKS_AHEAD
/** Chunks that come again soon: a few are enough, whole repeats of zeros cost nothing anyway. */
const CACHE_SIZE_MAX = 16 * 1024 * 1024

/** All chunks of `index` in order, each verified against its digest. */
export async function* readArchive(
  session: ReaderSession,
  index: ArchiveIndex,
  options: ArchiveReadOptions,
): AsyncGenerator<PlainChunk, void, undefined> {
  const reader = new ChunkReader(session, index, options)
  const { signal } = options
  const positions = Array.from({ length: index.count }).keys()
  yield* mapConcurrent(positions, { concurrency: CHUNKS_AHEAD, signal }, (position) =>
    reader.read(position),
  )
}

interface Fetched {
  readonly bytes: Uint8Array
  readonly release: () => void
}

const NOTHING = (): void => {}

class ChunkReader {
  readonly #session: ReaderSession
  readonly #index: ArchiveIndex
  readonly #options: ArchiveReadOptions
  /** Digests that come more than once: only these are worth the memory of the cache. */
  readonly #repeated: DigestSet
  readonly #zeros = new Set<Digest>()
  readonly #cache = new LruCache<Digest, Fetched>({
    sizeMax: CACHE_SIZE_MAX,
    sizeOf: ({ bytes }) => bytes.length,
  })
  readonly #buffers: BufferPool

  constructor(session: ReaderSession, index: ArchiveIndex, options: ArchiveReadOptions) {
    this.#session = session
    this.#index = index
    this.#options = options
    this.#repeated = repeatedDigests(index)
    this.#buffers = new BufferPool({
      size: Math.min(largestSize(index) + ENCRYPTED_BLOB_HEADER_SIZE, POOLED_SIZE_MAX),
      sizeMin: POOLED_SIZE_MIN,
      countMax: POOLED_COUNT_MAX,
      isAligned: true,
    })
  }

  async read(position: number): Promise<PlainChunk> {
    const digest = this.#index.digestAt(position)
    const offset = this.#index.startOf(position)
    const size = this.#index.sizeOf(position)
    const zeros = { offset, size, bytes: null, release: NOTHING }
    if (this.#zeros.has(digest)) return zeros
    const { bytes: raw, offset: rawOffset } = this.#index.digestLocation(position)
    const isRepeated = this.#repeated.hasAt(raw, rawOffset)
    const fetched = isRepeated
      ? await this.#cache.load(digest, () => this.#fetch(digest, size))
      : await this.#fetchPooled(digest, size)
    if (!isAllZero(fetched.bytes)) return { offset, size, ...fetched }
    this.#zeros.add(digest)
    this.#cache.delete(digest)
    fetched.release()
    return zeros
  }

  /** In memory of its own, which a cache may keep. */
  async #fetch(digest: Digest, size: number): Promise<Fetched> {
    const blob = await this.#load(digest, (length) => new Uint8Array(length))
    const bytes = await this.#decode(blob, { digest, size, allocate: undefined })
    return { bytes, release: NOTHING }
  }

  /** Plain bytes that were stored as such begin with a page, as decoded ones do: they can be written directly. */
  async #fetchPooled(digest: Digest, size: number): Promise<Fetched> {
    let stored: PooledBuffer | null = null
    let decoded: PooledBuffer | null = null
    const blob = await this.#load(digest, (length) => {
      stored = this.#buffers.take(length, BLOB_HEADER_SIZE)
      return stored.bytes
    })
    const allocate = (length: number): Uint8Array<ArrayBuffer> => {
      decoded = this.#buffers.take(length)
      return decoded.bytes
    }
    const bytes = await this.#decode(blob, { digest, size, allocate })
    if (bytes.buffer !== blob.buffer) disposeOf(stored)
    else disposeOf(decoded)
    const owner = bytes.buffer === blob.buffer ? stored : decoded
    return { bytes, release: () => disposeOf(owner) }
  }

  async #load(digest: Digest, allocate: Allocate): Promise<Uint8Array> {
    const blob = await this.#session.chunk(digest, allocate)
    await this.#options.pace?.(blob.length)
    return blob
  }

  async #decode(blob: Uint8Array, options: Omit<DecodeChunkOptions, 'crypt'>): Promise<Uint8Array> {
    const { crypt, mode } = this.#options
    const { encrypted } = inspectBlob(blob)
    if (encrypted !== (mode === 'encrypt')) throw errors.CHUNK_CRYPT_MODE_WRONG({})
    try {
      return await decodeChunk(blob, { ...options, crypt })
    } catch (error) {
      // The digest says all that the CRC can say; only the reason for a failure may be a better one.
      checkBlobCrc(blob)
      throw error
    }
  }
}

function disposeOf(buffer: PooledBuffer | null): void {
  buffer?.[Symbol.dispose]()
}

function largestSize(index: ArchiveIndex): number {
  let largest = 0
  for (let position = 0; position < index.count; position++) {
    largest = Math.max(largest, index.sizeOf(position))
  }
  return largest
}

function repeatedDigests(index: ArchiveIndex): DigestSet {
  const seen = new DigestSet({ capacity: index.count })
  const repeated = new DigestSet()
  for (let position = 0; position < index.count; position++) {
    const { bytes, offset } = index.digestLocation(position)
    if (!seen.addAt(bytes, offset)) repeated.addAt(bytes, offset)
  }
  return repeated
}
