/**
 * Bodies of answers that go from the decryption into the memory where they are wanted. Node's HTTP hands them on in
 * pieces of a TLS record, each in a buffer of its own and through three streams: as much work again as decrypting them.
 *
 * The tap sits in front of Node's parser. Of an answer for which a sink is set, which succeeded and tells its length, it
 * holds the head back until the body is complete, and then gives it to the parser with the length 0. All else passes.
 */
import type { OnReadOpts } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { BodySink } from '../base/body-sinks.ts'

/** Of one TLS record. */
const SCRATCH_SIZE = 16 << 10
/** Longer heads are the parser's matter, which has a limit of its own. */
const HEAD_SIZE_MAX = 16 << 10
const HEAD_END = '\r\n\r\n'
/** One answer of these, and with a body of a known length: no transfer encoding, no interim answer. */
const SUCCESS = /^HTTP\/1\.1 20[06] /
const LENGTH = /\r\ncontent-length: *(\d{1,15}) *(?=\r\n)/gi
const ENCODED = /\r\ntransfer-encoding:/i

interface Coming {
  readonly sink: BodySink
  readonly body: Uint8Array<ArrayBuffer>
  /** What the parser gets in the end. */
  readonly head: Buffer
  size: number
}

export class BodyTap {
  readonly #scratch = new Uint8Array(SCRATCH_SIZE)
  #socket: TLSSocket | null = null
  /** Of the answer that comes next. */
  #sink: BodySink | null = null
  /** The beginning of its head. */
  #head = Buffer.alloc(0)
  #coming: Coming | null = null

  /** For the socket, when it is made. */
  get onread(): OnReadOpts {
    return {
      buffer: () => this.#coming?.body.subarray(this.#coming.size) ?? this.#scratch,
      callback: (size, buffer) => {
        if (this.#coming === null) this.#take(Buffer.from(buffer.subarray(0, size)))
        else this.#advance(this.#coming, size)
        return true
      },
    }
  }

  /** The socket that was made with `onread`; nothing was read yet. */
  attach(socket: TLSSocket): void {
    this.#socket = socket
  }

  /** To be called before the request is sent: `sink` is for its answer; null: that is a stream. */
  expect(sink: BodySink | null): void {
    this.#sink = sink
    this.#head = Buffer.alloc(0)
  }

  #take(bytes: Buffer): void {
    if (this.#sink === null) return this.#pass(bytes)
    this.#head = Buffer.concat([this.#head, bytes])
    const end = this.#head.indexOf(HEAD_END)
    if (end === -1 && this.#head.length < HEAD_SIZE_MAX) return
    const [whole, sink] = [this.#head, this.#sink]
    this.expect(null)
    const head = end === -1 ? null : emptied(whole.toString('latin1', 0, end + HEAD_END.length))
    const rest = whole.subarray(end + HEAD_END.length)
    if (head === null || head.size > sink.sizeMax || rest.length > head.size) {
      return this.#pass(whole)
    }
    const body = sink.allocate(head.size)
    body.set(rest)
    this.#coming = { sink, body, head: Buffer.from(head.text, 'latin1'), size: 0 }
    this.#advance(this.#coming, rest.length)
  }

  #advance(coming: Coming, size: number): void {
    coming.size += size
    coming.sink.onBytes(size)
    if (coming.size < coming.body.length) return
    this.#coming = null
    coming.sink.body = coming.body
    this.#pass(coming.head)
  }

  #pass(bytes: Buffer): void {
    const socket = this.#socket
    // Nobody asked for it: the next answer on this connection would not be the one that was asked for.
    if (socket?.emit('data', bytes) === false) socket.destroy()
  }
}

/** The head with the length 0, and the length that it told; null if there is no body whose end it tells. */
function emptied(text: string): { readonly text: string; readonly size: number } | null {
  const lengths = [...text.matchAll(LENGTH)]
  const size = Number(lengths[0]?.[1])
  if (!SUCCESS.test(text) || ENCODED.test(text) || lengths.length !== 1 || size === 0) return null
  return { text: text.replace(LENGTH, '\r\ncontent-length: 0'), size }
}
