/** What fits into a request to a bucket, checked on our side of the door (formats.md 10.1, datastore-semantics.md 19.2). */
import { assert } from '../base/assert.ts'
import { KEY_SIZE_MAX, KEYS_PER_REQUEST, OBJECT_SIZE_MAX } from './object-store.ts'
import { errors } from './s3/errors.ts'

/** Throws S3_KEY_TOO_LONG: no store takes more, with the datastore's name before it or without. */
export function checkKey(key: string): void {
  const length = Buffer.byteLength(key)
  assert(length > 0, 'a key is not empty')
  if (length > KEY_SIZE_MAX) throw errors.S3_KEY_TOO_LONG({ length, limit: KEY_SIZE_MAX })
}

/** Throws S3_BODY_TOO_LARGE. */
export function checkBody(key: string, body: Uint8Array): void {
  if (body.length <= OBJECT_SIZE_MAX) return
  throw errors.S3_BODY_TOO_LARGE({ key, size: body.length, sizeMax: OBJECT_SIZE_MAX })
}

/** Throws if `keys` are more than one request takes, or one of them cannot be a key. */
export function checkBatch(keys: readonly string[]): void {
  assert(keys.length <= KEYS_PER_REQUEST, 'a batch fits into one request')
  for (const key of keys) checkKey(key)
}

/** The order of a list: by bytes of UTF-8, which is the order of code points. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  const index = firstDifference(a, b)
  return (a.codePointAt(index) ?? -1) - (b.codePointAt(index) ?? -1)
}

function firstDifference(a: string, b: string): number {
  let index = 0
  while (index < a.length && a.charCodeAt(index) === b.charCodeAt(index)) index += 1
  // The second half of a pair says nothing about the order of the whole.
  const isLow = isLowSurrogate(a.charCodeAt(index)) || isLowSurrogate(b.charCodeAt(index))
  return index > 0 && isLow ? index - 1 : index
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
