/**
 * Server side of the switch from HTTP/1.1 to HTTP/2 on one TLS socket (backup-protocol.md 2.7, 2.8,
 * 9). `performServerHandshake` before the 101 has left aborts the whole process with a native
 * assertion: the session begins in the write's callback, never earlier.
 */
import * as http2 from 'node:http2'
import type { Duplex } from 'node:stream'
import { errors } from './errors.ts'

/** What one upgraded connection may use. */
export interface Http2Limits {
  /** Unread body bytes per request. Node credits the connection window at once, so this times
   * `streamsMax` is what a peer can make us hold unread. */
  readonly streamWindow: number
  readonly streamsMax: number
  /** Megabytes; Node's default of 10 resets busy peers with ENHANCE_YOUR_CALM. */
  readonly sessionMemoryMb: number
}

/** Largest frame we take and, by the peer's wish, send: as the stock server. */
export const FRAME_SIZE_MAX = 4 * 1024 * 1024
/** The connection window that the stock server announces. */
export const CONNECTION_WINDOW = 32 * 1024 * 1024
/** Longer header lists are answered with 431, as stock. */
export const HEADER_LIST_SIZE_MAX = 16_384

export interface AcceptOptions {
  /** Value of the `upgrade` response header. */
  readonly protocol: string
  readonly limits: Http2Limits
  /** For the `date` header, milliseconds. */
  readonly now: number
}

/**
 * Answers 101, waits until it left the process, and speaks HTTP/2 from there. `head` is what came
 * behind the request; it is read again by the session. Throws HANDSHAKE_FAILED when the peer is
 * gone; the socket is destroyed then.
 */
export async function acceptHttp2(
  socket: Duplex,
  head: Uint8Array,
  options: AcceptOptions,
): Promise<http2.ServerHttp2Session> {
  await writeAnswer(socket, options)
  if (head.length > 0) socket.unshift(head)
  const { limits } = options
  const session = http2.performServerHandshake(socket, {
    settings: {
      initialWindowSize: limits.streamWindow,
      maxFrameSize: FRAME_SIZE_MAX,
      maxConcurrentStreams: limits.streamsMax,
      maxHeaderListSize: HEADER_LIST_SIZE_MAX,
    },
    maxSessionMemory: limits.sessionMemoryMb,
    maxHeaderListPairs: 128,
  })
  session.setLocalWindowSize(CONNECTION_WINDOW)
  return session
}

function writeAnswer(socket: Duplex, { protocol, now }: AcceptOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const fail = (reason: string) => {
    socket.destroy()
    reject(errors.HANDSHAKE_FAILED({ reason }))
  }
  const onError = (error: Error) => fail(error.message)
  const onClose = () => fail('the peer closed the connection')
  if (socket.destroyed) onClose()
  socket.once('error', onError)
  socket.once('close', onClose)
  const answer = [
    'HTTP/1.1 101 Switching Protocols',
    'connection: upgrade',
    `upgrade: ${protocol}`,
    `date: ${new Date(now).toUTCString()}`,
    '\r\n',
  ].join('\r\n')
  socket.write(answer, 'latin1', (error) => {
    socket.off('error', onError)
    socket.off('close', onClose)
    if (error) fail(error.message)
    else resolve()
  })
  return promise
}
