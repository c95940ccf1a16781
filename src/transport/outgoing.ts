/** HTTPS/1.1 requests to one server, over kept connections whose certificate is pinned. */
import type { ClientRequest, IncomingMessage } from 'node:http'
import * as https from 'node:https'
import type { TLSSocket } from 'node:tls'
import { hasCode, toError } from '../base/errors.ts'
import { collectBounded } from './body.ts'
import { createConnectingAgent } from './connecting-agent.ts'
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
/** Below the 5 s after which many servers end idle connections: a request must not meet that. */
const IDLE_TIMEOUT_MS = 4_000

export interface OutgoingRequest {
  readonly method: string
  /** As it goes on the wire (`/api2/json/version`). */
  readonly path: string
  readonly query?: Query | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array | undefined
  /** Until the head of the answer, and between pieces of its body. */
  readonly timeoutMs?: number | undefined
  readonly sizeMax?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface OutgoingAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** Requests to one server. Rejects with REQUEST_*, ANSWER_TOO_LARGE, CONNECT_*, TLS_FINGERPRINT_REFUSED. */
export class OutgoingClient implements AsyncDisposable {
  readonly #target: TlsTarget
  readonly #agent: https.Agent
  readonly #userAgent: string
  #fingerprint: string | null = null

  constructor(target: TlsTarget, { userAgent = DEFAULT_USER_AGENT } = {}) {
    this.#target = target
    this.#userAgent = userAgent
    const options = { maxSockets: CONNECTIONS_MAX, timeout: IDLE_TIMEOUT_MS }
    this.#agent = createConnectingAgent(options, () => this.#connect(target))
  }

  /** Of the server's certificate, once a connection was made. */
  get fingerprint(): string | null {
    return this.#fingerprint
  }

  /** One request with its whole answer. */
  async request(request: OutgoingRequest): Promise<OutgoingAnswer> {
    const { method, path, timeoutMs = REQUEST_TIMEOUT_MS, sizeMax = ANSWER_SIZE_MAX } = request
    const sent = this.#start(request)
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      sent.destroy()
    }, timeoutMs)
    try {
      const answer = await answerOf(sent)
      const pieces = eachPiece(answer, () => timer.refresh())
      const tooLarge = () => errors.ANSWER_TOO_LARGE({ path, sizeMax })
      const body = await collectBounded(pieces, sizeMax, tooLarge)
      return { status: answer.statusCode ?? 0, headers: answer.headers, body }
    } catch (error) {
      if (isLate) throw errors.REQUEST_TIMED_OUT({ method, path, timeoutMs }, { cause: error })
      throw explain(error, request)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.resolve(this.#agent.destroy())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #connect(target: TlsTarget): Promise<TLSSocket> {
    const { socket, fingerprint } = await openTlsSocket(target)
    this.#fingerprint = fingerprint
    return socket
  }

  #start(request: OutgoingRequest): ClientRequest {
    const { host, port } = this.#target
    const { method, path, query, headers, body } = request
    const length = body === undefined ? {} : { 'content-length': body.length }
    const sent = https.request({
      agent: this.#agent,
      host,
      port,
      method,
      path: path + formatQuery(query),
      headers: { 'user-agent': this.#userAgent, ...headers, ...length },
      ...(request.signal ? { signal: request.signal } : {}),
    })
    sent.end(body)
    return sent
  }
}

async function answerOf(sent: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  sent.once('response', resolve)
  // Also after the answer has begun: then its reader hears of it, and nobody may be missing here.
  sent.on('error', reject)
  return await promise
}

async function* eachPiece(answer: IncomingMessage, onPiece: () => void): AsyncIterable<unknown> {
  onPiece()
  for await (const piece of answer) {
    onPiece()
    yield piece
  }
}

function explain(error: unknown, request: OutgoingRequest): unknown {
  if (request.signal?.aborted) return request.signal.reason
  if (hasCode(error, 'ANSWER_TOO_LARGE', 'CONNECT_FAILED', 'CONNECT_TIMED_OUT')) return error
  if (hasCode(error, 'TLS_FINGERPRINT_REFUSED')) return error
  const { method, path } = request
  const reason = toError(error).message
  return errors.REQUEST_FAILED({ method, path, reason }, { cause: error })
}
