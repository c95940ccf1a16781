/** A `WireReply` onto the socket through Fastify, deflated where asked for. */
import { Readable, pipeline } from 'node:stream'
import { promisify } from 'node:util'
import { createDeflate, deflate } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { acceptsDeflate, type WireReply } from './reply.ts'

/** Stands where Fastify would put a type of its own. */
const NO_CONTENT_TYPE = 'x-none/none'

const deflateBytes = promisify(deflate)

/**
 * Sends `wire`. Text must not become `text/plain`, and an answer without content type must stay
 * without: `dropEmptyContentType` takes the placeholder out again.
 */
export async function sendReply(
  request: FastifyRequest,
  reply: FastifyReply,
  wire: WireReply,
): Promise<FastifyReply> {
  if (wire.held !== undefined) holdUntilClosed(reply, wire.held)
  reply.code(wire.status).headers({ 'content-type': NO_CONTENT_TYPE, ...wire.headers })
  if (wire.compressible && acceptsDeflate(request.headers['accept-encoding'])) {
    reply.header('content-encoding', 'deflate')
    return reply.send(await deflated(wire.body))
  }
  const { body } = wire
  return reply.send(body instanceof Uint8Array ? asBuffer(body) : byteStream(body))
}

/** An `onSend` hook of Fastify's. */
export async function dropEmptyContentType(
  _request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  if (reply.getHeader('content-type') === NO_CONTENT_TYPE) reply.removeHeader('content-type')
}

/** A stream in either case: stock sends deflated answers without a length. */
async function deflated(body: WireReply['body']): Promise<Readable> {
  if (body instanceof Uint8Array) return Readable.from([await deflateBytes(body)])
  // The error reaches whoever reads the end of the pipeline.
  return pipeline(byteStream(body), createDeflate(), () => {})
}

/** Bytes ahead of a slow client; pieces may be whole chunks, so they are counted by size. */
const AHEAD_SIZE_MAX = 1_048_576

function byteStream(body: AsyncIterable<Uint8Array>): Readable {
  return Readable.from(body, { objectMode: false, highWaterMark: AHEAD_SIZE_MAX })
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function holdUntilClosed({ raw }: FastifyReply, held: Disposable): void {
  if (raw.closed) held[Symbol.dispose]()
  else raw.once('close', () => held[Symbol.dispose]())
}
