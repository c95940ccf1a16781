/** The calls of a backup session, as stock's client makes them (backup-protocol 2.2, 4, 7.1). */
import { toError } from '../base/errors.ts'
import type { Digest } from '../formats/digest.ts'
import type { SnapshotRef } from '../formats/names.ts'
import type { H2Session, RequestBody } from '../transport/h2-session.ts'
import { type Query, formatQuery } from '../transport/query.ts'
import { checkStatus, parseAnswer } from './answer.ts'
import type { Connection } from './connection.ts'
import { errors } from './errors.ts'

export const BACKUP_PROTOCOL = 'proxmox-backup-protocol-v1'
const BYTES = 'application/octet-stream'
/** Manifests and blobs; indexes of 16 TiB disks are 128 MiB. */
const DOWNLOAD_SIZE_MAX = 512 * 1024 * 1024

export type IndexKind = 'fixed' | 'dynamic'

export interface NewChunk {
  readonly digest: Digest
  /** Bytes before compression and encryption. */
  readonly size: number
  readonly encodedSize: number
  /** The blob in pieces; they must stay unchanged until the answer. */
  readonly parts: readonly Uint8Array[]
}

export interface IndexEnd {
  readonly chunkCount: number
  readonly size: number
  /** Hex SHA-256 over the entries. */
  readonly csum: string
}

export interface BackupSessionOptions {
  readonly namespace: string
  readonly snapshot: SnapshotRef
  readonly noCache: boolean
}

/** Begins `snapshot` on the server. Throws the server's sentence if it refuses. */
export async function openBackupSession(
  connection: Connection,
  { namespace, snapshot, noCache }: BackupSessionOptions,
): Promise<BackupSession> {
  const query = formatQuery({
    'backup-id': snapshot.id,
    'backup-time': snapshot.time,
    'backup-type': snapshot.type,
    benchmark: false,
    debug: true,
    'no-cache': noCache ? true : undefined,
    ns: namespace === '' ? undefined : namespace,
    store: connection.repository.datastore,
  })
  const session = await connection.upgrade('backup', query, BACKUP_PROTOCOL)
  return new BackupSession(session, connection.signal)
}

export class BackupSession implements AsyncDisposable {
  readonly #session: H2Session
  readonly #signal: AbortSignal | undefined

  constructor(session: H2Session, signal: AbortSignal | undefined) {
    this.#session = session
    this.#signal = signal
  }

  /** Aborted with SESSION_LOST when the connection is gone. */
  get lost(): AbortSignal {
    return this.#session.lost
  }

  /** Unix seconds of the snapshot that known chunks may come from, or null. */
  async previousBackupTime(): Promise<number | null> {
    const time = await this.#call('GET', '/previous_backup_time')
    return typeof time === 'number' ? time : null
  }

  /** A file of that snapshot; its chunks become known if it is an index. */
  async downloadPrevious(archiveName: string): Promise<Uint8Array> {
    const options = { query: { 'archive-name': archiveName }, sizeMax: DOWNLOAD_SIZE_MAX }
    const answer = await this.#request('GET', '/previous', options)
    checkStatus(answer.status, answer.body)
    return answer.body
  }

  /** Begins an index and gives its writer id; `size` is null when it is not known. */
  async createIndex(kind: IndexKind, archiveName: string, size: number | null): Promise<number> {
    const query = { 'archive-name': archiveName, size: size ?? undefined }
    const writer = await this.#call('POST', `/${kind}_index`, { query })
    if (typeof writer === 'number') return writer
    throw errors.ANSWER_INVALID({ reason: `Cannot begin '${archiveName}': no writer id in answer` })
  }

  async uploadChunk(kind: IndexKind, writer: number, chunk: NewChunk): Promise<void> {
    const { digest, size, encodedSize, parts } = chunk
    const query = { wid: writer, digest, size, 'encoded-size': encodedSize }
    const options = { query, contentType: BYTES, body: parts }
    await this.#pipelined('POST', `/${kind}_chunk`, options)
  }

  /** Adds uploaded or known chunks at their start offsets. */
  async appendIndex(
    kind: IndexKind,
    writer: number,
    entries: { readonly digests: readonly Digest[]; readonly offsets: readonly number[] },
  ): Promise<void> {
    const { digests, offsets } = entries
    const data = { 'digest-list': digests, 'offset-list': offsets, wid: writer }
    const body = Buffer.from(JSON.stringify(data))
    await this.#pipelined('PUT', `/${kind}_index`, { contentType: 'application/json', body })
  }

  async closeIndex(kind: IndexKind, writer: number, end: IndexEnd): Promise<void> {
    const query = { wid: writer, 'chunk-count': end.chunkCount, size: end.size, csum: end.csum }
    await this.#call('POST', `/${kind}_close`, { query })
  }

  async uploadBlob(fileName: string, blob: Uint8Array): Promise<void> {
    const query = { 'encoded-size': blob.length, 'file-name': fileName }
    await this.#call('POST', '/blob', { query, contentType: BYTES, body: blob })
  }

  /** Makes the snapshot visible; the connection is of no use afterwards. */
  async finish(): Promise<void> {
    await this.#call('POST', '/finish')
  }

  /** Ends the connection; what was not finished is removed by the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.close()
  }

  async #pipelined(method: string, path: string, options: CallOptions): Promise<void> {
    try {
      await this.#call(method, path, options)
    } catch (cause) {
      this.#signal?.throwIfAborted()
      throw errors.PIPELINED_REQUEST_FAILED({ reason: toError(cause).message })
    }
  }

  async #call(method: string, path: string, options: CallOptions = {}): Promise<unknown> {
    const answer = await this.#request(method, path, options)
    checkStatus(answer.status, answer.body)
    return parseAnswer(answer.body)['data']
  }

  async #request(method: string, path: string, options: CallOptions) {
    return await this.#session.request(method, path, { ...options, signal: this.#signal })
  }
}

interface CallOptions {
  readonly query?: Query
  readonly contentType?: string
  readonly body?: RequestBody
  readonly sizeMax?: number
}
