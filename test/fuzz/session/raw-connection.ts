/** Bytes to the server as they are, over TLS; everything that comes back until it hangs up. */
import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import type { SeededRandom } from '../../../bench/support/random.ts'
import { openTlsSocket } from '../../../src/transport/tls.ts'
import type { FuzzedServer } from './fuzzed-server.ts'
import { refusal, within } from './judge.ts'

const PATIENCE_MS = 100
/** More than any answer to a few requests. */
const RECEIVED_SIZE_MAX = 64 << 20

export class RawConnection {
  readonly #socket: TLSSocket
  #received: Buffer[] = []
  #size = 0
  #wake = (): void => {}

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      this.#size += bytes.length
      if (this.#size < RECEIVED_SIZE_MAX) this.#received.push(bytes)
      this.#wake()
    })
    socket.on('close', () => this.#wake())
  }

  static async open(server: FuzzedServer): Promise<RawConnection> {
    const { socket } = await openTlsSocket(server.target, {})
    return new RawConnection(socket)
  }

  /** What came so far, a character a byte. */
  get received(): string {
    this.#received = [Buffer.concat(this.#received)]
    return this.#received[0]?.toString('latin1') ?? ''
  }

  /** Waits until `text` has come; refused when the server hangs up before. */
  async waitFor(text: string): Promise<void> {
    while (!this.received.includes(text)) {
      if (this.#socket.destroyed || this.#socket.readableEnded) throw refusal(this.received)
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      this.#socket.once('end', resolve)
      await within(`waiting for ${JSON.stringify(text)}`, promise)
    }
  }

  /** Waits for an answer, but not long: what was sent may be no request, or only half of one. */
  async waitALittle(text: string): Promise<void> {
    const timer = setTimeout(() => this.#wake(), PATIENCE_MS)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    this.#socket.once('end', resolve)
    if (!this.received.includes(text) && !this.#socket.destroyed) await promise
    clearTimeout(timer)
  }

  /** In one piece or in some. */
  async send(bytes: Uint8Array, random: SeededRandom): Promise<void> {
    const size = random.below(2) === 0 ? bytes.length : 1 + random.below(bytes.length + 1)
    for (let at = 0; at < bytes.length; at += size) {
      if (!this.#socket.writable) return
      this.#socket.write(bytes.subarray(at, at + size))
      if (size < bytes.length) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Says that nothing more comes, or just goes; resolves when the server has hung up, too. */
  async finish(random: SeededRandom): Promise<void> {
    if (random.below(4) === 0) this.#socket.destroy()
    else this.#socket.end()
    if (this.#socket.closed) return
    await within('waiting for the end of the connection', once(this.#socket, 'close'))
  }
}
