/**
 * One TCP port for everything (rest-api.md 1.1): TLS goes to the HTTP server, plain HTTP is sent
 * to HTTPS, upgrades go to the sessions.
 */
import * as http from 'node:http'
import * as net from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Log } from '../base/log.ts'
import { type ServerTls, tuneSocket } from '../transport/tls.ts'
import { addConnectionHeader, looksLike } from './sniff.ts'

/** Longest wait for the first bytes; a client that stays silent is taken for TLS then. */
const SNIFF_TIMEOUT_MS = 1_000
/** 10 s from accept, the sniffing included. */
const HANDSHAKE_TIMEOUT_MS = 10_000 - SNIFF_TIMEOUT_MS
/** Connections that have not finished their handshake; more are closed at once. */
const UNGREETED_MAX = 1024
/** A head of a plain request that is only redirected. */
const PLAIN_HEAD_SIZE_MAX = 16_384
const PLAIN_TIMEOUT_MS = 10_000

export interface ListenerOptions {
  readonly tls: ServerTls
  /** Plain server that is handed TLS sockets; it never listens itself. */
  readonly httpServer: http.Server
  /** Whether a request with an `Upgrade` header is for `onUpgrade`; others are served as they are. */
  readonly isUpgrade: (request: http.IncomingMessage) => boolean
  readonly onUpgrade: (request: http.IncomingMessage, socket: Duplex, head: Buffer) => void
  readonly log: Log
}

export interface Listener {
  /**
   * Port 0 takes a free one; a socket that listens already is taken over. Resolves with the address that is listened
   * on; rejects with the system's error.
   */
  listen(address: ListenAddress): Promise<{ host: string; port: number }>
  /** Of the listening socket; null when it is closed, or elsewhere than on a POSIX system. */
  readonly descriptor: number | null
  /** No new connections; those that are open go on. */
  stopAccepting(): Promise<void>
  /** Resolves when no connection is open. */
  untilEmpty(): Promise<void>
  /** Cuts every connection, sessions included. */
  closeConnections(): void
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
  /** Descriptor of a listening socket, from the server that ran before; then host and port do not count. */
  readonly descriptor?: number | undefined
}

/** Puts the pieces together; nothing listens yet. */
export function createListener(options: ListenerOptions): Listener {
  const open = new Set<net.Socket>()
  const tlsServer = createTlsServer(options)
  const plainServer = createRedirectServer()
  prepareUpgrades(options)
  let ungreeted = 0
  let emptied: (() => void)[] = []
  const server = net.createServer({ noDelay: true }, (socket) => {
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      if (open.size > 0) return
      for (const wake of emptied) wake()
      emptied = []
    })
    socket.on('error', (error) => options.log.debug(() => ({ error }), 'connection failed'))
    tuneSocket(socket)
    if (ungreeted >= UNGREETED_MAX) {
      socket.destroy()
      return
    }
    ungreeted += 1
    sniff(socket, (kind) => {
      ungreeted -= 1
      if (kind === 'tls') tlsServer.emit('connection', socket)
      if (kind === 'plain') plainServer.emit('connection', socket)
      // What was read ahead lies in the stream again; somebody has to start it.
      if (kind === 'plain') socket.resume()
    })
  })
  server.on('error', (error) => options.log.error('listener failed', { error }))
  return {
    listen: (address) => listen(server, address),
    get descriptor() {
      // Node has no other way to say it; the number is stable while the socket is open.
      const { _handle: handle } = server as { _handle?: { fd?: number } | null }
      const descriptor = handle?.fd ?? -1
      return descriptor >= 0 ? descriptor : null
    },
    untilEmpty: async () => {
      if (open.size > 0) await new Promise<void>((resolve) => emptied.push(resolve))
    },
    stopAccepting: async () => {
      if (!server.listening) return
      // Its callback waits for the last connection; sessions may live for hours.
      server.close()
    },
    closeConnections: () => {
      for (const socket of open) socket.destroy()
    },
  }
}

/** Calls `decided` once: with null when the connection ended before it said anything. */
function sniff(socket: net.Socket, decided: (kind: 'tls' | 'plain' | null) => void): void {
  const seen: Buffer[] = []
  const finish = (kind: 'tls' | 'plain' | null) => {
    socket.setTimeout(0)
    socket.off('data', onData)
    socket.off('timeout', onTimeout)
    socket.off('close', onClose)
    socket.pause()
    if (kind !== null && seen.length > 0) socket.unshift(Buffer.concat(seen))
    decided(kind)
  }
  const onData = (bytes: Buffer) => {
    seen.push(bytes)
    const kind = looksLike(Buffer.concat(seen))
    if (kind !== 'unclear') finish(kind)
  }
  const onTimeout = () => finish('tls')
  const onClose = () => finish(null)
  socket.setTimeout(SNIFF_TIMEOUT_MS)
  socket.on('data', onData)
  socket.once('timeout', onTimeout)
  socket.once('close', onClose)
}

function createTlsServer({ tls, httpServer, log }: ListenerOptions) {
  const server = tls.createServer({ handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS })
  server.on('secureConnection', (socket) => {
    socket.on('error', (error) => log.debug(() => ({ error }), 'connection failed'))
    repairUpgrade(socket, () => httpServer.emit('connection', socket))
  })
  server.on('tlsClientError', (error, socket) => {
    log.debug(() => ({ error }), 'TLS handshake failed')
    socket.destroy()
  })
  return server
}

/**
 * The stock server looks at `Upgrade` alone, Node also wants `Connection: upgrade`: the first
 * request of a connection gets the header that some clients leave out (protocol page, T7).
 */
function repairUpgrade(socket: TLSSocket, ready: () => void): void {
  socket.once('data', (bytes: Buffer) => {
    socket.pause()
    socket.unshift(addConnectionHeader(bytes))
    ready()
    socket.resume()
  })
}

/** Requests that ask for other upgrades (h2c, websocket) are served as if they had not asked. */
function prepareUpgrades({ httpServer, isUpgrade, onUpgrade }: ListenerOptions): void {
  const server = httpServer as http.Server & { shouldUpgradeCallback?: typeof isUpgrade }
  server.shouldUpgradeCallback = isUpgrade
  httpServer.on('upgrade', (request, socket, head) => {
    // Before Node 24.9 the callback is not asked.
    if (isUpgrade(request)) onUpgrade(request, socket, head)
    else socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  })
}

function createRedirectServer(): http.Server {
  const options = {
    requireHostHeader: false,
    maxHeaderSize: PLAIN_HEAD_SIZE_MAX,
    requestTimeout: PLAIN_TIMEOUT_MS,
    headersTimeout: PLAIN_TIMEOUT_MS,
  }
  return http.createServer(options, (request, response) => {
    const { host } = request.headers
    const reading = request.method === 'GET' || request.method === 'HEAD'
    if (host === undefined) response.writeHead(400, { 'content-length': 0 })
    else {
      const location = `https://${host}`
      response.writeHead(reading ? 301 : 308, { location, 'content-length': 0 })
    }
    response.end()
    request.resume()
  })
}

function listen(
  server: net.Server,
  { host, port, descriptor }: ListenAddress,
): Promise<{ host: string; port: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ host: string; port: number }>()
  server.once('error', reject)
  server.listen(descriptor === undefined ? { host, port } : { fd: descriptor }, () => {
    server.off('error', reject)
    const address = server.address()
    const isKnown = typeof address === 'object' && address !== null
    resolve(isKnown ? { host: address.address, port: address.port } : { host, port })
  })
  return promise
}
