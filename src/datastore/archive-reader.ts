/** Plain bytes of an archive, anywhere in it: index and chunks put together. */
import { mapConcurrent } from '../base/async/map-concurrent.ts'
import { LruCache } from '../base/lru-cache.ts'
import type { CryptConfig } from '../crypto/crypt-config.ts'
import type { ArchiveIndex } from '../formats/archive-index.ts'
import { decodeChunk } from '../formats/chunk.ts'
import type { Digest } from '../formats/digest.ts'
import type { SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import { readIndex } from './snapshot-files.ts'

export interface ArchiveReader {
  readonly index: ArchiveIndex
  /** Plain bytes of the whole archive. */
  readonly size: number
  /** `length` bytes from `offset`, fewer at the end; owned by the caller. */
  read(offset: number, length: number): Promise<Uint8Array>
  /** The bytes from `start` to `end` in order, one piece a chunk, borrowed until the next step. */
  stream(options?: StreamOptions): AsyncIterable<Uint8Array>
}

export interface StreamOptions {
  readonly start?: number
  /** Exclusive; the archive's size by default. */
  readonly end?: number
  readonly signal?: AbortSignal
}

/** Chunks decoded ahead of a stream: enough for two cores and a disk, at most 64 MiB. */
const CHUNKS_AHEAD = 4
/** Decoded chunks kept for random reads of a catalog or a file tree. */
const CACHE_SIZE_MAX = 32 << 20

/** Opens an archive of a snapshot. Throws as `readIndex`; reads throw CHUNK_… and blob errors. */
export async function openArchive(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  name: string,
  options: { readonly crypt?: CryptConfig | null } = {},
): Promise<ArchiveReader> {
  const index = await readIndex(store, ns, ref, name)
  const crypt = options.crypt ?? null
  const cache = new LruCache<Digest, Uint8Array>({
    sizeMax: CACHE_SIZE_MAX,
    sizeOf: (plain) => plain.length,
  })
  const load = async (position: number): Promise<Uint8Array> => {
    const digest = index.digestAt(position)
    const size = index.sizeOf(position)
    return await decodeChunk(await store.chunks.read(digest), { digest, size, crypt })
  }
  const loadCached = async (position: number): Promise<Uint8Array> =>
    await cache.load(index.digestAt(position), async () => await load(position))
  return {
    index,
    size: index.size,
    read: async (offset, length) => await readRange(index, loadCached, { offset, length }),
    stream: (streamOptions = {}) => streamRange(index, load, streamOptions),
  }
}

async function readRange(
  index: ArchiveIndex,
  load: (position: number) => Promise<Uint8Array>,
  range: { readonly offset: number; readonly length: number },
): Promise<Uint8Array> {
  const end = Math.min(range.offset + range.length, index.size)
  const bytes = Buffer.alloc(Math.max(0, end - range.offset))
  for (let at = range.offset; at < end; ) {
    const position = index.chunkAt(at)
    const plain = await load(position)
    const start = at - index.startOf(position)
    const piece = plain.subarray(start, start + end - at)
    bytes.set(piece, at - range.offset)
    at += piece.length
  }
  return bytes
}

async function* streamRange(
  index: ArchiveIndex,
  load: (position: number) => Promise<Uint8Array>,
  options: StreamOptions,
): AsyncGenerator<Uint8Array> {
  const { start = 0, end = index.size, signal } = options
  const pieces = mapConcurrent(
    positionsOf(index, start, end),
    { concurrency: CHUNKS_AHEAD, signal },
    async (position) => {
      const plain = await load(position)
      const first = index.startOf(position)
      return plain.subarray(Math.max(0, start - first), Math.min(plain.length, end - first))
    },
  )
  yield* pieces
}

function* positionsOf(index: ArchiveIndex, start: number, end: number): Generator<number> {
  if (start >= end) return
  const last = index.chunkAt(end - 1)
  for (let position = index.chunkAt(start); position <= last; position += 1) yield position
}
