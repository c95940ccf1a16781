/** `/config/s3` (rest-api §4.13). The secret goes in and never comes out. */
import type { Static } from 'typebox'
import { tidyBytes } from '../../../base/human-units.ts'
import { toError } from '../../../base/errors.ts'
import { Secret } from '../../../base/secret.ts'
import {
  addS3Endpoint,
  changeS3Endpoint,
  findS3Endpoint,
  listS3Endpoints,
  removeS3Endpoint,
} from '../../../config/s3-endpoints.ts'
import { errors as configErrors } from '../../../config/errors.ts'
import { Nothing, NO_PARAMETERS } from '../../../protocol/common.ts'
import { AUTHENTICATED, privilege } from '../../../protocol/endpoint.ts'
import {
  BucketListShape,
  S3EndpointChangeParameters,
  S3EndpointCreateParameters,
  S3EndpointListShape,
  S3EndpointReadParameters,
  S3EndpointRemoveParameters,
  S3EndpointShape,
  S3ProbeParameters,
  S3VerdictParameters,
  S3VerdictShape,
} from '../../../protocol/s3.ts'
import { hasPrivilege } from '../../auth/permissions.ts'
import { refused } from '../../errors.ts'
import { WithAttributes } from '../../reply.ts'
import { type Call, type Route, route } from '../../route.ts'
import { PROBE_PREFIX } from '../../s3/s3-access.ts'

const ONE = '/config/s3/{id}'
const OF_ONE = '/system/s3-endpoint/{id}'

export const s3ConfigRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/config/s3',
    summary: 'Lists the S3 endpoints',
    parameters: NO_PARAMETERS,
    returns: S3EndpointListShape,
    permission: AUTHENTICATED,
    run: async (_parameters, call) => await list(call),
  }),
  route({
    method: 'POST',
    path: '/config/s3',
    summary: 'Adds an S3 endpoint',
    parameters: S3EndpointCreateParameters,
    returns: Nothing,
    permission: privilege('/system/s3-endpoint', 'Sys.Modify'),
    run: async ({ id, 'secret-key': secret, ...options }, { context }) => {
      const secretKey = new Secret(secret)
      await addS3Endpoint(context.files, id, { properties: storedProperties(options), secretKey })
    },
  }),
  route({
    method: 'GET',
    path: ONE,
    summary: 'Reads an S3 endpoint',
    parameters: S3EndpointReadParameters,
    returns: S3EndpointShape,
    permission: privilege(OF_ONE, 'Sys.Audit'),
    run: async ({ id }, { context }) => {
      const { endpoints, digest } = await listS3Endpoints(context.files)
      const endpoint = endpoints.find((other) => other.id === id)
      if (endpoint === undefined) throw configErrors.S3_ENDPOINT_UNKNOWN({ id, status: 400 })
      return new WithAttributes(endpoint, { digest })
    },
  }),
  route({
    method: 'PUT',
    path: ONE,
    summary: 'Changes an S3 endpoint; datastores that use it notice by themselves',
    parameters: S3EndpointChangeParameters,
    returns: Nothing,
    permission: privilege(OF_ONE, 'Sys.Modify'),
    run: change,
  }),
  route({
    method: 'DELETE',
    path: ONE,
    summary: 'Removes an S3 endpoint that no datastore uses',
    parameters: S3EndpointRemoveParameters,
    returns: Nothing,
    permission: privilege(OF_ONE, 'Sys.Modify'),
    run: async ({ id, digest }, { context }) => {
      await removeS3Endpoint(context.files, id, { digest })
    },
  }),
  route({
    method: 'GET',
    path: `${ONE}/list-buckets`,
    summary: "Lists the buckets that the endpoint's keys can see",
    parameters: S3EndpointReadParameters,
    returns: BucketListShape,
    permission: privilege('/', 'Sys.Audit'),
    run: listBuckets,
  }),
  route({
    method: 'POST',
    path: `${ONE}/probe`,
    summary: 'Tries what the store does with a bucket (ours)',
    parameters: S3ProbeParameters,
    returns: S3VerdictShape,
    permission: privilege('/', 'Sys.Modify'),
    run: async ({ id, bucket, 'store-prefix': prefix = PROBE_PREFIX }, { context }) =>
      await context.s3.probe({ endpointId: id, bucket, prefix }),
  }),
  route({
    method: 'GET',
    path: `${ONE}/verdict`,
    summary: 'What the last probe of a bucket saw; null if there was none (ours)',
    parameters: S3VerdictParameters,
    returns: S3VerdictShape,
    permission: privilege(OF_ONE, 'Sys.Audit'),
    run: async ({ id, bucket }, { context }) =>
      await context.s3.lastVerdict({ endpointId: id, bucket }),
  }),
]

async function list({ context, caller }: Call): Promise<WithAttributes> {
  const { endpoints, digest } = await listS3Endpoints(context.files)
  const visible: object[] = []
  for (const endpoint of endpoints) {
    const path = `/system/s3-endpoint/${endpoint.id}`
    if (await hasPrivilege(context.auth, caller, path, ['Sys.Audit'])) visible.push(endpoint)
  }
  return new WithAttributes(visible, { digest })
}

async function change(
  parameters: Static<typeof S3EndpointChangeParameters>,
  { context }: Call,
): Promise<void> {
  const { id, digest, delete: removed = [], 'secret-key': secret, ...options } = parameters
  const deleted = removed.map((key) => [key, null] as const)
  await changeS3Endpoint(
    context.files,
    id,
    {
      properties: new Map([...deleted, ...storedProperties(options)]),
      secretKey: secret === undefined ? undefined : new Secret(secret),
    },
    { digest },
  )
}

async function listBuckets({ id }: { readonly id: string }, { context }: Call): Promise<object[]> {
  if ((await findS3Endpoint(context.files, id)) === null) throw refused('config lookup failed')
  try {
    const names = await context.s3.listBuckets(id)
    return names.map((name) => ({ name }))
  } catch (thrown) {
    context.log.warn('cannot list buckets', { endpoint: id, error: toError(thrown).message })
    throw refused(`failed to list buckets: ${toError(thrown).message}`)
  }
}

type Options = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

const SIZES: readonly string[] = ['rate-in', 'burst-in', 'rate-out', 'burst-out']

/** What `options` stores, by key. */
export function storedProperties(
  options: Options,
): ReadonlyMap<string, string | readonly string[]> {
  const stored = new Map<string, string | readonly string[]>()
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (typeof value === 'object') stored.set(key, value)
    else stored.set(key, SIZES.includes(key) ? (tidyBytes(String(value)) ?? '') : String(value))
  }
  return stored
}
