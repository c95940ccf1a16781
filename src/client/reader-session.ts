/** The calls of a reader session (backup-protocol 2.2, 5, 7.7). */
import type { Digest } from '../formats/digest.ts'
import type { SnapshotRef } from '../formats/names.ts'
import type { CallOptions, H2Session } from '../transport/h2-session.ts'
import { formatQuery } from '../transport/query.ts'
import { checkStatus } from './answer.ts'
import type { Connection } from './connection.ts'

export const READER_PROTOCOL = 'proxmox-backup-reader-protocol-v1'
/** Indexes of 16 TiB disks are 128 MiB. */
const DOWNLOAD_SIZE_MAX = 512 * 1024 * 1024
/** 16 MiB of data and an encrypted header. */
const CHUNK_SIZE_MAX = 16 * 1024 * 1024 + 44

/** Opens `snapshot` for reading. Throws the server's sentence if it refuses. */
export async function openReaderSession(
  connection: Connection,
  { namespace, snapshot }: { readonly namespace: string; readonly snapshot: SnapshotRef },
): Promise<ReaderSession> {
  const query = formatQuery({
    'backup-id': snapshot.id,
    'backup-time': snapshot.time,
    'backup-type': snapshot.type,
    debug: true,
    ns: namespace === '' ? undefined : namespace,
    store: connection.repository.datastore,
  })
  const session = await connection.upgrade('reader', query, READER_PROTOCOL)
  return new ReaderSession(session, connection.signal)
}

export class ReaderSession implements AsyncDisposable {
  readonly #session: H2Session
  readonly #signal: AbortSignal | undefined

  constructor(session: H2Session, signal: AbortSignal | undefined) {
    this.#session = session
    this.#signal = signal
  }

  /** A file of the snapshot; an index makes its chunks readable in this session. */
  async download(fileName: string): Promise<Uint8Array> {
    return await this.#get('/download', { 'file-name': fileName }, { sizeMax: DOWNLOAD_SIZE_MAX })
  }

  /** A chunk as it is stored, unchecked, in memory from `allocate`. */
  async chunk(
    digest: Digest,
    allocate: (size: number) => Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array> {
    return await this.#get('/chunk', { digest }, { sizeMax: CHUNK_SIZE_MAX, allocate })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.close()
  }

  async #get(
    path: string,
    query: Readonly<Record<string, string>>,
    options: Pick<CallOptions, 'sizeMax' | 'allocate'>,
  ): Promise<Uint8Array> {
    const signal = this.#signal
    const answer = await this.#session.request('GET', path, { ...options, query, signal })
    checkStatus(answer.status, answer.body)
    return answer.body
  }
}
