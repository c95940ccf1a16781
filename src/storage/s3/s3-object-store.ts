/** The bucket behind the door, by requests of the AWS library (datastore-semantics.md 19.2, races.md ). */
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { assert } from '../../base/assert.ts'
import { checksumsOf } from '../../formats/body-checksums.ts'
import { checkBatch, checkBody, checkKey } from '../object-limits.ts'
import type {
  DeleteAnswer,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  PutAnswer,
  PutCondition,
  RequestOptions,
  StoredObject,
} from '../object-store.ts'
import type { Call, Outcome } from './attempts.ts'
import { deleteKeys } from './delete-keys.ts'
import { errors } from './errors.ts'
import type { Failure } from './failure.ts'
import { listPages } from './list-pages.ts'
import { DamagedAnswerError, plainEtag, readObject, sinkFor } from './read-object.ts'
import type { S3Parts } from './s3-parts.ts'
import { type SinkOption, withChecksums } from './sdk-client.ts'

/** Stock's: a slow line of 1 KiB/s still gets a chunk through. */
const SLOWEST_UPLOAD = 1_024
/** Smaller bodies are signed in no time. */
const UNSIGNED_SIZE_MIN = 64 << 10
/** Bytes that are wrong in the same way this often are so in the store. */
const DAMAGED_READS_MAX = 3
/** A HEAD answers 404 for a missing bucket, too: an answer of the bucket older than this is asked for again. */
const BUCKET_SEEN_MS = 60_000

export class S3ObjectStore implements ObjectStore {
  readonly #parts: S3Parts
  /** Null: the condition is not honoured and not sent. */
  #ifMatch: 'quoted' | 'unquoted' | null | undefined
  /** Whether ETags of this store are MD5s of contents, by what it answered to our PUTs. */
  #hasMd5Etags: boolean | null = null
  #bucketSeenMs = Number.NEGATIVE_INFINITY

  constructor(parts: S3Parts) {
    this.#parts = parts
    this.#ifMatch = parts.ifMatch
  }

  get place(): string {
    return this.#parts.place
  }

  /** For the probe: what else can be asked of this bucket. */
  get parts(): S3Parts {
    return this.#parts
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | null> {
    checkKey(key)
    const { client, bucket, counters, limits } = this.#parts
    const { range = null, allocate, isChecked = false, signal } = options
    assert(range === null || range.from < range.to, 'a range is not empty')
    const Range = range === null ? undefined : `bytes=${range.from}-${range.to - 1}`
    const onBytes = (size: number): void => counters.add('download', size)
    const damaged: DamagedAnswerError[] = []
    const { result } = await this.#run<StoredObject | null>(
      { operation: 'get', key, signal },
      async (abortSignal) => {
        const command = new GetObjectCommand({ Bucket: bucket, Key: key, Range })
        const limiter = limits.download
        const how = { key, range, limiter, onBytes, allocate, isChecked }
        const sink = sinkFor(how)
        const sending: { readonly abortSignal: AbortSignal } & SinkOption = { abortSignal, sink }
        return await readObject(await client.send(command, sending), { ...how, sink })
      },
      (failure) => {
        if (failure.kind === 'absent' && failure.code === 'NoSuchKey') return null
        if (failure.cause instanceof DamagedAnswerError) damaged.push(failure.cause)
        return this.#judgeDamage(key, damaged)
      },
    )
    return result
  }

  async head(key: string, options: RequestOptions = {}): Promise<ObjectInfo | null> {
    checkKey(key)
    const { client, bucket } = this.#parts
    const { result } = await this.#run<ObjectInfo | null>(
      { operation: 'head', key, ...options },
      async (abortSignal) => {
        const answer = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), {
          abortSignal,
        })
        const { ContentLength: size = 0, ETag, LastModified } = answer
        return { key, size, modifiedMs: LastModified?.getTime() ?? 0, etag: plainEtag(ETag) }
      },
      orNull,
    )
    if (result === null) await this.#checkRecentBucket(options)
    return result
  }

  async put(
    key: string,
    body: Uint8Array,
    options: RequestOptions & { readonly condition: PutCondition },
  ): Promise<PutAnswer> {
    checkKey(key)
    checkBody(key, body)
    const { condition, signal } = options
    if (condition.kind !== 'unchanged') {
      const isConditional =
        condition.kind === 'absent' && !this.#parts.quirks.includes('skip-if-none-match-header')
      return await this.#put(key, body, isConditional ? { IfNoneMatch: '*' } : {}, signal)
    }
    const form = this.#ifMatch
    if (form === null) return await this.#put(key, body, {}, signal)
    const { etag } = condition
    const answer = await this.#put(key, body, { IfMatch: ifMatch(etag, form ?? 'quoted') }, signal)
    if (answer.outcome === 'written') this.#ifMatch ??= 'quoted'
    if (answer.outcome === 'written' || form !== undefined) return answer
    // Some stores take the condition in the other form only, and say "unmet" to this one.
    const found = await this.head(key, options)
    if (found?.etag !== etag) return answer
    const other = await this.#put(key, body, { IfMatch: ifMatch(etag, 'unquoted') }, signal)
    if (other.outcome === 'written') this.#ifMatch = 'unquoted'
    return { ...other, isLate: answer.isLate || other.isLate }
  }

  async copy(
    from: string,
    to: string,
    options: RequestOptions = {},
  ): Promise<{ readonly isFound: boolean; readonly isLate: boolean }> {
    checkKey(from)
    checkKey(to)
    const { client, bucket } = this.#parts
    const CopySource = `${bucket}/${from.split('/').map(encodeURIComponent).join('/')}`
    const { result, isLate } = await this.#run(
      { operation: 'copy to', key: to, ...options },
      async (abortSignal) => {
        const input = { Bucket: bucket, Key: to, CopySource }
        const command = new CopyObjectCommand({ ...input, MetadataDirective: 'REPLACE' })
        await client.send(command, { abortSignal })
        return true
      },
      (failure) => (isAbsent(failure) ? false : undefined),
    )
    return { isFound: result, isLate }
  }

  async delete(keys: readonly string[], options: RequestOptions = {}): Promise<DeleteAnswer> {
    checkBatch(keys)
    return await deleteKeys(this.#parts, keys, options)
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ListPage> {
    return listPages(this.#parts, prefix, options)
  }

  async abortUploads(
    prefix: string,
    options: RequestOptions & { readonly beforeMs: number },
  ): Promise<number> {
    let count = 0
    for await (const { Key, UploadId, Initiated } of this.#uploads(prefix, options)) {
      const startedMs = Initiated?.getTime() ?? Number.POSITIVE_INFINITY
      if (Key === undefined || startedMs >= options.beforeMs) continue
      const { client, bucket } = this.#parts
      const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId })
      const { result } = await this.#run(
        { operation: 'abort an upload of', key: Key, ...options },
        async (abortSignal) => {
          await client.send(command, { abortSignal })
          return 1
        },
        (failure) => (failure.code === 'NoSuchUpload' || isAbsent(failure) ? 0 : undefined),
      )
      count += result
    }
    return count
  }

  async checkBucket(options: RequestOptions = {}): Promise<void> {
    const { client, bucket } = this.#parts
    const { result } = await this.#run<Failure | null>(
      { operation: 'use', key: null, ...options },
      async (abortSignal) => {
        await client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal })
        this.#bucketSeenMs = this.#parts.clock.monotonic()
        return null
      },
      (failure) => (failure.kind === 'absent' ? failure : undefined),
    )
    if (result === null) return
    const { requestId } = result
    const advice = 'check its name, endpoint and region'
    const data = {
      operation: 'use',
      place: this.place,
      key: null,
      requestId,
      advice,
      isLate: false,
    }
    throw errors.S3_REFUSED({ ...data, reason: 'NoSuchBucket: the bucket does not exist' })
  }

  async now(options: RequestOptions = {}): Promise<number> {
    const { clock, clockOffset } = this.#parts
    if (clockOffset() === null) await this.checkBucket(options)
    return clock.now() + (clockOffset() ?? 0)
  }

  async #put(
    key: string,
    body: Uint8Array,
    condition: { readonly IfNoneMatch?: string; readonly IfMatch?: string },
    signal: AbortSignal | undefined,
  ): Promise<PutAnswer> {
    const { client, bucket, limits, requestMs, trustsMd5 } = this.#parts
    signal?.throwIfAborted()
    const isSigned = !trustsMd5 || body.length < UNSIGNED_SIZE_MIN
    const checksums = await checksumsOf(body, { isSigned })
    const timeoutMs = Math.max(requestMs, Math.ceil(body.length / SLOWEST_UPLOAD) * 1_000)
    const ContentType = 'application/octet-stream'
    const input = { Bucket: bucket, Key: key, Body: body, ContentType, ...condition }
    const { result, isLate } = await this.#run<Omit<PutAnswer, 'isLate'>>(
      { operation: 'put', key, signal, timeoutMs },
      async (abortSignal) => {
        const command = withChecksums(new PutObjectCommand(input), checksums)
        const { ETag } = await client.send(command, { abortSignal })
        this.#noteEtag(plainEtag(ETag), checksums.md5)
        return { outcome: 'written', etag: plainEtag(ETag) }
      },
      (failure) => {
        const isMissing = isAbsent(failure) && condition.IfMatch !== undefined
        return failure.kind === 'unmet' || isMissing ? { outcome: 'kept', etag: '' } : undefined
      },
      async () => {
        await limits.puts?.take(1, signal)
        await limits.upload?.take(body.length, signal)
      },
    )
    return { ...result, isLate }
  }

  async #run<Result>(
    call: Omit<Call, 'timeoutMs'> & { readonly timeoutMs?: number },
    send: (signal: AbortSignal) => Promise<Result>,
    accept?: (failure: Failure) => Result | undefined,
    prepare?: () => Promise<void>,
  ): Promise<Outcome<Result>> {
    const { attempts, clock, requestMs } = this.#parts
    const outcome = await attempts.run({ timeoutMs: requestMs, ...call }, { send, accept, prepare })
    // Whoever answered for a key has the bucket; only a HEAD cannot tell, and asks.
    if (call.operation !== 'head') this.#bucketSeenMs = clock.monotonic()
    return outcome
  }

  async *#uploads(prefix: string, options: RequestOptions) {
    const { client, bucket } = this.#parts
    let markers: { KeyMarker?: string; UploadIdMarker?: string } = {}
    for (;;) {
      const input = { Bucket: bucket, Prefix: prefix, ...markers }
      const { result } = await this.#run<ListMultipartUploadsCommandOutput>(
        { operation: 'list uploads of', key: prefix, ...options },
        async (abortSignal) =>
          await client.send(new ListMultipartUploadsCommand(input), { abortSignal }),
      )
      yield* result.Uploads ?? []
      const { NextKeyMarker, NextUploadIdMarker } = result
      if (result.IsTruncated !== true || NextKeyMarker === undefined) return
      if (NextKeyMarker === markers.KeyMarker && NextUploadIdMarker === markers.UploadIdMarker)
        return
      markers = {
        KeyMarker: NextKeyMarker,
        ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
      }
    }
  }

  #noteEtag(etag: string, md5: string): void {
    if (this.#hasMd5Etags !== false) this.#hasMd5Etags = etag === md5
  }

  /** What to make of reads that were damaged so far; undefined: read again. */
  #judgeDamage(key: string, damaged: readonly DamagedAnswerError[]): StoredObject | undefined {
    const last = damaged.at(-1)
    if (last?.md5 === undefined || last.md5 === null || last.object === null) return undefined
    const isMd5 = this.#hasMd5Etags
    if (isMd5 === false) return last.object
    const same = damaged.filter(({ md5 }) => md5 === last.md5)
    if (same.length < DAMAGED_READS_MAX) return undefined
    const { etag } = last.object
    if (isMd5 === true) {
      throw errors.S3_CONTENT_WRONG({ place: this.place, key, expected: etag, found: last.md5 })
    }
    // Nothing says yet that its ETags are MD5s at all; whoever decodes the content has a checksum, too.
    this.#parts.log.warn('ETag is not the MD5 of the content', { place: this.place, key, etag })
    return last.object
  }

  async #checkRecentBucket(options: RequestOptions): Promise<void> {
    const { clock } = this.#parts
    if (clock.monotonic() - this.#bucketSeenMs < BUCKET_SEEN_MS) return
    await this.checkBucket(options)
  }
}

function ifMatch(etag: string, form: 'quoted' | 'unquoted'): string {
  return form === 'quoted' ? `"${etag}"` : etag
}

function isAbsent(failure: Failure): boolean {
  return failure.kind === 'absent'
}

function orNull(failure: Failure): null | undefined {
  return isAbsent(failure) ? null : undefined
}
