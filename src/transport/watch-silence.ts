/**
 * Notices that the peer of an upgraded connection is gone although nobody said so: the kernel's own probes take a
 * quarter of an hour, and an answer may take long without being late (a finish waits for disks). So a silent peer is
 * asked by PING, which it answers whatever it works on.
 */
import type { Http2Session } from 'node:http2'

/** After this long without a byte while an answer is awaited, the connection is lost; at half of it a PING goes out. */
export const SILENCE_MS = 120_000
const LOOKS = 8

export interface WatchedConnection {
  readonly session: Pick<Http2Session, 'ping' | 'destroyed' | 'once'>
  readonly socket: { readonly bytesRead: number }
  /** Whether the peer owes an answer. */
  readonly isWaiting: () => boolean
}

/** Calls `onDead` once when the peer was silent for `silenceMs`. Never keeps the process alive. */
export function watchSilence(
  { session, socket, isWaiting }: WatchedConnection,
  { silenceMs, onDead }: { readonly silenceMs: number; readonly onDead: () => void },
): void {
  let bytesRead = -1
  let silentLooks = 0
  const look = (): void => {
    if (socket.bytesRead !== bytesRead || !isWaiting()) {
      bytesRead = socket.bytesRead
      silentLooks = 0
      return
    }
    silentLooks += 1
    if (silentLooks === LOOKS / 2 && !session.destroyed) session.ping(() => {})
    if (silentLooks === LOOKS) onDead()
  }
  const timer = setInterval(look, silenceMs / LOOKS).unref()
  session.once('close', () => clearInterval(timer))
}
