/** S3 endpoints and buckets: parameters and shapes of `/config/s3` and `/admin/s3` (rest-api §4.13). */
import { Type } from '../base/schema.ts'
import { closed, ConfigDigest, SAFE_ID_PATTERN, SafeId, StoreName } from './common.ts'

const FINGERPRINT_PATTERN = '^[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){31}$'
const REGION_PATTERN = '^[_a-z\\d][-_a-z\\d]+$'
const QUIRKS = ['skip-if-none-match-header', 'delete-objects-via-delete-object'] as const

const EndpointId = Type.String({ minLength: 3, maxLength: 32, pattern: SAFE_ID_PATTERN })
const Rate = Type.Optional(Type.String({ minLength: 1, maxLength: 64, format: 'byte-size' }))

/** Members that can be set at creation and later. */
const options = {
  'burst-in': Rate,
  'burst-out': Rate,
  fingerprint: Type.Optional(Type.String({ pattern: FINGERPRINT_PATTERN })),
  'path-style': Type.Optional(Type.Boolean()),
  port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
  'provider-quirks': Type.Optional(Type.Array(Type.Enum([...QUIRKS]))),
  'put-rate-limit': Type.Optional(Type.Integer({ minimum: 0 })),
  'rate-in': Rate,
  'rate-out': Rate,
  region: Type.Optional(Type.String({ maxLength: 32, pattern: REGION_PATTERN })),
}

const Endpoint = { format: 's3-endpoint' } as const

/** Without the secret, always. */
export const S3EndpointShape = Type.Object({
  id: Type.String(),
  endpoint: Type.String(),
  'access-key': Type.String(),
  ...options,
})
export const S3EndpointListShape = Type.Array(S3EndpointShape)

export const S3EndpointCreateParameters = closed({
  id: EndpointId,
  'secret-key': Type.String(),
  'access-key': Type.String({ 'x-nested': 1 }),
  endpoint: Type.String({ ...Endpoint, 'x-nested': 1 }),
  ...options,
})

export const S3EndpointReadParameters = closed({ id: EndpointId })

export const S3EndpointChangeParameters = closed({
  id: EndpointId,
  'secret-key': Type.Optional(Type.String()),
  'access-key': Type.Optional(Type.String()),
  endpoint: Type.Optional(Type.String(Endpoint)),
  ...options,
  delete: Type.Optional(
    Type.Array(
      Type.Enum([
        'port',
        'region',
        'fingerprint',
        'path-style',
        'rate-in',
        'burst-in',
        'rate-out',
        'burst-out',
        'provider-quirks',
      ]),
    ),
  ),
  digest: Type.Optional(ConfigDigest),
})

export const S3EndpointRemoveParameters = closed({
  id: EndpointId,
  digest: Type.Optional(ConfigDigest),
})

export const BucketListShape = Type.Array(Type.Object({ name: Type.String() }))

const Bucket = Type.String({ minLength: 3, maxLength: 63 })

export const S3BucketParameters = closed({
  's3-endpoint-id': EndpointId,
  bucket: Bucket,
  'store-prefix': Type.Optional(SafeId),
})

/** Ours: what a bucket does, as far as we rely on it. */
export const S3ProbeParameters = closed({
  id: EndpointId,
  bucket: Bucket,
  'store-prefix': Type.Optional(SafeId),
})
export const S3VerdictParameters = closed({ id: EndpointId, bucket: Bucket })

const Text = Type.String()
const Flag = Type.Boolean()
export const S3VerdictShape = Type.Object({
  probedMs: Type.Integer({ description: 'Milliseconds since the epoch' }),
  isUsable: Flag,
  problems: Type.Array(Text),
  remarks: Type.Array(Text),
  honoursIfNoneMatch: Flag,
  ifMatch: Type.Union([Text, Type.Null()]),
  deletes: Text,
  listsInPages: Flag,
  honoursRange: Flag,
  checksContent: Flag,
  checksMd5: Type.Optional(Flag),
  clockOffsetMs: Type.Number(),
  versioning: Text,
  objectLock: Text,
  expiry: Text,
})

/** Ours: the objects of a datastore. */
export const S3ObjectsParameters = closed({
  store: StoreName,
  prefix: Type.Optional(Type.String({ maxLength: 1024 })),
  after: Type.Optional(Type.String({ maxLength: 1100 })),
  recursive: Type.Optional(Flag),
})
export const S3ObjectsShape = Type.Object({
  objects: Type.Array(
    Type.Object({
      key: Text,
      size: Type.Integer(),
      modified: Type.Integer({ description: 'Unix seconds by the clock of the store' }),
    }),
  ),
  folders: Type.Array(Text),
  next: Type.Union([Text, Type.Null()], { description: 'Ask for what comes after it; null: all' }),
})

const Count = Type.Integer({ minimum: 0 })
const Counts = {
  get: Count,
  put: Count,
  post: Count,
  delete: Count,
  head: Count,
  uploaded: Count,
  downloaded: Count,
}
/** As stock shows them in the status of a datastore. */
export const S3StatisticsShape = Type.Object(Counts)

/** Ours: what a datastore asks of its bucket and has there. */
export const S3UsageShape = Type.Object({
  requests: S3StatisticsShape,
  chunks: Type.Object({ objects: Count, bytes: Count, known: Flag }),
  cache: Type.Union([
    Type.Object({
      bytes: Count,
      chunks: Count,
      'bytes-max': Type.Union([Count, Type.Null()]),
    }),
    Type.Null(),
  ]),
})

export const S3RefreshParameters = closed({
  store: StoreName,
  /** Ours: become the holder of a bucket that another server has. */
  'overwrite-in-use': Type.Optional(Flag),
})
