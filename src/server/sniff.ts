/** What the first bytes of a connection say (rest-api.md 1.1). Pure. */

const TLS_HANDSHAKE = 0x16
const TLS_MAJOR = 0x03
const TLS_RECORD_SIZE_MAX = 0x4000
const TLS_RECORD_HEAD_SIZE = 5

/** TLS: `16 03 xx` and a record of legal length. Anything else is plain HTTP. */
export function looksLike(bytes: Uint8Array): 'tls' | 'plain' | 'unclear' {
  const [type, major, , high = 0, low = 0] = bytes
  if (type === undefined) return 'unclear'
  if (type !== TLS_HANDSHAKE || (major ?? TLS_MAJOR) !== TLS_MAJOR) return 'plain'
  if (bytes.length < TLS_RECORD_HEAD_SIZE) return 'unclear'
  return high * 256 + low <= TLS_RECORD_SIZE_MAX ? 'tls' : 'plain'
}

const SESSION_REQUEST = /^GET \/+api2\/+json\/+(?:backup|reader)[/?]* ?/
const UPGRADE_HEADER = /\r\nupgrade:/i
const CONNECTION_HEADER = /\r\nconnection:/i
const HEAD_END = '\r\n\r\n'

/** `bytes` with `connection: upgrade` added if they are the whole head of a session's upgrade that lacks it. */
export function addConnectionHeader(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x47 /* G */ || bytes.length > 16_384) return bytes
  const end = bytes.indexOf(HEAD_END)
  if (end < 0) return bytes
  const head = bytes.toString('latin1', 0, end)
  if (!SESSION_REQUEST.test(head) || !UPGRADE_HEADER.test(head)) return bytes
  if (CONNECTION_HEADER.test(head)) return bytes
  return Buffer.concat([
    bytes.subarray(0, end),
    Buffer.from('\r\nconnection: upgrade'),
    bytes.subarray(end),
  ])
}
