/** One upgraded connection from its 101 to its end, and how it ended (backup-protocol.md 6.5, 6.7). */
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import { isSystemError } from '../../base/errors.ts'
import { acceptHttp2, type Http2Limits } from '../../transport/upgrade.ts'
import { Exchange } from './exchange.ts'

/** How a connection ended. Errors carry stock's texts: outermost for the log, the chain for the status. */
export type ConnectionEnd =
  /** FIN, close_notify or GOAWAY between requests. */
  | { readonly kind: 'orderly' }
  /** Reset, cut in the middle of a body, gone before it spoke: `connection error`. */
  | { readonly kind: 'lost'; readonly error: Error }
  /** Something that is not HTTP/2: `http2 error`. */
  | { readonly kind: 'protocol'; readonly error: Error }
  /** An administrator or the end of the server. */
  | { readonly kind: 'aborted'; readonly error: Error }

export interface ServeOptions {
  readonly socket: Duplex
  readonly head: Uint8Array
  readonly protocol: string
  readonly limits: Http2Limits
  /** For the `date` header, milliseconds. */
  readonly now: number
  /** Cuts the connection. */
  readonly signal: AbortSignal
  /** Called when the 101 has left. */
  readonly onUpgraded: () => void
  /** Serves one request; must not reject. */
  readonly serve: (exchange: Exchange) => Promise<void>
  /** How long the last bytes may take to leave; FAREWELL_TIMEOUT_MS by default. */
  readonly farewellTimeoutMs?: number
}

/**
 * A peer that does not speak after the 101 blocks its group: after this long it is cut. Once it has
 * spoken there is no limit, mounted archives are silent for hours (2.8).
 */
const PREFACE_TIMEOUT_MS = 60_000
/** Answers that are still on their way to a slow client when its connection ends may take this long. */
const FAREWELL_TIMEOUT_MS = 5_000

/** Serves the connection; resolves when it has ended and no call of it runs any more. Never rejects. */
export async function serveConnection(options: ServeOptions): Promise<ConnectionEnd> {
  const { socket, signal } = options
  const watch = watchSocket(socket)
  let session: ServerHttp2Session
  try {
    const { head, protocol, limits, now } = options
    session = await acceptHttp2(socket, head, { protocol, limits, now })
  } catch {
    return lost('connection closed before reading preface')
  }
  options.onUpgraded()
  const watched = watchSession(session, socket)
  boundFarewell(session, socket, options.farewellTimeoutMs ?? FAREWELL_TIMEOUT_MS)
  const running = new Set<Promise<void>>()
  const receiving = new Set<Exchange>()
  session.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    const exchange = new Exchange(stream, headers)
    receiving.add(exchange)
    const call = options.serve(exchange).finally(() => {
      running.delete(call)
      receiving.delete(exchange)
    })
    running.add(call)
  })
  const onAbort = (): void => session.destroy()
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  let isCut = false
  watched.onEnd(() => {
    isCut = [...receiving].some((exchange) => exchange.isReceiving)
  })
  await watched.closed
  signal.removeEventListener('abort', onAbort)
  socket.destroy()
  await Promise.allSettled(running)
  if (signal.aborted) return { kind: 'aborted', error: new Error('task aborted') }
  return judge({ ...watched.seen, isReset: watched.seen.isReset || watch.isReset, isCut })
}

interface Seen {
  hasSpoken: boolean
  isReset: boolean
  protocolError: boolean
}

function watchSocket(socket: Duplex): { readonly isReset: boolean } {
  const watch = { isReset: false }
  socket.on('error', (error) => {
    if (isReset(error)) watch.isReset = true
  })
  return watch
}

function watchSession(session: ServerHttp2Session, socket: Duplex) {
  const seen: Seen = { hasSpoken: false, isReset: false, protocolError: false }
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  const endings: (() => void)[] = []
  const ended = (): void => {
    for (const ending of endings.splice(0)) ending()
  }
  session.setTimeout(PREFACE_TIMEOUT_MS, () => {
    if (!seen.hasSpoken) session.destroy()
  })
  session.once('remoteSettings', () => {
    seen.hasSpoken = true
    session.setTimeout(0)
  })
  session.on('error', (error) => {
    ended()
    if (isReset(error)) seen.isReset = true
    else seen.protocolError = true
  })
  // The peer's farewell is answered and the connection ended, as the stock server does.
  session.on('goaway', (code) => {
    ended()
    if (code !== 0) seen.protocolError = true
    if (!session.destroyed) session.destroy()
  })
  session.on('frameError', () => {})
  socket.once('end', ended)
  session.once('close', () => {
    ended()
    resolve()
  })
  if (session.destroyed) resolve()
  return { seen, closed, onEnd: (ending: () => void) => endings.push(ending) }
}

/**
 * Node waits for the last write of a destroyed session before it says so. A peer that vanished in
 * that moment never lets it end, and its locks would be held for ever: the socket is cut then.
 */
function boundFarewell(session: ServerHttp2Session, socket: Duplex, timeoutMs: number): void {
  const destroy = session.destroy.bind(session)
  // Node destroys it by this method, too; no event tells of it.
  session.destroy = (error, code) => {
    destroy(error, code)
    AbortSignal.timeout(timeoutMs).addEventListener('abort', () => socket.destroy())
  }
}

function judge(seen: Seen & { readonly isCut: boolean }): ConnectionEnd {
  if (seen.isReset) return lost(seen.isCut ? 'bytes remaining on stream' : 'connection reset')
  if (seen.protocolError) return protocolFailure()
  if (!seen.hasSpoken) return lost('connection closed before reading preface')
  return seen.isCut ? lost('bytes remaining on stream') : { kind: 'orderly' }
}

function lost(reason: string): ConnectionEnd {
  const error = new Error('connection error', { cause: new Error(reason) })
  return { kind: 'lost', error }
}

function protocolFailure(): ConnectionEnd {
  const reason = 'connection error detected: unspecific protocol error detected'
  return { kind: 'protocol', error: new Error('http2 error', { cause: new Error(reason) }) }
}

function isReset(error: unknown): boolean {
  return isSystemError(error, 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED')
}
