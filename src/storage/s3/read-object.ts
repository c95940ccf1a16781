/** One answer with a body: received into one buffer, its length and checksum compared (datastore-semantics.md 19.2). */
import type { Readable } from 'node:stream'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import type { BodySink } from '../../base/body-sinks.ts'
import type { Allocate } from '../../base/buffer-pool.ts'
import { toError } from '../../base/errors.ts'
import { md5OfBody } from '../../formats/body-checksums.ts'
import { OBJECT_SIZE_MAX, type StoredObject } from '../object-store.ts'
import { errors } from './errors.ts'
import type { Limiter } from './s3-parts.ts'

export interface ReadOptions {
  readonly key: string
  /** Null: the whole object. */
  readonly range: { readonly from: number; readonly to: number } | null
  readonly limiter: Limiter | undefined
  /** Called with the size of each piece as it comes. */
  readonly onBytes: (size: number) => void
  readonly allocate: Allocate | undefined
  /** Nothing is compared with the ETag. */
  readonly isChecked: boolean
  /** What the request was sent with. */
  readonly sink?: BodySink | null
}

/** Where the body is to lie if its connection can do that; null: it must come as a stream, whose pace can be held. */
export function sinkFor({
  allocate = allocateNew,
  limiter,
  onBytes,
}: ReadOptions): BodySink | null {
  if (limiter !== undefined) return null
  return { allocate, onBytes, sizeMax: OBJECT_SIZE_MAX, body: null }
}

/** What was received is not what the store said it sent; another attempt may bring it. */
export class DamagedAnswerError extends Error {
  /** MD5 of what came, if only that is wrong. */
  readonly md5: string | null
  readonly object: StoredObject | null

  constructor(
    reason: string,
    wrong: { readonly md5: string; readonly object: StoredObject } | null,
  ) {
    super(reason)
    this.name = 'DamagedAnswerError'
    this.md5 = wrong?.md5 ?? null
    this.object = wrong?.object ?? null
  }
}

/** The object of `answer`. Throws DamagedAnswerError, S3_BODY_TOO_LARGE, or what the connection says. */
export async function readObject(
  answer: GetObjectCommandOutput,
  options: ReadOptions,
): Promise<StoredObject> {
  const { key, range } = options
  const received = await receive(answer, options)
  const size = sizeOf(answer, received.length)
  // A store that ignores ranges sends everything.
  const isPart = range !== null && answer.ContentRange !== undefined
  const body = range === null || isPart ? received : received.subarray(range.from, range.to)
  const etag = plainEtag(answer.ETag)
  const object = { key, size, modifiedMs: answer.LastModified?.getTime() ?? 0, etag, body }
  if (isPart && body.length !== Math.min(range.to, size) - range.from) {
    throw new DamagedAnswerError(`received ${body.length} bytes of another range`, null)
  }
  if (isPart || options.isChecked || !isContentMd5(answer, etag)) return object
  const md5 = await md5OfBody(received)
  if (md5 === etag) return object
  throw new DamagedAnswerError(`content has MD5 ${md5}, the store says ${etag}`, { md5, object })
}

/** An ETag without quotes and without the mark of a weak one. */
export function plainEtag(etag: string | undefined): string {
  return (etag ?? '').replace(/^(W\/)?"?/, '').replace(/"$/, '')
}

/** Whether the ETag can be the MD5 of the content: not of parts, nor with a key of the store's own. */
function isContentMd5(answer: GetObjectCommandOutput, etag: string): boolean {
  const isKeyed = answer.ServerSideEncryption?.startsWith('aws:kms') === true
  return /^[0-9a-f]{32}$/.test(etag) && !isKeyed && answer.SSECustomerAlgorithm === undefined
}

function sizeOf(answer: GetObjectCommandOutput, receivedSize: number): number {
  const total = /\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1]
  return total === undefined ? receivedSize : Number(total)
}

const allocateNew: Allocate = (size) => new Uint8Array(size)

async function receive(
  answer: GetObjectCommandOutput,
  { key, limiter, onBytes, allocate = allocateNew, sink = null }: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  if (sink !== null && sink.body !== null) {
    // Empty, but its end frees the connection.
    ;(answer.Body as Readable).resume()
    return sink.body
  }
  const size = answer.ContentLength
  if (size === undefined) throw new DamagedAnswerError('the answer has no length', null)
  if (size > OBJECT_SIZE_MAX) {
    throw errors.S3_BODY_TOO_LARGE({ key, size, sizeMax: OBJECT_SIZE_MAX })
  }
  const body = allocate(size)
  let offset = 0
  await eachPiece(answer.Body as Readable, limiter, (piece) => {
    onBytes(piece.length)
    if (offset + piece.length > size)
      throw new DamagedAnswerError('more bytes than announced', null)
    body.set(piece, offset)
    offset += piece.length
  })
  if (offset === size) return body
  throw new DamagedAnswerError(`received ${offset} of ${size} bytes`, null)
}

/**
 * Gives the pieces of `source` to `take` as they come. By events: an iterator gathers and copies them, and a chunk has
 * hundreds. Rejects with the stream's error, or what `take` throws: then nothing more is taken.
 */
function eachPiece(
  source: Readable,
  limiter: Limiter | undefined,
  take: (piece: Uint8Array) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const fail = (error: unknown): void => {
    reject(toError(error))
    source.destroy()
  }
  const goOn = (): void => void source.resume()
  const onClose = (): void => fail(new Error('the connection was closed'))
  if (source.destroyed) onClose()
  source.on('data', (piece: Uint8Array) => {
    try {
      // One that failed may have more pieces on the way.
      if (source.destroyed) return
      take(piece)
    } catch (error) {
      return fail(error)
    }
    if (limiter === undefined) return
    source.pause()
    // Nobody's signal: a request that was sent is waited for.
    limiter.take(piece.length).then(goOn, fail)
  })
  source.once('end', resolve)
  source.once('error', fail)
  source.once('close', onClose)
  return promise
}
