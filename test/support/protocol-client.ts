/**
 * A raw client of both session protocols: upgrade and calls, nothing clever. For tests, and as the
 * load client of the benchmarks.
 */
import { createHash } from 'node:crypto'
import {
  connectUpgraded,
  type H2Session,
  type RequestBody,
} from '../../src/transport/h2-session.ts'
import type { Query } from '../../src/transport/query.ts'
import type { TlsTarget } from '../../src/transport/tls.ts'
import { encodeBlob } from '../../src/formats/data-blob.ts'

const PROTOCOLS = {
  backup: 'proxmox-backup-protocol-v1',
  reader: 'proxmox-backup-reader-protocol-v1',
} as const

export interface SessionRequest {
  readonly target: TlsTarget
  readonly authorization: string
  readonly store?: string
  readonly ns?: string
  /** `host/web1`. */
  readonly group?: string
  /** Backup time, Unix seconds. */
  readonly time: number
  readonly debug?: boolean
  readonly benchmark?: boolean
}

export interface Answer {
  readonly status: number
  /** Of JSON and errors; empty for files and chunks. */
  readonly text: string
  /** The `data` member; undefined unless the status is 200 and the body JSON. */
  readonly data: unknown
  readonly body: Buffer
  readonly contentType: string | undefined
}

export interface TestChunk {
  readonly digest: string
  readonly blob: Uint8Array
  readonly size: number
}

/** An encoded chunk with the content `plain`. */
export async function chunkOf(plain: Uint8Array, compress = false): Promise<TestChunk> {
  const digest = createHash('sha256').update(plain).digest('hex')
  return { digest, blob: await encodeBlob(plain, { compress }), size: plain.length }
}

/** Opens a backup session. Rejects with UPGRADE_REFUSED and the server's text. */
export async function openBackupSession(request: SessionRequest): Promise<BackupClient> {
  const benchmark = request.benchmark ?? false
  return new BackupClient(await openSession('backup', request, { benchmark }))
}

/** Opens a reader session. */
export async function openReaderSession(request: SessionRequest): Promise<SessionClient> {
  return new SessionClient(await openSession('reader', request, {}))
}

async function openSession(
  kind: keyof typeof PROTOCOLS,
  request: SessionRequest,
  more: Readonly<Record<string, boolean>>,
): Promise<H2Session> {
  const [type = '', id = ''] = (request.group ?? 'host/web1').split('/')
  const query = new URLSearchParams({
    'backup-id': id,
    'backup-time': String(request.time),
    'backup-type': type,
    ...Object.fromEntries(Object.entries(more).map(([name, value]) => [name, String(value)])),
    debug: String(request.debug ?? false),
    ...(request.ns === undefined ? {} : { ns: request.ns }),
    store: request.store ?? 'store1',
  })
  return await connectUpgraded(request.target, {
    path: `//api2/json/${kind}?${query.toString()}`,
    protocol: PROTOCOLS[kind],
    headers: { authorization: request.authorization },
  })
}

/** Any call of either protocol. */
export class SessionClient implements AsyncDisposable {
  readonly session: H2Session

  constructor(session: H2Session) {
    this.session = session
  }

  async call(
    method: string,
    path: string,
    options: { readonly query?: Query; readonly json?: unknown; readonly body?: RequestBody } = {},
  ): Promise<Answer> {
    const json = options.json === undefined ? undefined : Buffer.from(JSON.stringify(options.json))
    const answer = await this.session.request(method, path, {
      query: options.query,
      body: json ?? options.body,
      contentType: json === undefined ? undefined : 'application/json',
    })
    const contentType = answer.headers['content-type']
    const isJson = contentType?.startsWith('application/json') === true || answer.status !== 200
    // A chunk is no text; turning 4 MiB of it into some costs more than all the rest.
    const text = isJson ? answer.body.toString('utf8') : ''
    const hasData = isJson && answer.status === 200
    const data = hasData ? (JSON.parse(text) as { data: unknown }).data : undefined
    return { status: answer.status, text, data, body: answer.body, contentType }
  }

  async close(): Promise<void> {
    await this.session.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** The calls of the backup protocol. */
export class BackupClient extends SessionClient {
  async uploadBlob(name: string, blob: Uint8Array): Promise<Answer> {
    const query = { 'file-name': name, 'encoded-size': blob.length }
    return await this.call('POST', '/blob', { query, body: blob })
  }

  async createFixed(name: string, size: number | null, reuseCsum?: string): Promise<Answer> {
    const query = {
      'archive-name': name,
      ...(size === null ? {} : { size }),
      ...(reuseCsum === undefined ? {} : { 'reuse-csum': reuseCsum }),
    }
    return await this.call('POST', '/fixed_index', { query })
  }

  async createDynamic(name: string): Promise<Answer> {
    return await this.call('POST', '/dynamic_index', { query: { 'archive-name': name } })
  }

  async uploadChunk(
    kind: 'fixed' | 'dynamic',
    wid: number,
    chunk: TestChunk,
    change: Partial<{ digest: string; size: number; encodedSize: number }> = {},
  ): Promise<Answer> {
    const query = {
      wid,
      digest: change.digest ?? chunk.digest,
      size: change.size ?? chunk.size,
      'encoded-size': change.encodedSize ?? chunk.blob.length,
    }
    return await this.call('POST', `/${kind}_chunk`, { query, body: chunk.blob })
  }

  async append(
    kind: 'fixed' | 'dynamic',
    wid: number,
    entries: readonly { readonly digest: string; readonly offset: number }[],
  ): Promise<Answer> {
    const json = {
      'digest-list': entries.map(({ digest }) => digest),
      'offset-list': entries.map(({ offset }) => offset),
      wid,
    }
    return await this.call('PUT', `/${kind}_index`, { json })
  }

  async closeIndex(
    kind: 'fixed' | 'dynamic',
    close: { wid: number; chunkCount: number; size: number; csum: string },
  ): Promise<Answer> {
    const { wid, size, csum } = close
    const query = { wid, size, csum, 'chunk-count': close.chunkCount }
    return await this.call('POST', `/${kind}_close`, { query })
  }

  async finish(): Promise<Answer> {
    return await this.call('POST', '/finish')
  }
}

/** Checksum of a dynamic index: end offset and digest of each chunk. */
export function dynamicCsum(chunks: readonly { digest: string; size: number }[]): string {
  const hash = createHash('sha256')
  let end = 0n
  for (const { digest, size } of chunks) {
    end += BigInt(size)
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(end)
    hash.update(bytes).update(Buffer.from(digest, 'hex'))
  }
  return hash.digest('hex')
}

/** Checksum of a fixed index: the digests in order. */
export function fixedCsum(chunks: readonly { digest: string }[]): string {
  const hash = createHash('sha256')
  for (const { digest } of chunks) hash.update(Buffer.from(digest, 'hex'))
  return hash.digest('hex')
}

/** An encoded manifest of one snapshot. */
export async function manifestBlob(
  snapshot: { readonly group: string; readonly time: number },
  files: readonly { readonly filename: string; readonly size: number; readonly csum: string }[],
): Promise<Uint8Array> {
  const [type = '', id = ''] = snapshot.group.split('/')
  const manifest = {
    'backup-id': id,
    'backup-time': snapshot.time,
    'backup-type': type,
    files: files.map((file) => ({ 'crypt-mode': 'none', ...file })),
    signature: null,
    unprotected: {},
  }
  return await encodeBlob(Buffer.from(JSON.stringify(manifest)), { compress: true })
}
