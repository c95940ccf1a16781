/** What a datastore has in its bucket and asks of it (`cairn s3 usage`). */
import type { Datastore } from '../../datastore/datastore.ts'
import { type Digest, parseDigest } from '../../formats/digest.ts'
import { digestAfter } from '../../storage/bucket-chunks/chunk-keys.ts'
import { refused } from '../errors.ts'
import type { Counts } from './counter-table.ts'
import type { S3Access } from './s3-access.ts'

export interface BucketUsage {
  readonly requests: ShownCounts
  readonly chunks: {
    readonly objects: number
    /** Of those whose size is known. */
    readonly bytes: number
    /** Whether all of it is: not while local knowledge is being rebuilt, or is out of date. */
    readonly known: boolean
  }
  /** Null: there is no cache. */
  readonly cache: {
    readonly bytes: number
    readonly chunks: number
    readonly 'bytes-max': number | null
  } | null
}

/** As stock shows them in the status of a datastore. */
export interface ShownCounts {
  readonly get: number
  readonly put: number
  readonly post: number
  readonly delete: number
  readonly head: number
  readonly uploaded: number
  readonly downloaded: number
}

/** Entries of the ledger read at a time: a few milliseconds of a thread. */
const BATCH = 10_000

/** Asks nothing of the bucket. Errors: `store '…' not backed by S3`. */
export async function readUsage(
  s3: S3Access,
  store: Datastore,
  signal?: AbortSignal,
): Promise<BucketUsage> {
  const { bucket } = store.core
  const { backend } = store.settings
  if (bucket === null || backend.kind !== 's3') {
    throw refused(`store '${store.name}' not backed by S3`)
  }
  const counts = await s3.counters.read({ ...backend, prefix: store.name })
  const cache = bucket.cacheUse
  let bytes = 0
  let objects = 0
  let isWhole = !bucket.isStale
  let from: Digest | null = FIRST
  while (from !== null) {
    signal?.throwIfAborted()
    const batch = await bucket.ledger.entries(from, null, BATCH)
    objects += batch.length
    for (const { size } of batch) {
      bytes += size ?? 0
      if (size === null) isWhole = false
    }
    const last = batch.at(-1)
    from = last === undefined || batch.length < BATCH ? null : digestAfter(last.digest)
  }
  return {
    requests: shownCounts(counts),
    chunks: { objects, bytes, known: isWhole },
    cache:
      cache === null
        ? null
        : { bytes: cache.bytes, chunks: cache.count, 'bytes-max': backend.maxCacheBytes },
  }
}

export function shownCounts(counts: Counts): ShownCounts {
  const { get, put, post, delete: deleted, head, upload, download } = counts
  return { get, put, post, delete: deleted, head, uploaded: upload, downloaded: download }
}

const FIRST = parseDigest('0'.repeat(64))
