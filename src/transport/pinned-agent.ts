/** Kept HTTPS connections for a client that brings its own requests: whom they trust is decided here (datastore-semantics.md 19.1, 19.2). */
import type { ClientRequest } from 'node:http'
import type { Agent, RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { bodySinkOf } from '../base/body-sinks.ts'
import { BodyTap } from './body-tap.ts'
import { createConnectingAgent } from './connecting-agent.ts'
import { errors } from './errors.ts'
import { CONNECT_TIMEOUT_MS, openTlsSocket, sameFingerprint } from './tls.ts'

const HTTPS_PORT = 443
/** Servers and what stands before them end idle connections after 15 s or later; a request must not meet that. */
const IDLE_TIMEOUT_MS = 10_000
/** The stores' own limits for one client are higher; each connection costs them and us some memory. */
const SOCKETS_MAX = 64

export interface PinnedAgentOptions {
  /** SHA-256 of the server's certificate, hex with colons: this one and no other. Null: the system's CAs decide. */
  readonly fingerprint: string | null
  readonly socketsMax?: number
  readonly connectTimeoutMs?: number
}

/**
 * An agent whose connections have shaken hands with the right server before the first byte of a request is sent.
 * Requests fail with CONNECT_FAILED, CONNECT_TIMED_OUT, TLS_FINGERPRINT_REFUSED: then nothing was sent.
 */
export function createPinnedAgent(options: PinnedAgentOptions): Agent {
  const { socketsMax: maxSockets = SOCKETS_MAX } = options
  const agent = createConnectingAgent({ maxSockets, timeout: IDLE_TIMEOUT_MS }, (target) =>
    connect(target, options),
  )
  announceSinks(agent)
  return agent
}

/** Tells each connection, when it gets a request, where the body of the answer is to lie. */
function announceSinks(agent: Agent): void {
  const inner = agent as Agent & { addRequest: AddRequest }
  const addRequest = inner.addRequest.bind(agent)
  inner.addRequest = (request, target, ...rest) => {
    const { headers } = target
    const sink = headers === undefined || headers === null ? undefined : bodySinkOf(headers)
    request.once('socket', (socket) => taps.get(socket)?.expect(sink ?? null))
    addRequest(request, target, ...rest)
  }
}

/** Node's own, which it calls for every request; packages of agents rely on it. */
type AddRequest = (request: ClientRequest, target: RequestOptions, ...rest: unknown[]) => void

const taps = new WeakMap<Duplex, BodyTap>()

async function connect(target: RequestOptions, options: PinnedAgentOptions): Promise<Duplex> {
  const { fingerprint, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options
  const host = target.host ?? 'localhost'
  const port = Number(target.port ?? HTTPS_PORT)
  const trust = { fingerprint }
  const tap = new BodyTap()
  const { socket, fingerprint: found } = await openTlsSocket({
    host,
    port,
    trust,
    connectTimeoutMs,
    onread: tap.onread,
  })
  tap.attach(socket)
  taps.set(socket, tap)
  if (fingerprint === null || sameFingerprint(fingerprint, found)) return socket
  // A certificate that the system's CAs vouch for is still another one.
  socket.destroy()
  const reason = `expected fingerprint ${fingerprint}`
  throw errors.TLS_FINGERPRINT_REFUSED({ host, port, fingerprint: found, reason })
}
