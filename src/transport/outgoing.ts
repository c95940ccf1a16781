/** HTTPS/1.1 requests to one server, over kept connections whose certificate is pinned. */
import type { TLSSocket } from 'node:tls'
import { callbackify } from 'node:util'
import { Agent, type Dispatcher } from 'undici'
import { hasCode, toError } from '../base/errors.ts'
import { collectBounded } from './body.ts'
import { errors } from './errors.ts'
import { DEFAULT_USER_AGENT } from './h2-session.ts'
import { formatQuery, type Query } from './query.ts'
import { openTlsSocket, type TlsTarget } from './tls.ts'

/** The stock client's limit for an ordinary request. */
export const REQUEST_TIMEOUT_MS = 120_000
/** Lists of a big datastore are tens of megabytes; more is a fault of the peer. */
const ANSWER_SIZE_MAX = 64 * 1024 * 1024
/** A command makes few requests at a time; more wait for a free connection. */
const CONNECTIONS_MAX = 4

export interface OutgoingRequest {
  readonly method: string
  /** As it goes on the wire (`/api2/json/version`). */
  readonly path: string
  readonly query?: Query | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined
  /** Until the head of the answer, and between pieces of its body. */
  readonly timeoutMs?: number | undefined
  readonly sizeMax?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface OutgoingAnswer<Body> {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Body
}

type ConnectCallback = (error: Error | null, socket: TLSSocket) => void

/** Requests to one server. Rejects with REQUEST_*, CONNECT_*, TLS_FINGERPRINT_REFUSED. */
export class OutgoingClient implements AsyncDisposable {
  readonly #agent: Agent
  readonly #origin: string
  readonly #userAgent: string
  #fingerprint: string | null = null

  constructor(target: TlsTarget, { userAgent = DEFAULT_USER_AGENT } = {}) {
    const host = target.host.includes(':') ? `[${target.host}]` : target.host
    this.#origin = `https://${host}:${target.port}`
    this.#userAgent = userAgent
    const connect = callbackify(() => this.#connect(target))
    this.#agent = new Agent({
      connections: CONNECTIONS_MAX,
      pipelining: 1,
      connect: (_options, callback) => connect(callback as ConnectCallback),
    })
  }

  /** Of the server's certificate, once a connection was made. */
  get fingerprint(): string | null {
    return this.#fingerprint
  }

  /** One request with its whole answer. */
  async request(request: OutgoingRequest): Promise<OutgoingAnswer<Buffer>> {
    const { statusCode, headers, body } = await this.#send(request)
    const sizeMax = request.sizeMax ?? ANSWER_SIZE_MAX
    try {
      const bytes = await collectBounded(body, sizeMax, () =>
        errors.ANSWER_TOO_LARGE({ path: request.path, sizeMax }),
      )
      return { status: statusCode, headers, body: bytes }
    } catch (error) {
      throw explain(error, request)
    }
  }

  /** One request whose body is handed over piece by piece. */
  async open(request: OutgoingRequest): Promise<OutgoingAnswer<AsyncIterable<Uint8Array>>> {
    const { statusCode, headers, body } = await this.#send(request)
    return { status: statusCode, headers, body: pieces(body, request) }
  }

  /** Ends idle connections at once, busy ones when their request is over. */
  async close(): Promise<void> {
    await this.#agent.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #connect(target: TlsTarget): Promise<TLSSocket> {
    const { socket, fingerprint } = await openTlsSocket(target)
    this.#fingerprint = fingerprint
    return socket
  }

  async #send(request: OutgoingRequest): Promise<Dispatcher.ResponseData> {
    const timeoutMs = request.timeoutMs ?? REQUEST_TIMEOUT_MS
    try {
      return await this.#agent.request({
        origin: this.#origin,
        path: request.path + formatQuery(request.query),
        method: request.method,
        headers: { 'user-agent': this.#userAgent, ...request.headers },
        body: (request.body as Uint8Array | undefined) ?? null,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        ...(request.signal ? { signal: request.signal } : {}),
      })
    } catch (error) {
      throw explain(error, request)
    }
  }
}

async function* pieces(
  body: AsyncIterable<unknown>,
  request: OutgoingRequest,
): AsyncIterable<Uint8Array> {
  try {
    for await (const piece of body) yield piece as Uint8Array
  } catch (error) {
    throw explain(error, request)
  }
}

function explain(error: unknown, request: OutgoingRequest): unknown {
  if (request.signal?.aborted) return request.signal.reason
  if (hasCode(error, 'ANSWER_TOO_LARGE', 'CONNECT_FAILED', 'CONNECT_TIMED_OUT')) return error
  if (hasCode(error, 'TLS_FINGERPRINT_REFUSED')) return error
  const { method, path } = request
  const failure = toError(error)
  if ('code' in failure && String(failure.code).endsWith('_TIMEOUT')) {
    const timeoutMs = request.timeoutMs ?? REQUEST_TIMEOUT_MS
    return errors.REQUEST_TIMED_OUT({ method, path, timeoutMs }, { cause: error })
  }
  return errors.REQUEST_FAILED({ method, path, reason: failure.message }, { cause: error })
}
