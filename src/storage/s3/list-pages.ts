/** LIST, page after page (datastore-semantics.md 19.2). */
import {
  type _Object,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3'
import { compareKeys } from '../object-limits.ts'
import {
  KEYS_PER_REQUEST,
  type ListOptions,
  type ListPage,
  type ObjectInfo,
} from '../object-store.ts'
import { errors } from './errors.ts'
import { plainEtag } from './read-object.ts'
import type { S3Parts } from './s3-parts.ts'

/** The pages of `prefix`. Throws what ObjectStore says; S3_REFUSED, too, if the pages do not go on. */
export async function* listPages(
  parts: S3Parts,
  prefix: string,
  options: ListOptions,
): AsyncGenerator<ListPage, void, undefined> {
  const { signal, after, delimiter } = options
  let token: string | undefined
  let last = after ?? ''
  for (;;) {
    signal?.throwIfAborted()
    const answer = await requestPage(parts, { prefix, after, delimiter, token, signal })
    const page = decodePage(answer)
    const first = page.objects[0]?.key
    if (first !== undefined && compareKeys(first, last) <= 0) throw standsStill(parts, prefix)
    last = page.objects.at(-1)?.key ?? last
    yield page
    if (answer.IsTruncated !== true) return
    if (answer.NextContinuationToken === undefined || answer.NextContinuationToken === token) {
      throw standsStill(parts, prefix)
    }
    token = answer.NextContinuationToken
  }
}

interface PageRequest {
  readonly prefix: string
  readonly after: string | undefined
  readonly delimiter: string | undefined
  readonly token: string | undefined
  readonly signal: AbortSignal | undefined
}

async function requestPage(
  { client, bucket, attempts, requestMs }: S3Parts,
  { prefix, after, delimiter, token, signal }: PageRequest,
): Promise<ListObjectsV2CommandOutput> {
  const input = {
    Bucket: bucket,
    Prefix: prefix,
    MaxKeys: KEYS_PER_REQUEST,
    // Keys may hold what XML cannot.
    EncodingType: 'url',
    Delimiter: delimiter,
    StartAfter: token === undefined ? after : undefined,
    ContinuationToken: token,
  } as const
  const { result } = await attempts.run(
    { operation: 'list', key: prefix, timeoutMs: requestMs, signal },
    {
      send: async (abortSignal) =>
        await client.send(new ListObjectsV2Command(input), { abortSignal }),
    },
  )
  return result
}

/** A store that does not know the encoding says so by leaving it out. */
function decodePage(answer: ListObjectsV2CommandOutput): ListPage {
  const isEncoded = answer.EncodingType === 'url'
  const decode = (text: string): string =>
    isEncoded ? decodeURIComponent(text.replaceAll('+', '%20')) : text
  return {
    objects: (answer.Contents ?? []).map((found) => decodeObject(found, decode)),
    folders: (answer.CommonPrefixes ?? []).map(({ Prefix = '' }) => decode(Prefix)),
  }
}

function decodeObject(
  { Key = '', Size = 0, ETag, LastModified }: _Object,
  decode: (text: string) => string,
): ObjectInfo {
  const modifiedMs = LastModified?.getTime() ?? 0
  return { key: decode(Key), size: Size, modifiedMs, etag: plainEtag(ETag) }
}

function standsStill({ place }: S3Parts, prefix: string): Error {
  return errors.S3_REFUSED({
    operation: 'list',
    place,
    key: prefix,
    requestId: null,
    reason: 'the pages of the list do not go on in the order of keys',
    advice: 'use a store that implements ListObjectsV2',
    isLate: false,
  })
}
