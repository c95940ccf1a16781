/**
 * Answers on the wire: the envelopes `json` and `extjs` (rest-api §1.2), streams (§1.7) and
 * compression (§1.1). Handlers return plain values or one of the classes below.
 */

export type OutputFormat = 'json' | 'extjs'

/** Header values by lower-case name. */
export type ReplyHeaders = Readonly<Record<string, string | readonly string[]>>

/** What goes onto the wire, whole or in pieces. */
export interface WireReply {
  readonly status: number
  readonly headers: ReplyHeaders
  readonly body: Uint8Array | AsyncIterable<Uint8Array>
  /** Whether the answer may be deflated when the client takes it. */
  readonly compressible: boolean
  /** Disposed of when the answer is out: what a streamed body reads from. */
  readonly held?: Disposable
}

export const JSON_CONTENT_TYPE = 'application/json;charset=UTF-8'

/** A value with siblings of `data`: `digest`, `total`, `active`. */
export class WithAttributes {
  readonly data: unknown
  readonly attributes: Readonly<Record<string, unknown>>

  constructor(data: unknown, attributes: Readonly<Record<string, unknown>>) {
    this.data = data
    this.attributes = attributes
  }
}

/** Items of a list that are JSON text already, one or more, with commas between them. */
export class JsonItems {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A long list that is sent while it is read; the attributes come first (rest-api §1.2). */
export class IncrementalList {
  readonly items: AsyncIterable<unknown>
  readonly attributes: Readonly<Record<string, unknown>>

  constructor(items: AsyncIterable<unknown>, attributes: Readonly<Record<string, unknown>> = {}) {
    this.items = items
    this.attributes = attributes
  }
}

/** An answer past the envelope: downloads, tickets, task logs. */
export class RawReply {
  readonly headers: ReplyHeaders
  readonly body: Uint8Array | AsyncIterable<Uint8Array>

  constructor(headers: ReplyHeaders, body: Uint8Array | AsyncIterable<Uint8Array>) {
    this.headers = headers
    this.body = body
  }
}

/** The answer to a handler's `result` in `format`. */
export async function successReply(format: OutputFormat, result: unknown): Promise<WireReply> {
  if (result instanceof RawReply) {
    const { headers, body } = result
    const primed = body instanceof Uint8Array ? body : await primeStream(body)
    return { status: 200, headers, body: primed, compressible: true }
  }
  if (result instanceof IncrementalList) return await incrementalReply(format, result)
  const { data, attributes } =
    result instanceof WithAttributes ? result : { data: result, attributes: {} }
  const envelope = { data: data ?? null, ...attributes }
  const whole = format === 'json' ? envelope : { ...envelope, status: 200, success: true }
  return {
    status: 200,
    headers: { 'content-type': JSON_CONTENT_TYPE },
    body: jsonBytes(whole),
    compressible: true,
  }
}

/** Reads the first piece before the status goes out: most failures show there. */
async function primeStream(body: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = body[Symbol.asyncIterator]()
  const first = await iterator.next()
  return endingTogether(resumeStream(iterator, first), iterator)
}

async function* resumeStream(
  iterator: AsyncIterator<Uint8Array>,
  first: IteratorResult<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (let next = first; next.done !== true; next = await iterator.next()) yield next.value
}

/**
 * `pieces`, made from `source`, which is ended with them: also if nobody ever begins to read, of which a generator
 * alone does not hear. A file left open in it would end the whole process when the garbage is collected.
 */
function endingTogether(
  pieces: AsyncGenerator<Uint8Array>,
  source: AsyncIterator<unknown>,
): AsyncIterableIterator<Uint8Array> {
  return {
    next: () => pieces.next(),
    async return() {
      await pieces.return(undefined)
      await source.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** The first item is read before the status goes out: most failures show there. */
async function incrementalReply(format: OutputFormat, list: IncrementalList): Promise<WireReply> {
  const iterator = list.items[Symbol.asyncIterator]()
  const first = await iterator.next()
  const head =
    format === 'json' ? list.attributes : { status: 200, success: true, ...list.attributes }
  return {
    status: 200,
    headers: { 'content-type': JSON_CONTENT_TYPE },
    body: endingTogether(listBytes(JSON.stringify(head), iterator, first), iterator),
    compressible: true,
  }
}

/** Pieces of about this many characters; one write per item would be slow. */
const LIST_PIECE_SIZE = 65_536

async function* listBytes(
  head: string,
  iterator: AsyncIterator<unknown>,
  first: IteratorResult<unknown>,
): AsyncGenerator<Uint8Array> {
  let piece = `${head.slice(0, -1)}${head === '{}' ? '' : ','}"data":[`
  let separator = ''
  for (let next = first; next.done !== true; next = await iterator.next()) {
    const { value } = next
    piece += separator + (value instanceof JsonItems ? value.text : JSON.stringify(value))
    separator = ','
    if (piece.length < LIST_PIECE_SIZE) continue
    yield textBytes(piece)
    piece = ''
  }
  yield textBytes(`${piece}]}`)
}

/** A bare status with plain text and no content type: what is refused above the formatter. */
export function plainReply(status: number, text: string, headers: ReplyHeaders = {}): WireReply {
  return { status, headers, body: textBytes(text), compressible: false }
}

/** UTF-8 of the compact JSON of `value`. */
export function jsonBytes(value: unknown): Uint8Array {
  return textBytes(JSON.stringify(value))
}

/** UTF-8 of `text`. */
export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Whether `Accept-Encoding` lists deflate; items are split at comma or space (rest-api §1.1). */
export function acceptsDeflate(acceptEncoding: string | undefined): boolean {
  if (acceptEncoding === undefined) return false
  return acceptEncoding.split(/[, ]+/).some((item) => item.split(';', 1)[0] === 'deflate')
}
