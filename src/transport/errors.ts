/** Errors of connections: reaching a peer, trusting it, losing it. */
import { defineErrors } from '../base/define-errors.ts'

interface Peer {
  readonly host: string
  readonly port: number
}

export const errors = defineErrors({
  CONNECT_FAILED: {
    kind: 'Io',
    retryable: true,
    message: (data: Peer & { readonly reason: string }) =>
      `Cannot connect to '${data.host}:${data.port}': ${data.reason}`,
  },
  CONNECT_TIMED_OUT: {
    kind: 'Io',
    retryable: true,
    message: (data: Peer & { readonly timeoutMs: number }) =>
      `Cannot connect to '${data.host}:${data.port}': no answer within ${data.timeoutMs} ms`,
  },
  TLS_FINGERPRINT_REFUSED: {
    kind: 'Denied',
    message: (data: Peer & { readonly fingerprint: string; readonly reason: string }) =>
      `Cannot trust the certificate of '${data.host}:${data.port}' ` +
      `(fingerprint ${data.fingerprint}): ${data.reason}`,
  },
  CERTIFICATE_UNREADABLE: {
    kind: 'Invalid',
    message: (data: { readonly path: string; readonly reason: string }) =>
      `Cannot use the certificate '${data.path}': ${data.reason}`,
  },
  REQUEST_TIMED_OUT: {
    kind: 'Io',
    retryable: true,
    message: (data: {
      readonly method: string
      readonly path: string
      readonly timeoutMs: number
    }) => `Cannot ${data.method} '${data.path}': no answer within ${data.timeoutMs} ms`,
  },
  REQUEST_FAILED: {
    kind: 'Io',
    retryable: true,
    message: (data: { readonly method: string; readonly path: string; readonly reason: string }) =>
      `Cannot ${data.method} '${data.path}': ${data.reason}`,
  },
  ANSWER_TOO_LARGE: {
    kind: 'Protocol',
    message: (data: { readonly path: string; readonly sizeMax: number }) =>
      `Cannot read the answer of '${data.path}': more than ${data.sizeMax} bytes`,
  },
  /** The message is the peer's own text: the stock client shows it as it is. */
  UPGRADE_REFUSED: {
    kind: 'Protocol',
    message: (data: { readonly status: number; readonly text: string }) =>
      data.text === '' ? `HTTP Error ${data.status}` : data.text,
  },
  SESSION_LOST: {
    kind: 'Io',
    message: (data: { readonly reason: string }) =>
      `Cannot go on with the session: the connection ended (${data.reason})`,
  },
  HANDSHAKE_FAILED: {
    kind: 'Io',
    message: (data: { readonly reason: string }) =>
      `Cannot switch the connection to HTTP/2: ${data.reason}`,
  },
})
