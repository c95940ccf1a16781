/** A fixed index as a client writes it: any order, known size or growing, new or cloned (backup-protocol.md 4.8–4.10). */
import { INDEX_HEADER_SIZE, type IndexIdentity } from '../../formats/archive-index.ts'
import { type Digest, DIGEST_SIZE, digestFromBytes } from '../../formats/digest.ts'
import {
  encodeFixedHeader,
  FIXED_CHUNK_SIZE,
  FixedIndexBuilder,
  type FixedIndex,
  fixedChunkCount,
} from '../../formats/fixed-index.ts'
import { breathe, STEPS_PER_BREATH } from './breathe.ts'
import {
  appendableSize,
  checkListLengths,
  type ClosedIndex,
  type CloseRequest,
  IndexFile,
  type IndexHost,
  type IndexWriter,
  newIdentity,
  type OnAppended,
  parseCsum,
  refuse,
} from './index-writer.ts'

const NO_CSUM = new Uint8Array(DIGEST_SIZE)
/** Room of a growing index, as in stock: its temporary file has 8192 bytes at first. */
const GROWING_COUNT_START = 128
/** 64 TiB: 16 million chunks, half a gigabyte of digests if all are written. A client that wants more is wrong. */
const IMAGE_SIZE_MAX = 2 ** 46

export interface FixedIndexOptions {
  /** Null while the client does not know it: the index grows. */
  readonly size: number | null
  /** The base's index whose digests are taken over. */
  readonly clone: FixedIndex | null
}

export class FixedIndexWriter implements IndexWriter {
  readonly kind = 'fixed'
  readonly incremental: boolean
  readonly #host: IndexHost
  readonly #file: IndexFile
  readonly #identity: IndexIdentity
  readonly #announced: number | null
  readonly #builder: FixedIndexBuilder
  /** No chunk may end behind the size any more. */
  #isSizeFixed: boolean
  #count = 0
  #shortCount = 0
  #state: 'open' | 'closed' = 'open'

  private constructor(
    host: IndexHost,
    made: { file: IndexFile; identity: IndexIdentity; options: FixedIndexOptions },
  ) {
    const { size, clone } = made.options
    this.#host = host
    this.#file = made.file
    this.#identity = made.identity
    this.#announced = size
    this.#builder = new FixedIndexBuilder(size ?? 0)
    this.#isSizeFixed = size !== null
    this.incremental = clone !== null
  }

  /** The caller has checked that a `clone` fits. Throws SESSION_REFUSED for sizes beyond what can be stored. */
  static async create(
    host: IndexHost,
    archiveName: string,
    options: FixedIndexOptions,
  ): Promise<FixedIndexWriter> {
    const { size, clone } = options
    if (size !== null && size > IMAGE_SIZE_MAX) refuse('EFBIG: File too large')
    const identity = newIdentity(host.clock)
    const header = encodeHeader(identity, { size: size ?? 0, csum: NO_CSUM })
    const count = size === null ? GROWING_COUNT_START : fixedChunkCount(size, FIXED_CHUNK_SIZE)
    const content = { header, size: INDEX_HEADER_SIZE + count * DIGEST_SIZE }
    const file = await IndexFile.create(host, archiveName, content)
    const writer = new FixedIndexWriter(host, { file, identity, options })
    if (clone !== null) await writer.#takeOver(clone)
    return writer
  }

  get archiveName(): string {
    return this.#file.archiveName
  }

  get relativePath(): string {
    return this.#file.relativePath
  }

  get uuidText(): string {
    return Buffer.from(this.#identity.uuid).toString('hex')
  }

  get count(): number {
    return this.#count
  }

  get size(): number {
    return this.#builder.size
  }

  noteUpload(upload: { readonly wid: number; readonly size: number }): void {
    if (this.#state === 'closed') this.#refuse('register chunk failed - already closed')
    if (upload.size > FIXED_CHUNK_SIZE) {
      // Stock's text lacks the closing parenthesis.
      this.#refuse(`- got large chunk (${upload.size} > ${FIXED_CHUNK_SIZE}`)
    }
    if (upload.size === FIXED_CHUNK_SIZE) return
    this.#shortCount += 1
    if (this.#shortCount < 2) return
    refuse(`fixed writer '${upload.wid}' - detected multiple end chunks (chunk size too small)`)
  }

  async append(
    digests: readonly Digest[],
    offsets: readonly number[],
    onAppended?: OnAppended,
  ): Promise<void> {
    checkListLengths(digests, offsets)
    digests.forEach((digest, index) => {
      const offset = offsets[index] ?? 0
      const size = this.#appendOne(digest, offset)
      onAppended?.(digest, offset, size)
    })
  }

  async close(request: CloseRequest): Promise<ClosedIndex> {
    const wanted = parseCsum(request.csum)
    this.#host.assertActive()
    this.#checkClose(request)
    this.#state = 'closed'
    const csumBytes = this.#builder.csum()
    const csum = digestFromBytes(csumBytes)
    if (csum !== wanted) this.#refuse('close failed - got unexpected checksum')
    const body = this.#builder.body()
    if (hasZeroDigest(body)) {
      const text = `archive '${this.archiveName}' names no chunk for a part of its size`
      this.#host.fail(new Error(text))
    }
    const { size } = this.#builder
    await this.#host.run(async () => {
      await this.#file.write(body, INDEX_HEADER_SIZE)
      await this.#file.write(encodeHeader(this.#identity, { size, csum: csumBytes }), 0)
      await this.#file.publish(INDEX_HEADER_SIZE + body.length)
    })
    this.#host.onClosed(this.archiveName, 'closed')
    return { csum, uuid: this.uuidText }
  }

  async abandon(): Promise<void> {
    this.#state = 'closed'
    await this.#file.remove()
    this.#host.onClosed(this.archiveName, 'abandoned')
  }

  #checkClose(request: CloseRequest): void {
    const { chunkCount, size } = request
    if (this.#state === 'closed') this.#refuse('close failed - already closed')
    if (this.#count !== chunkCount) {
      this.#refuse(
        `close failed - received wrong number of chunk (${this.#count} != ${chunkCount})`,
      )
    }
    if (this.#builder.count === 0) {
      this.#state = 'closed'
      refuse('fidx file must have at least one chunk')
    }
    if (this.incremental) return
    if (this.#builder.count !== chunkCount) {
      this.#refuse(
        `close failed - unexpected chunk count (${this.#builder.count} != ${chunkCount})`,
      )
    }
    if (this.#announced !== null && this.#announced !== size) {
      this.#refuse(`close failed - unexpected file size (${this.#announced} != ${size})`)
    }
    if (this.#builder.size !== size) {
      this.#refuse(`close failed - unexpected size (${size} != ${this.#builder.size})`)
    }
  }

  /** Appends one pair; its plain size. Order of the checks is stock's. */
  #appendOne(digest: Digest, offset: number): number {
    const size = appendableSize(this.#host, digest)
    this.#host.assertActive()
    if (this.#state === 'closed') refuse('cannot write to closed index file.')
    const end = offset + size
    if (end < size) refuse(`got chunk with small offset (${end} < ${size}`)
    const imageSize = this.#builder.size
    if (end > imageSize && (this.#isSizeFixed || end > IMAGE_SIZE_MAX)) {
      refuse(`refusing to resize from ${imageSize} to ${end}`)
    }
    const isAtEnd = end >= imageSize
    if ((!isAtEnd && size !== FIXED_CHUNK_SIZE) || size > FIXED_CHUNK_SIZE || size === 0) {
      refuse(`chunk with unexpected length (${size} != ${FIXED_CHUNK_SIZE}`)
    }
    if (offset % FIXED_CHUNK_SIZE !== 0) refuse(`got unaligned chunk (pos = ${offset})`)
    if (end > imageSize) this.#growTo(end)
    this.#builder.set(offset / FIXED_CHUNK_SIZE, digest)
    this.#host.digests.markUsed(digest)
    this.#count += 1
    return size
  }

  #growTo(end: number): void {
    this.#builder.resize(end)
    if (end % FIXED_CHUNK_SIZE !== 0) this.#isSizeFixed = true
  }

  /** Takes over all digests of the base's index: relied on from now, but not the client's to append. */
  async #takeOver(clone: FixedIndex): Promise<void> {
    for (let index = 0; index < clone.count; index += 1) {
      const { bytes, offset } = clone.digestLocation(index)
      const chunk = { size: clone.sizeOf(index), origin: 'cloned' } as const
      this.#host.digests.registerAt(bytes, offset, chunk)
      this.#host.digests.markUsedAt(bytes, offset)
      this.#builder.setAt(index, bytes, offset)
      if (index % STEPS_PER_BREATH === STEPS_PER_BREATH - 1) await breathe()
    }
  }

  #refuse(text: string): never {
    return refuse(`fixed writer '${this.archiveName}' ${text}`)
  }
}

function encodeHeader(identity: IndexIdentity, values: { size: number; csum: Uint8Array }) {
  return encodeFixedHeader({ ...identity, ...values, chunkSize: FIXED_CHUNK_SIZE })
}

/** Whether a slot was never written: 32 zero bytes, which are no chunk's digest. */
function hasZeroDigest(body: Uint8Array): boolean {
  const words = new DataView(body.buffer, body.byteOffset, body.byteLength)
  for (let start = 0; start < body.length; start += DIGEST_SIZE) {
    let at = start
    while (at < start + DIGEST_SIZE && words.getUint32(at) === 0) at += 4
    if (at === start + DIGEST_SIZE) return true
  }
  return false
}
