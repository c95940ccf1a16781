/** Client side of an upgraded connection (backup-protocol.md 2.2, 2.7, 2.8, 9). */
import type { ClientRequest } from 'node:http'
import * as http2 from 'node:http2'
// An import of node:http would load all of Node's fetch as well: 50 ms.
import * as https from 'node:https'
import type { TLSSocket } from 'node:tls'
import { Semaphore } from '../base/async/semaphore.ts'
import { hasCode, toError } from '../base/errors.ts'
import { collectBounded, readExactly } from './body.ts'
import { errors } from './errors.ts'
import { formatQuery, type Query } from './query.ts'
import { openTlsSocket, type TlsTarget } from './tls.ts'
import { FRAME_SIZE_MAX } from './upgrade.ts'
import { SILENCE_MS, watchSilence } from './watch-silence.ts'

/** The stock client's time limit for the answer to the upgrade. */
export const UPGRADE_TIMEOUT_MS = 120_000
/** A download never waits for its window; the reader's own pace bounds memory because a stream that
 * is not read is not credited. */
const STREAM_WINDOW = 16 * 1024 * 1024
/** What a server encrypts in one go: more would come in bursts, and be held by it twice. 400 MB/s at
 * a round trip of 20 ms. */
const CONNECTION_WINDOW = 8 * 1024 * 1024
/** Megabytes; the sender's own queue counts, so 8 queued chunks pass Node's default of 10. */
const SESSION_MEMORY_MB = 1024
/**
 * Requests of one connection at a time; more wait. Servers allow 200 streams, but Node as a server
 * resets what arrives at its limit before it has forgotten an ended stream.
 */
const REQUESTS_MAX = 100
/** Answers that are collected whole: a chunk of 16 MiB and its header fit well. */
const ANSWER_SIZE_MAX = 64 * 1024 * 1024
/** A refusal is one sentence; a body that never ends must not fill memory. */
const REFUSAL_SIZE_MAX = 1024 * 1024
const HTTP_OK = 200
/** The literal that stock sends, whatever the real host. */
const AUTHORITY = 'localhost:8007'

export interface UpgradeRequest {
  /** Path with query, as it goes on the wire (`//api2/json/backup?…`). */
  readonly path: string
  /** `proxmox-backup-protocol-v1` or `proxmox-backup-reader-protocol-v1`. */
  readonly protocol: string
  /** Credentials and the like; names in any case. */
  readonly headers: Readonly<Record<string, string>>
  readonly userAgent?: string | undefined
  readonly responseTimeoutMs?: number | undefined
  /** How long the server may be silent while an answer is awaited; SILENCE_MS by default. */
  readonly silenceMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export type RequestBody = Uint8Array | readonly Uint8Array[] | AsyncIterable<Uint8Array>

export interface CallOptions {
  /** Sent in alphabetical order of the keys, form-url-encoded. */
  readonly query?: Query | undefined
  readonly contentType?: string | undefined
  /** Buffers must stay unchanged until the call is over. */
  readonly body?: RequestBody | undefined
  readonly sizeMax?: number | undefined
  /** Gives the memory for the body of a good answer that announces its length. */
  readonly allocate?: ((size: number) => Uint8Array<ArrayBuffer>) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface H2Answer<Body> {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders
  readonly body: Body
}

/**
 * Connects, upgrades and speaks HTTP/2. Throws UPGRADE_REFUSED with the server's own text for any
 * status but 101, REQUEST_TIMED_OUT, REQUEST_FAILED, and what openTlsSocket throws.
 */
export async function connectUpgraded(
  target: TlsTarget,
  request: UpgradeRequest,
): Promise<H2Session> {
  const { socket, fingerprint } = await openTlsSocket(target, { signal: request.signal })
  try {
    await upgrade(socket, target, request)
    const userAgent = request.userAgent ?? DEFAULT_USER_AGENT
    const silenceMs = request.silenceMs ?? SILENCE_MS
    const started = await startHttp2(socket, { silenceMs, signal: request.signal })
    return new H2Session(started, { fingerprint, userAgent, silenceMs, socket })
  } catch (error) {
    socket.destroy()
    throw error
  }
}

export const DEFAULT_USER_AGENT = 'proxmox-backup-client/1.0'

interface SessionFacts {
  readonly fingerprint: string
  readonly userAgent: string
  readonly silenceMs: number
  readonly socket: TLSSocket
}

/** One upgraded connection; requests may run at the same time. */
export class H2Session implements AsyncDisposable {
  /** Of the server's certificate. */
  readonly fingerprint: string
  /** Resolves when the connection is gone, however it went. */
  readonly closed: Promise<void>
  /** Aborted with SESSION_LOST when the connection is gone, for work that makes no request at the moment. */
  readonly lost: AbortSignal
  readonly #session: http2.ClientHttp2Session
  readonly #userAgent: string
  readonly #slots = new Semaphore(REQUESTS_MAX)
  #runningCount = 0
  #failure: Error | null = null

  constructor(session: http2.ClientHttp2Session, options: SessionFacts) {
    const { fingerprint, userAgent, silenceMs, socket } = options
    this.#session = session
    this.fingerprint = fingerprint
    this.#userAgent = userAgent
    session.on('error', (error) => {
      this.#failure ??= error
    })
    session.on('goaway', (code) => {
      if (code !== 0) this.#failure ??= new Error(`GOAWAY with error code ${code}`)
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.closed = promise
    const lost = new AbortController()
    this.lost = lost.signal
    session.once('close', () => {
      resolve()
      // Requests that it ends know better why: they are told first.
      setImmediate(() => lost.abort(this.#explain(null, undefined)))
    })
    const isWaiting = (): boolean => this.#runningCount > 0
    const onDead = (): void => this.destroy(silent(silenceMs))
    watchSilence({ session, socket, isWaiting }, { silenceMs, onDead })
  }

  /**
   * One request with its whole answer. Never rejects for a status; rejects with SESSION_LOST when
   * the stream or the connection ends early, ANSWER_TOO_LARGE, or the signal's reason.
   */
  async request(
    method: string,
    path: string,
    options: CallOptions = {},
  ): Promise<H2Answer<Buffer>> {
    const { stream, answer } = await this.#start(method, path, options)
    try {
      const headers = await answer
      const body = await collect(stream, headers, { ...options, path })
      if (stream.rstCode !== 0) throw new Error(`stream reset with code ${stream.rstCode}`)
      return { status: headers[':status'] ?? 0, headers, body }
    } catch (error) {
      stream.close(http2.constants.NGHTTP2_CANCEL)
      throw this.#explain(error, options.signal)
    }
  }

  /** As `request`, but the body is handed over piece by piece; leaving its loop ends the stream. */
  async open(
    method: string,
    path: string,
    options: CallOptions = {},
  ): Promise<H2Answer<AsyncIterable<Uint8Array>>> {
    const { stream, answer } = await this.#start(method, path, options)
    try {
      const headers = await answer
      const body = this.#pieces(stream, options.signal)
      return { status: headers[':status'] ?? 0, headers, body }
    } catch (error) {
      stream.close(http2.constants.NGHTTP2_CANCEL)
      throw this.#explain(error, options.signal)
    }
  }

  /** Ends in order: GOAWAY, then the connection. Running requests are given up. */
  async close(): Promise<void> {
    if (!this.#session.destroyed) {
      this.#session.goaway(0)
      this.#session.destroy()
    }
    await this.closed
  }

  /** Cuts the connection at once. */
  destroy(error?: Error): void {
    this.#failure ??= error ?? null
    this.#session.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #start(method: string, path: string, options: CallOptions) {
    const slot = await this.#slots.acquire(1, options.signal)
    try {
      const started = this.#open(method, path, options)
      this.#runningCount += 1
      started.stream.once('close', () => {
        this.#runningCount -= 1
        slot[Symbol.dispose]()
      })
      return started
    } catch (error) {
      slot[Symbol.dispose]()
      throw error
    }
  }

  #open(method: string, path: string, options: CallOptions) {
    if (this.#session.destroyed || this.#session.closed)
      throw this.#explain(this.#failure, undefined)
    const stream = this.#session.request(
      {
        ':method': method,
        ':scheme': 'https',
        ':authority': AUTHORITY,
        ':path': path + formatQuery(options.query),
        'user-agent': this.#userAgent,
        'content-type': options.contentType ?? 'application/x-www-form-urlencoded',
      },
      {
        endStream: options.body === undefined,
        ...(options.signal ? { signal: options.signal } : {}),
      },
    )
    const { promise, resolve, reject } = Promise.withResolvers<http2.IncomingHttpHeaders>()
    stream.once('response', resolve)
    // Errors after the answer's head reach the reader of the body; this one must only not be lost.
    stream.on('error', reject)
    stream.once('close', () => reject(new Error('the stream ended without an answer')))
    if (options.body !== undefined) {
      // The server may answer before it has read all; then the answer decides, not the writing.
      writeBody(stream, options.body).catch((error: unknown) => {
        stream.destroy(toError(error))
      })
    }
    return { stream, answer: promise as Promise<http2.IncomingHttpHeaders & StatusHeader> }
  }

  async *#pieces(
    stream: http2.ClientHttp2Stream,
    signal: AbortSignal | undefined,
  ): AsyncIterable<Uint8Array> {
    try {
      for await (const piece of stream) yield piece as Uint8Array
      if (stream.rstCode !== 0) throw new Error(`stream reset with code ${stream.rstCode}`)
    } catch (error) {
      throw this.#explain(error, signal)
    }
  }

  #explain(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted) return signal.reason
    if (hasCode(error, 'ANSWER_TOO_LARGE', 'SESSION_LOST')) return error
    const cause = this.#failure ?? error
    const reason = cause === null ? 'closed' : toError(cause).message
    return errors.SESSION_LOST({ reason }, { cause: cause ?? undefined })
  }
}

/** The whole body. Throws ANSWER_TOO_LARGE, or as the stream ends. */
async function collect(
  stream: http2.ClientHttp2Stream,
  headers: http2.IncomingHttpHeaders & StatusHeader,
  options: CallOptions & { readonly path: string },
): Promise<Buffer> {
  const { path, allocate, sizeMax = ANSWER_SIZE_MAX } = options
  const tooLarge = (): Error => errors.ANSWER_TOO_LARGE({ path, sizeMax })
  const size = Number(headers['content-length'] ?? Number.NaN)
  if (size > sizeMax) throw tooLarge()
  const isExpected = headers[':status'] === HTTP_OK && Number.isSafeInteger(size)
  if (allocate === undefined || !isExpected) {
    return await collectBounded(stream, sizeMax, tooLarge)
  }
  const target = allocate(size)
  await readExactly(stream, target)
  return Buffer.from(target.buffer, target.byteOffset, target.length)
}

interface StatusHeader {
  readonly ':status'?: number
}

async function writeBody(stream: http2.ClientHttp2Stream, body: RequestBody): Promise<void> {
  if (body instanceof Uint8Array) {
    stream.end(body)
    return
  }
  for await (const piece of body) {
    if (stream.destroyed || stream.writableEnded) return
    if (!stream.write(piece)) await drained(stream)
  }
  stream.end()
}

function drained(stream: http2.ClientHttp2Stream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = () => {
    stream.off('drain', done)
    stream.off('close', done)
    resolve()
  }
  stream.on('drain', done)
  stream.on('close', done)
  return promise
}

async function upgrade(
  socket: TLSSocket,
  target: TlsTarget,
  options: UpgradeRequest,
): Promise<void> {
  const { path } = options
  const timeoutMs = options.responseTimeoutMs ?? UPGRADE_TIMEOUT_MS
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout
  const request = https.request({
    method: 'GET',
    path,
    createConnection: () => socket,
    headers: {
      'user-agent': options.userAgent ?? DEFAULT_USER_AGENT,
      'content-type': 'application/x-www-form-urlencoded',
      ...options.headers,
      connection: 'upgrade',
      upgrade: options.protocol,
      host: formatAuthority(target),
    },
  })
  // Not http.request's own signal: it would cut the connection long after the upgrade.
  const onAbort = () => request.destroy(toError(signal.reason))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await upgradeAnswer(request, socket)
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason
    if (timeout.aborted) throw errors.REQUEST_TIMED_OUT({ method: 'GET', path, timeoutMs })
    if (hasCode(error, 'UPGRADE_REFUSED')) throw error
    const reason = toError(error).message
    throw errors.REQUEST_FAILED({ method: 'GET', path, reason }, { cause: error })
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function upgradeAnswer(request: ClientRequest, socket: TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  request.once('error', reject)
  request.once('upgrade', (_response, _socket, head) => {
    // The server may have sent its SETTINGS right behind the 101.
    if (head.length > 0) socket.unshift(head)
    resolve()
  })
  request.once('response', (response) => {
    const tooLarge = () => new Error('the refusal is too long')
    collectBounded(response, REFUSAL_SIZE_MAX, tooLarge).then((body) => {
      const text = body.toString('utf8')
      reject(errors.UPGRADE_REFUSED({ status: response.statusCode ?? 0, text }))
    }, reject)
  })
  request.end()
  return promise
}

/** Resolves when the server's SETTINGS are here: more streams than it takes would be refused. */
async function startHttp2(
  socket: TLSSocket,
  { silenceMs, signal }: { readonly silenceMs: number; readonly signal: AbortSignal | undefined },
): Promise<http2.ClientHttp2Session> {
  const { promise, resolve, reject } = Promise.withResolvers<http2.ClientHttp2Session>()
  const session = http2.connect(`https://${AUTHORITY}`, {
    createConnection: () => socket,
    settings: { initialWindowSize: STREAM_WINDOW, maxFrameSize: FRAME_SIZE_MAX, enablePush: false },
    maxSessionMemory: SESSION_MEMORY_MB,
  })
  const onError = (error: Error) => reject(lost(error.message))
  const onClose = () => reject(lost('closed before the server spoke HTTP/2'))
  const onAbort = () => reject(toError(signal?.reason))
  const timer = setTimeout(() => reject(lost(silent(silenceMs).message)), silenceMs)
  signal?.addEventListener('abort', onAbort, { once: true })
  // Never taken off: a connection that is given up may still tell why.
  session.on('error', onError)
  session.once('close', onClose)
  session.once('remoteSettings', () => {
    session.setLocalWindowSize(CONNECTION_WINDOW)
    resolve(session)
  })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    session.off('close', onClose)
  }
}

function silent(silenceMs: number): Error {
  return new Error(`the server was silent for ${silenceMs / 1000} s`)
}

function lost(reason: string): Error {
  return errors.SESSION_LOST({ reason })
}

function formatAuthority({ host, port }: TlsTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
