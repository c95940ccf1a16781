/** The property `backend` of a datastore: where its chunks are (datastore-semantics.md 19.1, formats.md 9.10, 10.5). */
import { parseBytes } from '../base/human-units.ts'
import { toError } from '../base/errors.ts'
import { errors } from './errors.ts'
import { parsePropertyString } from './property-string.ts'

export type Backend = { readonly kind: 'filesystem' } | S3Backend

export interface S3Backend {
  readonly kind: 's3'
  readonly endpointId: string
  readonly bucket: string
  /** Bytes of chunk contents that may be kept locally; null: as much as fits. */
  readonly maxCacheBytes: number | null
}

/** What is stored: a backend, or a text that is none. */
export type StoredBackend =
  | Backend
  | { readonly kind: 'invalid'; readonly text: string; readonly reason: string }

const KEYS: readonly string[] = ['type', 'client', 'bucket', 'max-cache-size']
const SAFE_ID = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/
const ID_LENGTH = { min: 3, max: 32 }
const BUCKET = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
const BUCKET_LENGTH = { min: 3, max: 63 }
const BUCKET_BEGINNINGS = ['xn--', 'sthree-', 'amzn-s3-demo-']
const BUCKET_ENDS = ['--ol-s3', '.mrap', '--x-s3']

/** The stored backend; never fails. Without the property a plain folder. */
export function backendOf(text: string | undefined): StoredBackend {
  if (text === undefined) return { kind: 'filesystem' }
  try {
    return parseBackend(text)
  } catch (error) {
    return { kind: 'invalid', text, reason: toError(error).message }
  }
}

/** Errors: BACKEND_INVALID, with the text of a parameter error. */
export function parseBackend(text: string): Backend {
  const properties = propertiesIn(text)
  const unknown = [...properties.keys()].find((key) => !KEYS.includes(key))
  if (unknown !== undefined) {
    refuse(`parameter verification failed - '${unknown}': ${NOT_ALLOWED}`)
  }
  const type = properties.get('type') ?? 'filesystem'
  if (type === 's3') return s3Of(properties)
  if (type !== 'filesystem') {
    refuse(`unknown variant \`${type}\`, expected \`filesystem\` or \`s3\``)
  }
  const extra = KEYS.slice(1).find((key) => properties.has(key))
  if (extra !== undefined) refuse(`'${extra}' is only allowed with type 's3'`)
  return { kind: 'filesystem' }
}

/** What is wrong with the name of a bucket, in the words of a parameter error; null if it is fine. */
export function bucketProblem(bucket: string): string | null {
  const { min, max } = BUCKET_LENGTH
  if (bucket.length < min) return `value must be at least ${min} characters long`
  if (bucket.length > max) return `value may only be ${max} characters long`
  const isReserved =
    BUCKET_BEGINNINGS.some((beginning) => bucket.startsWith(beginning)) ||
    BUCKET_ENDS.some((end) => bucket.endsWith(end))
  if (BUCKET.test(bucket) && !isReserved) return null
  return 'value does not match the regex pattern'
}

const NOT_ALLOWED = 'schema does not allow additional properties'

function propertiesIn(text: string): ReadonlyMap<string, string> {
  try {
    return parsePropertyString(text, 'type')
  } catch (error) {
    return refuse(toError(error).message, error)
  }
}

function s3Of(properties: ReadonlyMap<string, string>): Backend {
  const endpointId = properties.get('client') ?? missing('client')
  const isId = SAFE_ID.test(endpointId)
  if (!isId || endpointId.length < ID_LENGTH.min || endpointId.length > ID_LENGTH.max) {
    refuse(`parameter verification failed - 'client': value does not match the regex pattern`)
  }
  const bucket = properties.get('bucket') ?? missing('bucket')
  const problem = bucketProblem(bucket)
  if (problem !== null) refuse(`parameter verification failed - 'bucket': ${problem}`)
  return { kind: 's3', endpointId, bucket, maxCacheBytes: cacheOf(properties) }
}

function cacheOf(properties: ReadonlyMap<string, string>): number | null {
  const text = properties.get('max-cache-size')
  if (text === undefined) return null
  const bytes = parseBytes(text)
  if (bytes !== null) return bytes
  return refuse(
    `parameter verification failed - 'max-cache-size': byte-size parse error for '${text}': expected a number and a unit`,
  )
}

function missing(key: string): never {
  return refuse(
    `parameter verification failed - '${key}': property is missing and it is not optional`,
  )
}

function refuse(reason: string, cause?: unknown): never {
  throw errors.BACKEND_INVALID({ reason }, { cause })
}
