/** A TLS server that answers every request with the same bytes, whatever they are, and hangs up. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { certificateFingerprint, type TlsTarget } from '../../src/transport/tls.ts'
import { testCertificate } from '../support/certificate.ts'
import { findFrame } from './http2-frames.ts'

const HEAD_END = '\r\n\r\n'
/** A client that was told nonsense may never ask: it hears the rest then. */
const PATIENCE_MS = 200

export class HostileServer {
  /** Sent when the head of a request is complete. */
  answer: Uint8Array = new Uint8Array(0)
  /** How much of it; the rest is for the first request on HTTP/2. */
  firstSize: number | null = null
  readonly target: TlsTarget

  private constructor(server: Server, fingerprint: string) {
    const { port } = server.address() as AddressInfo
    this.target = { host: '127.0.0.1', port, trust: { fingerprint } }
    server.on('secureConnection', (socket) => this.#serve(socket))
    server.on('tlsClientError', () => {})
  }

  static async open(): Promise<HostileServer> {
    const { keyPem, certificatePem } = await testCertificate()
    const server = createServer({ key: keyPem, cert: certificatePem })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    // An idle server must not keep the process.
    server.unref()
    return new HostileServer(server, certificateFingerprint(certificatePem))
  }

  #serve(socket: TLSSocket): void {
    const { answer } = this
    const firstSize = this.firstSize ?? answer.length
    let received = ''
    let headEnd = -1
    socket.on('error', () => {})
    const sendRest = (): void => void socket.end(answer.subarray(firstSize))
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      if (headEnd >= 0) {
        if (findFrame(received.slice(headEnd + HEAD_END.length), 'HEADERS')) sendRest()
        return
      }
      headEnd = received.indexOf(HEAD_END)
      if (headEnd < 0) return
      socket.write(answer.subarray(0, firstSize))
      if (firstSize >= answer.length) sendRest()
      else setTimeout(sendRest, PATIENCE_MS).unref()
    })
  }
}
