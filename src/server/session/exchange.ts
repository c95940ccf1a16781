/**
 * One request on an upgraded connection (backup-protocol.md 3). It is answered exactly once, and
 * its body is always read to the end: Node resets a stream whose body was left unread, which stock
 * clients take for a failure (9, note 3).
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { toError } from '../../base/errors.ts'
import { PARAMETER_BODY_SIZE_MAX } from '../../protocol/request-parameters.ts'
import { refused } from '../errors.ts'
import { JSON_CONTENT_TYPE, jsonBytes } from '../reply.ts'
import { splitUrl } from '../request-path.ts'

/** What a call answers. */
export type SessionReply =
  /** `{"data": value}`. */
  | { readonly kind: 'data'; readonly value: unknown }
  /**
   * Raw bytes. `sent` is disposed of when they are out or the stream is gone; `memory` only when they have left the
   * process: of a stream that is closed, in order or not, frames may still be waiting that point into it.
   */
  | {
      readonly kind: 'bytes'
      readonly bytes: Uint8Array
      readonly memory?: Disposable
      readonly sent?: Disposable
    }
  /** A file of unknown length on the wire. */
  | { readonly kind: 'stream'; readonly pieces: AsyncIterable<Uint8Array> }

const OCTETS = 'application/octet-stream'

/** The text that the stock server logs for a body that ends too early. One for all: every stream's end names it. */
const BROKEN_BODY = toError(refused('error reading a body from connection'))

export class Exchange {
  readonly method: string
  /** As sent, without query. */
  readonly rawPath: string
  readonly query: string
  readonly contentType: string | undefined
  readonly #stream: ServerHttp2Stream
  readonly #abort = new AbortController()
  #isBodyRead = false

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    const { path, query } = splitUrl(headers[':path'] ?? '')
    this.method = headers[':method'] ?? ''
    this.rawPath = path
    this.query = query
    this.contentType = headers['content-type']
    this.#stream = stream
    stream.once('close', () => this.#abort.abort(BROKEN_BODY))
  }

  /** Aborted when the stream is over, answered or not. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Whether the client has not sent its whole body yet. */
  get isReceiving(): boolean {
    return !this.#stream.readableEnded && !this.#stream.endAfterHeaders
  }

  /**
   * Reads the body into `target`; resolves with its whole length, or as soon as it is longer than
   * `target` (the rest is dropped as it comes). Rejects when it breaks off.
   */
  async readInto(target: Uint8Array): Promise<number> {
    return await this.#copy(target, (size) => size <= target.length)
  }

  /** The body of a call whose parameters may lie in it; longer ones are cut just past the limit. */
  async readParameters(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    let size = 0
    await this.#read((piece) => {
      if (size < PARAMETER_BODY_SIZE_MAX) pieces.push(piece)
      size += piece.length
      return size < PARAMETER_BODY_SIZE_MAX
    })
    return Buffer.concat(pieces)
  }

  /** As `readInto`, but counts to the end of the body: some texts say its whole length. */
  async readWhole(target: Uint8Array): Promise<number> {
    return await this.#copy(target, () => true)
  }

  /** Sends `reply`; resolves when it is out or the stream is gone. Rejects if its source fails. */
  async send(reply: SessionReply): Promise<void> {
    this.#dropBody()
    switch (reply.kind) {
      case 'data':
        return this.#sendBytes(200, JSON_CONTENT_TYPE, jsonBytes({ data: reply.value }))
      case 'bytes':
        try {
          this.#sendBytes(200, OCTETS, reply.bytes, (error) => {
            if (!error) reply.memory?.[Symbol.dispose]()
          })
          await this.#finished()
        } finally {
          reply.sent?.[Symbol.dispose]()
        }
        return undefined
      case 'stream':
        return await this.#sendStream(reply.pieces)
      default:
        return reply satisfies never
    }
  }

  /** Sends an error: plain text, with a content type only where stock has one (3.4). */
  sendError(error: {
    readonly status: number
    readonly text: string
    readonly typed: boolean
  }): void {
    this.#dropBody()
    const type = error.typed ? JSON_CONTENT_TYPE : null
    this.#sendBytes(error.status, type, Buffer.from(error.text))
  }

  /** Resets the stream: an answer that has begun cannot become an error. */
  reset(): void {
    this.#stream.close(2 /* INTERNAL_ERROR */)
  }

  async #copy(target: Uint8Array, goOn: (size: number) => boolean): Promise<number> {
    let size = 0
    await this.#read((piece) => {
      const room = target.length - size
      if (room > 0) target.set(piece.length > room ? piece.subarray(0, room) : piece, size)
      size += piece.length
      return goOn(size)
    })
    return size
  }

  #read(take: (piece: Uint8Array) => boolean): Promise<void> {
    this.#isBodyRead = true
    const stream = this.#stream
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Once settled nothing is taken any more: the caller's buffer may serve another body by then.
    let isTaking = true
    const settle = (error: Error | null): void => {
      isTaking = false
      if (error === null) resolve()
      else reject(error)
    }
    if (stream.destroyed && !stream.readableEnded) settle(BROKEN_BODY)
    stream.on('data', (piece: Uint8Array) => {
      if (isTaking && !take(piece)) settle(null)
    })
    stream.once('end', () => settle(null))
    stream.once('aborted', () => settle(BROKEN_BODY))
    stream.once('close', () => settle(BROKEN_BODY))
    return promise
  }

  #dropBody(): void {
    if (!this.#isBodyRead) this.#stream.resume()
    this.#isBodyRead = true
  }

  #sendBytes(
    status: number,
    type: string | null,
    bytes: Uint8Array,
    onWritten?: (error: Error | null | undefined) => void,
  ): void {
    const stream = this.#stream
    if (stream.destroyed || stream.closed) return
    stream.respond({
      ':status': status,
      ...(type === null ? {} : { 'content-type': type }),
      'content-length': bytes.length,
    })
    if (onWritten === undefined) {
      stream.end(bytes)
      return
    }
    // Not the callback of `end`: it is not called once the stream was closed in order.
    stream.write(bytes, onWritten)
    stream.end()
  }

  async #sendStream(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const stream = this.#stream
    if (!stream.destroyed && !stream.closed) {
      stream.respond({ ':status': 200, 'content-type': OCTETS })
    }
    for await (const piece of pieces) {
      if (stream.destroyed || stream.closed) return
      if (!stream.write(piece)) await this.#drained()
    }
    stream.end()
  }

  #drained(): Promise<void> {
    return this.#event('drain')
  }

  #finished(): Promise<void> {
    return this.#event('finish')
  }

  #event(name: 'drain' | 'finish'): Promise<void> {
    const stream = this.#stream
    const { promise, resolve } = Promise.withResolvers<void>()
    const done = (): void => {
      stream.off(name, done)
      stream.off('close', done)
      resolve()
    }
    if (stream.destroyed) resolve()
    stream.on(name, done)
    stream.on('close', done)
    return promise
  }
}
