/**
 * The objects of one bucket: the door that the SDK's client, a memory double and the simulator's bucket implement
 * (datastore-semantics.md 19.2, races.md R-60).
 *
 * An implementation promises:
 * - one request at a time per call; it repeats those that may pass within a stated budget, and counts each attempt;
 * - a request that was sent is waited for: `signal` is looked at between attempts only, so a promise settles when the
 *   last attempt was answered or given up by its own time-out, never before;
 * - whether an attempt was given up without an answer is told (`isLate`, or `isLate` of the error): the store may
 *   execute it long after, even after a later attempt was answered;
 * - keys are whole keys (`<store>/.chunks/…`), bodies are neither copied nor changed; at most `OBJECT_SIZE_MAX` bytes.
 */

import type { Allocate } from '../base/buffer-pool.ts'

export interface ObjectInfo {
  readonly key: string
  readonly size: number
  /** By the store's clock, milliseconds since the epoch. */
  readonly modifiedMs: number
  /** As the store writes it, without quotes. */
  readonly etag: string
}

export interface StoredObject extends ObjectInfo {
  readonly body: Uint8Array<ArrayBuffer>
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined
}

export interface GetOptions extends RequestOptions {
  /** These bytes only, end exclusive. */
  readonly range?: { readonly from: number; readonly to: number }
  /** Gives the memory for the body; it may be asked once for each attempt. Default: of its own. */
  readonly allocate?: Allocate | undefined
  /** The caller checks what comes by itself: it is not compared with the ETag. Default false. */
  readonly isChecked?: boolean
}

/** When an object may be written. */
export type PutCondition =
  /** Whatever is there is replaced. */
  | { readonly kind: 'always' }
  /** `If-None-Match: *`; not honoured everywhere, see the verdict of the probe: then it is as 'always'. */
  | { readonly kind: 'absent' }
  /** `If-Match`; the same. A missing object is no unchanged one. */
  | { readonly kind: 'unchanged'; readonly etag: string }

/** Whether `condition` allows a write where `found` is: what a bucket that honours it decides by. */
export function conditionHolds(
  found: { readonly etag: string } | undefined,
  condition: PutCondition,
): boolean {
  switch (condition.kind) {
    case 'always':
      return true
    case 'absent':
      return found === undefined
    case 'unchanged':
      return found?.etag === condition.etag
    default:
      return condition satisfies never
  }
}

export interface PutAnswer {
  /**
   * 'kept': the condition did not hold (412), what was there stays. With `isLate` that may be the work of an attempt of
   * ours whose answer was lost: who must know, reads it.
   */
  readonly outcome: 'written' | 'kept'
  /** Of what was written; empty if it was kept. */
  readonly etag: string
  readonly isLate: boolean
}

export interface DeleteAnswer {
  /** Each key that the store confirmed by name. */
  readonly deleted: readonly string[]
  /** The others: what the store said, or that it said nothing. */
  readonly failed: readonly { readonly key: string; readonly reason: string }[]
  readonly isLate: boolean
}

export interface ListOptions extends RequestOptions {
  /** Keys after this one. */
  readonly after?: string
  /** Groups keys up to the next one of these behind the prefix, as folders. */
  readonly delimiter?: '/'
}

export interface ListPage {
  /** In the order of keys. */
  readonly objects: readonly ObjectInfo[]
  /** With a delimiter: prefixes that stand for the keys below them. */
  readonly folders: readonly string[]
}

/** Stock refuses longer ones; it holds for the part behind the store's name (formats.md 10.1). */
export const KEY_SIZE_MAX = 1_024
/** What one PUT takes at most; nothing of ours comes near. */
export const OBJECT_SIZE_MAX = 5 * 2 ** 30
/** Keys of one page of a list and of one batch of deletes. */
export const KEYS_PER_REQUEST = 1_000

/**
 * Throws S3_REFUSED (the store's definite no: rights, bucket gone, credentials, clock), S3_UNAVAILABLE (no answer, or
 * none but "later", within the budget): with endpoint, bucket, key, request id and what to do; the signal's reason.
 */
export interface ObjectStore {
  /** Endpoint and bucket, for messages. */
  readonly place: string
  /**
   * Null if there is no such object. Throws S3_CONTENT_WRONG (Corrupt), too,
   * if the store sends the same wrong bytes again and again.
   */
  get(key: string, options?: GetOptions): Promise<StoredObject | null>
  head(key: string, options?: RequestOptions): Promise<ObjectInfo | null>
  put(
    key: string,
    body: Uint8Array,
    options: RequestOptions & { readonly condition: PutCondition },
  ): Promise<PutAnswer>
  /** Copies an object inside the bucket, replacing; false if there is no source. */
  copy(
    from: string,
    to: string,
    options?: RequestOptions,
  ): Promise<{ readonly isFound: boolean; readonly isLate: boolean }>
  /** At most KEYS_PER_REQUEST keys; one that is missing counts as deleted. Never throws for an answer that is missing: the keys are `failed` then. */
  delete(keys: readonly string[], options?: RequestOptions): Promise<DeleteAnswer>
  /** Page after page in the order of keys; the next is requested when the last was taken. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListPage>
  /** Ends uploads in parts below `prefix` that were begun before; their number. */
  abortUploads(
    prefix: string,
    options: RequestOptions & { readonly beforeMs: number },
  ): Promise<number>
  /** Whether the bucket is there and ours to use. Throws S3_REFUSED otherwise. */
  checkBucket(options?: RequestOptions): Promise<void>
  /** The store's clock as of its last answer (`Date`), milliseconds since the epoch. */
  now(options?: RequestOptions): Promise<number>
}
