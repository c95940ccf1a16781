/** A dynamic index as a client writes it: strictly in order (backup-protocol.md 4.5–4.7). */
import { Mutex } from '../../base/async/mutex.ts'
import { toError } from '../../base/errors.ts'
import { INDEX_HEADER_SIZE, type IndexIdentity } from '../../formats/archive-index.ts'
import { type Digest, digestFromBytes } from '../../formats/digest.ts'
import { DynamicIndexBuilder, encodeDynamicHeader } from '../../formats/dynamic-index.ts'
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

const NO_CSUM = new Uint8Array(32)
/** Entries kept in memory before they are written: 40 bytes each, about a megabyte. */
const PENDING_COUNT_MAX = 25_000

export class DynamicIndexWriter implements IndexWriter {
  readonly kind = 'dynamic'
  readonly incremental = false
  readonly #host: IndexHost
  readonly #file: IndexFile
  readonly #identity: IndexIdentity
  readonly #builder = new DynamicIndexBuilder()
  readonly #writes = new Mutex()
  #position = INDEX_HEADER_SIZE
  #pendingCount = 0
  #state: 'open' | 'closed' = 'open'

  private constructor(host: IndexHost, file: IndexFile, identity: IndexIdentity) {
    this.#host = host
    this.#file = file
    this.#identity = identity
  }

  static async create(host: IndexHost, archiveName: string): Promise<DynamicIndexWriter> {
    const identity = newIdentity(host.clock)
    const header = encodeDynamicHeader({ ...identity, csum: NO_CSUM })
    const file = await IndexFile.create(host, archiveName, { header, size: header.length })
    return new DynamicIndexWriter(host, file, identity)
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
    return this.#builder.count
  }

  get size(): number {
    return this.#builder.end
  }

  noteUpload(): void {
    if (this.#state === 'closed') this.#refuse('register chunk failed - already closed')
  }

  async append(
    digests: readonly Digest[],
    offsets: readonly number[],
    onAppended?: OnAppended,
  ): Promise<void> {
    checkListLengths(digests, offsets)
    // No await before this loop: calls take effect in the order they are made.
    digests.forEach((digest, index) => {
      const offset = offsets[index] ?? 0
      this.#appendOne(digest, offset)
      onAppended?.(digest, offset, this.#builder.end - offset)
    })
    if (this.#pendingCount < PENDING_COUNT_MAX) return
    await this.#host.run(async () => await this.#flush())
  }

  async close(request: CloseRequest): Promise<ClosedIndex> {
    const wanted = parseCsum(request.csum)
    this.#host.assertActive()
    if (this.#state === 'closed') this.#refuse('close failed - already closed')
    const { count, end } = this.#builder
    if (count !== request.chunkCount) {
      this.#refuse(`close failed - unexpected chunk count (${count} != ${request.chunkCount})`)
    }
    if (end !== request.size) {
      this.#refuse(`close failed - unexpected file size (${end} != ${request.size})`)
    }
    this.#state = 'closed'
    const csumBytes = this.#builder.csum()
    const csum = digestFromBytes(csumBytes)
    if (csum !== wanted) this.#refuse('close failed - got unexpected checksum')
    await this.#host.run(async () => {
      await this.#flush()
      await this.#file.write(encodeDynamicHeader({ ...this.#identity, csum: csumBytes }), 0)
      await this.#file.publish(this.#position)
    })
    this.#host.onClosed(this.archiveName, 'closed')
    return { csum, uuid: this.uuidText }
  }

  async abandon(): Promise<void> {
    this.#state = 'closed'
    using _write = await this.#writes.acquire()
    await this.#file.remove()
    this.#host.onClosed(this.archiveName, 'abandoned')
  }

  #appendOne(digest: Digest, offset: number): void {
    const size = appendableSize(this.#host, digest)
    this.#host.assertActive()
    if (this.#state === 'closed') this.#refuse('append chunk failed - already closed')
    const { end } = this.#builder
    if (offset !== end) {
      this.#refuse(`append chunk failed - got strange chunk offset (${end} != ${offset})`)
    }
    this.#host.digests.markUsed(digest)
    this.#builder.append(end + size, digest)
    this.#pendingCount += 1
  }

  async #flush(): Promise<void> {
    using _write = await this.#writes.acquire()
    const entries = this.#builder.takeEntries()
    const position = this.#position
    this.#pendingCount = 0
    this.#position += entries.length
    try {
      await this.#file.write(entries, position)
    } catch (error) {
      // They are in no memory any more, and the client may not look at this answer.
      this.#host.fail(toError(error))
      throw error
    }
  }

  #refuse(text: string): never {
    return refuse(`dynamic writer '${this.archiveName}' ${text}`)
  }
}
