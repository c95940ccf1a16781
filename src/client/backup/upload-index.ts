/**
 * Sends one archive as an index: chunks are hashed, the unknown ones encoded and uploaded, all of
 * them appended in order (backup-protocol 7.2). Every stage works ahead of the next one by a few
 * chunks, so that reading, hashing, compressing and sending overlap; an append names only chunks
 * whose upload was answered, because the stages keep the order.
 */
import { createHash } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import { BufferPool } from '../../base/buffer-pool.ts'
import { mapConcurrent } from '../../base/async/map-concurrent.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import type { Clock } from '../../base/time/clock.ts'
import { toHex } from '../../base/hex.ts'
import type { CryptConfig } from '../../crypto/crypt-config.ts'
import { encodeBlobParts } from '../../formats/data-blob.ts'
import { type Digest, digestToBytes } from '../../formats/digest.ts'
import type { DigestSet } from '../../formats/digest-map.ts'
import type { BackupSession, IndexKind } from '../backup-session.ts'
import type { KnownChunk, SourceChunk } from './source-chunk.ts'
import type { UploadStatistics } from './statistics.ts'
import { ChunkDigests } from './zero-chunks.ts'

export interface IndexUpload {
  readonly kind: IndexKind
  /** On the server, `root.pxar.didx`. */
  readonly archiveName: string
  /** Bytes, null if it is not known before the end. */
  readonly size: number | null
  readonly chunks: AsyncIterable<SourceChunk | KnownChunk>
  /** All of `chunks` have digests: none is held here to be hashed. */
  readonly areHashed?: boolean
  /** Digests that need no upload; grows with what is uploaded here. */
  readonly known: DigestSet
  /** Set when chunks are encrypted. */
  readonly crypt: CryptConfig | null
  readonly signal: AbortSignal | undefined
  /** Waits until `size` bytes may be sent. */
  readonly pace?: ((size: number) => Promise<void>) | undefined
  /** Bytes read and bytes sent so far; called after every append. */
  readonly onProgress?: ((done: number, sentSize: number) => void) | undefined
}

export interface UploadedIndex extends UploadStatistics {
  /** Hex SHA-256 over the entries, for the manifest. */
  readonly csum: string
}

/** What is compressed or encrypted, until it is sent. Most chunks of trees fit, all of images do. */
const ENCODED_BUFFERS = { size: 8 * 1024 * 1024, sizeMin: 256 * 1024, countMax: 8 }
/** Together they keep libuv's four threads busy; more would only wait and hold memory. */
const HASHES_AT_ONCE = 3
const ENCODINGS_AT_ONCE = 3
/** Uploads without answer: enough small ones to hide the latency of a far server … */
const UPLOADS_AT_ONCE = 16
/**
 * … and no more bytes than that: five chunks of 4 MiB with their headers, as many as a server takes in. A server in
 * front of a bucket needs a few to keep it busy. TLS copies them once more.
 */
const UPLOAD_SIZE_MAX = 24 * 1024 * 1024
/** As stock: a list goes out when it has this many entries. */
const APPEND_COUNT = 64

const NOTHING = () => {}

/** Uploads all of `upload`; on failure the index stays open and the session is of no use. */
export async function uploadIndex(
  session: BackupSession,
  clock: Clock,
  upload: IndexUpload,
): Promise<UploadedIndex> {
  const started = clock.monotonic()
  const writer = await session.createIndex(upload.kind, upload.archiveName, upload.size)
  const appender = new Appender(session, upload, writer)
  for await (const chunk of sentChunks(session, upload, writer)) await appender.add(chunk)
  await appender.close()
  return { ...appender.totals(), durationMs: clock.monotonic() - started }
}

interface HashedChunk {
  readonly digest: Digest
  readonly size: number
  /** Null for a chunk of the previous snapshot. */
  readonly bytes: Uint8Array | null
  release(): void
}

interface EncodedChunk {
  /** Bytes of the blob, 0 for a chunk that the server has. */
  readonly encodedSize: number
  readonly digest: Digest
  readonly size: number
  /** Header and payload, which may be the source's buffer; null for a chunk that the server has. */
  readonly parts: readonly Uint8Array[] | null
  release(): void
}

interface SentChunk {
  readonly digest: Digest
  readonly size: number
  /** Bytes uploaded, 0 for a known chunk. */
  readonly encodedSize: number
}

/** The stages in front of the appends. */
function sentChunks(
  session: BackupSession,
  upload: IndexUpload,
  writer: number,
): AsyncIterable<SentChunk> {
  const { signal, crypt } = upload
  const digests = new ChunkDigests(crypt)
  const concurrency = upload.areHashed === true ? 1 : HASHES_AT_ONCE
  const hashed = mapConcurrent(upload.chunks, { concurrency, signal }, (chunk) =>
    hash(chunk, digests),
  )
  const buffers = new BufferPool(ENCODED_BUFFERS)
  const encoded = mapConcurrent(
    claim(hashed, upload.known),
    { concurrency: ENCODINGS_AT_ONCE, signal },
    (chunk) => encode(chunk, crypt, buffers),
  )
  const permitted = withPermits(encoded, signal)
  return mapConcurrent(permitted, { concurrency: UPLOADS_AT_ONCE, signal }, async (chunk) => {
    const { digest, size, encodedSize, parts } = chunk
    using _permit = chunk.permit
    if (parts === null) return { digest, size, encodedSize }
    await upload.pace?.(encodedSize)
    await session.uploadChunk(upload.kind, writer, { digest, size, encodedSize, parts })
    chunk.release()
    return { digest, size, encodedSize }
  })
}

async function hash(chunk: SourceChunk | KnownChunk, digests: ChunkDigests): Promise<HashedChunk> {
  if (chunk.bytes === null) return { ...chunk, release: NOTHING }
  const { bytes } = chunk
  const digest = chunk.digest ?? (await digests.digestOf([bytes], chunk.isZero))
  return { bytes, size: bytes.length, digest, release: () => chunk.release() }
}

/** Decides, in order and one at a time, which chunks are new; a digest is new only once. */
async function* claim(
  chunks: AsyncIterable<HashedChunk>,
  known: DigestSet,
): AsyncGenerator<HashedChunk & { readonly isNew: boolean }, void, undefined> {
  for await (const chunk of chunks) yield { ...chunk, isNew: known.add(chunk.digest) }
}

async function encode(
  chunk: HashedChunk & { readonly isNew: boolean },
  crypt: CryptConfig | null,
  buffers: BufferPool,
): Promise<EncodedChunk> {
  const { digest, size, bytes } = chunk
  if (!chunk.isNew) {
    chunk.release()
    return { digest, size, encodedSize: 0, parts: null, release: NOTHING }
  }
  assert(bytes !== null, 'a chunk without its bytes is known')
  const taken = new DisposableStack()
  const allocate = (length: number) => taken.use(buffers.take(length)).bytes
  const options = { crypt, compress: true, omitCrc: true, allocate }
  const { header, payload } = await encodeBlobParts(bytes, options)
  const parts = [header, payload]
  const encodedSize = header.length + payload.length
  // Data that does not compress is sent from where it lies.
  if (payload.buffer === bytes.buffer) taken.defer(() => chunk.release())
  else chunk.release()
  return { digest, size, encodedSize, parts, release: () => taken.dispose() }
}

/** Holds chunks back until their bytes fit into what may be on the wire. */
async function* withPermits(
  chunks: AsyncIterable<EncodedChunk>,
  signal: AbortSignal | undefined,
): AsyncGenerator<EncodedChunk & { readonly permit: Disposable | null }, void, undefined> {
  const bytes = new Semaphore(UPLOAD_SIZE_MAX)
  for await (const chunk of chunks) {
    const count = Math.min(chunk.encodedSize, UPLOAD_SIZE_MAX)
    yield { ...chunk, permit: count === 0 ? null : await bytes.acquire(count, signal) }
  }
}

/** Collects entries into lists, sends them one after the other, and keeps the sums. */
class Appender {
  readonly #session: BackupSession
  readonly #upload: IndexUpload
  readonly #writer: number
  readonly #csum = createHash('sha256')
  #digests: Digest[] = []
  #offsets: number[] = []
  #end = ''
  #size = 0
  #count = 0
  #sentSize = 0
  #encodedSize = 0

  constructor(session: BackupSession, upload: IndexUpload, writer: number) {
    this.#session = session
    this.#upload = upload
    this.#writer = writer
  }

  async add(chunk: SentChunk): Promise<void> {
    this.#digests.push(chunk.digest)
    this.#offsets.push(this.#size)
    this.#size += chunk.size
    this.#count += 1
    if (chunk.encodedSize > 0) this.#sentSize += chunk.size
    this.#encodedSize += chunk.encodedSize
    if (this.#upload.kind === 'dynamic') this.#csum.update(endBytes(this.#size))
    this.#csum.update(digestToBytes(chunk.digest))
    if (this.#digests.length >= APPEND_COUNT) await this.#flush()
  }

  async close(): Promise<void> {
    if (this.#digests.length > 0) await this.#flush()
    const csum = toHex(this.#csum.digest())
    this.#end = csum
    const end = { chunkCount: this.#count, size: this.#size, csum }
    await this.#session.closeIndex(this.#upload.kind, this.#writer, end)
  }

  totals() {
    return {
      csum: this.#end,
      chunkCount: this.#count,
      size: this.#size,
      sentSize: this.#sentSize,
      encodedSize: this.#encodedSize,
    }
  }

  async #flush(): Promise<void> {
    const entries = { digests: this.#digests, offsets: this.#offsets }
    this.#digests = []
    this.#offsets = []
    await this.#session.appendIndex(this.#upload.kind, this.#writer, entries)
    this.#upload.onProgress?.(this.#size, this.#encodedSize)
  }
}

function endBytes(end: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(end))
  return bytes
}
