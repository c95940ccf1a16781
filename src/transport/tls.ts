/**
 * TLS on both sides: the server's context with reload, the client's connection with fingerprint
 * pinning (rest-api.md 6.1, backup-protocol.md 2.1).
 */
import { X509Certificate, constants } from 'node:crypto'
import * as net from 'node:net'
import * as tls from 'node:tls'
import { CairnError, toError } from '../base/errors.ts'
import { openProxyTunnel, type ProxyTarget } from './proxy-tunnel.ts'
import { errors } from './errors.ts'

/** Idle time before the kernel probes a silent peer; the page's value on both sides. */
export const TCP_KEEP_ALIVE_MS = 120_000

/** The stock client's limit for reaching a server. */
export const CONNECT_TIMEOUT_MS = 10_000

/** "Mozilla intermediate v5": forward secrecy and authenticated encryption only. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'DHE-RSA-AES128-GCM-SHA256',
  'DHE-RSA-AES256-GCM-SHA384',
].join(':')

/** Whom a client believes: the system's CAs, a pinned leaf, or a person who is asked. */
export interface TlsTrust {
  /** SHA-256 of the leaf certificate, hex with colons, any case. */
  readonly fingerprint: string | null
  /** Asked when neither the CAs nor the pin accept; true = go on. */
  readonly confirm?: (fingerprint: string) => Promise<boolean>
}

export interface TlsTarget {
  readonly host: string
  readonly port: number
  readonly trust: TlsTrust
  readonly connectTimeoutMs?: number
  /** Gets what is read instead of the socket's stream; not through a proxy. */
  readonly onread?: net.OnReadOpts
  /** An HTTP proxy that is asked to CONNECT. */
  readonly proxy?: ProxyTarget | null
}

export interface TlsConnection {
  readonly socket: tls.TLSSocket
  /** Of the leaf certificate, lower-case hex with colons. */
  readonly fingerprint: string
}

/** SHA-256 of the certificate's DER form, lower-case hex with colons (95 characters). */
export function certificateFingerprint(certificate: string | Uint8Array): string {
  return new X509Certificate(certificate).fingerprint256.toLowerCase()
}

/** Whether two fingerprints name the same certificate; case does not matter. */
export function sameFingerprint(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

/** The certificate of a listening server; `replace` serves new connections with another one. */
export class ServerTls {
  #pair: CertificatePair
  #fingerprint: string
  readonly #servers = new Set<tls.Server>()

  /** Throws CERTIFICATE_UNREADABLE when key and certificate cannot be used together. */
  constructor(pair: CertificatePair) {
    checkContext(pair)
    this.#pair = pair
    this.#fingerprint = certificateFingerprint(pair.certificatePem)
  }

  /** Serves `pair` from the next handshake on. Throws CERTIFICATE_UNREADABLE; then nothing changes. */
  replace(pair: CertificatePair): void {
    checkContext(pair)
    this.#pair = pair
    this.#fingerprint = certificateFingerprint(pair.certificatePem)
    for (const server of this.#servers) server.setSecureContext(contextOptions(pair))
  }

  get fingerprint(): string {
    return this.#fingerprint
  }

  /** A TLS server that is given its connections (`emit('connection', socket)`) or listens itself. */
  createServer(options: { readonly handshakeTimeoutMs: number }): tls.Server {
    const server = tls.createServer({
      ...contextOptions(this.#pair),
      handshakeTimeout: options.handshakeTimeoutMs,
    })
    this.#servers.add(server)
    server.once('close', () => this.#servers.delete(server))
    return server
  }
}

export interface CertificatePair {
  readonly certificatePem: string
  readonly keyPem: string
}

/**
 * Connects, by TCP or through a proxy, and speaks TLS. Without ALPN, as stock.
 * Throws CONNECT_FAILED, CONNECT_TIMED_OUT or TLS_FINGERPRINT_REFUSED.
 */
export async function openTlsSocket(
  target: TlsTarget,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<TlsConnection> {
  const timeoutMs = target.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
  try {
    const carrier = target.proxy ? await openProxyTunnel(target.proxy, target, signal) : undefined
    const socket = await shakeHands(target, carrier, signal)
    return await decideTrust(target, socket)
  } catch (error) {
    options.signal?.throwIfAborted()
    const { host, port } = target
    if (timeout.aborted) throw errors.CONNECT_TIMED_OUT({ host, port, timeoutMs }, { cause: error })
    if (!isPlainError(error)) throw error
    throw errors.CONNECT_FAILED(
      { host, port, reason: toError(error).message.trim() },
      { cause: error },
    )
  }
}

/** Turns off Nagle's delay and turns on keep-alive probes, as stock does on both sides. */
export function tuneSocket(socket: net.Socket): void {
  socket.setNoDelay(true)
  socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS)
}

function isPlainError(error: unknown): boolean {
  return !(error instanceof CairnError)
}

function contextOptions({ certificatePem, keyPem }: CertificatePair): tls.SecureContextOptions {
  return {
    cert: certificatePem,
    key: keyPem,
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    sessionIdContext: 'cairn',
  }
}

function checkContext(pair: CertificatePair): void {
  try {
    tls.createSecureContext(contextOptions(pair))
  } catch (error) {
    const reason = toError(error).message
    throw errors.CERTIFICATE_UNREADABLE({ path: 'proxy.pem', reason }, { cause: error })
  }
}

function shakeHands(
  target: TlsTarget,
  carrier: net.Socket | undefined,
  signal: AbortSignal,
): Promise<tls.TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<tls.TLSSocket>()
  const servername = net.isIP(target.host) === 0 ? target.host : ''
  const socket = tls.connect({
    host: target.host,
    port: target.port,
    servername,
    minVersion: 'TLSv1.2',
    // Node's own order has the 256-bit cipher first, which costs a seventh more.
    ciphers: CIPHERS,
    // The decision is ours, below: CA, then pin, then the person.
    rejectUnauthorized: false,
    ...(carrier ? { socket: carrier } : {}),
    ...(target.onread ? { onread: target.onread } : {}),
  })
  const onAbort = () => socket.destroy(toError(signal.reason))
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  const onClose = () => reject(new Error('connection closed during the TLS handshake'))
  socket.once('error', reject)
  socket.once('close', onClose)
  socket.once('secureConnect', () => {
    signal.removeEventListener('abort', onAbort)
    socket.off('error', reject)
    socket.off('close', onClose)
    tuneSocket(socket)
    resolve(socket)
  })
  return promise.finally(() => signal.removeEventListener('abort', onAbort))
}

async function decideTrust(target: TlsTarget, socket: tls.TLSSocket): Promise<TlsConnection> {
  // An error while a person thinks must not end the process; the next write reports it.
  const ignore = () => {}
  socket.on('error', ignore)
  try {
    const fingerprint = socket.getPeerCertificate().fingerprint256?.toLowerCase() ?? ''
    const reason = await refusal(target, socket, fingerprint)
    if (reason === null) return { socket, fingerprint }
    socket.destroy()
    const { host, port } = target
    throw errors.TLS_FINGERPRINT_REFUSED({ host, port, fingerprint, reason })
  } finally {
    socket.off('error', ignore)
  }
}

async function refusal(
  { trust }: TlsTarget,
  socket: tls.TLSSocket,
  fingerprint: string,
): Promise<string | null> {
  if (socket.authorized) return null
  if (trust.fingerprint !== null && sameFingerprint(trust.fingerprint, fingerprint)) return null
  if (trust.confirm && (await trust.confirm(fingerprint))) return null
  if (trust.fingerprint !== null) return `expected fingerprint ${trust.fingerprint}`
  return String(socket.authorizationError)
}
