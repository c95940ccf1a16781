/** `cairn s3 endpoint create|list|update|remove|list-buckets|reset-counters`. Source: spec cli 9.2, 9.3. */
import { tidyBytes } from '../../base/human-units.ts'
import { Secret } from '../../base/secret.ts'
import { PROVIDER_QUIRKS } from '../../config/s3-endpoint-file.ts'
import {
  addS3Endpoint,
  changeS3Endpoint,
  listS3Endpoints,
  readS3Endpoint,
  removeS3Endpoint,
} from '../../config/s3-endpoints.ts'
import { S3EndpointChangeParameters } from '../../protocol/s3.ts'
import { type Command, choice, command, flag, list, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { formatJson } from '../output.ts'
import { numberOf, textOf } from '../schema-parameter.ts'
import {
  digestParameter,
  makeAdministration,
  openAdministration,
  outputFormat,
  placeParameters,
} from './administration.ts'
import { bucketName, endpointId, storePrefix, withS3 } from './s3-parameters.ts'

const { properties: schemas } = S3EndpointChangeParameters
const RATE = 'Byte size with optional unit (B, KB (base 10), MB, ..., KiB (base 2), MiB, ...).'

const options = {
  'burst-in': optional(textOf(schemas['burst-in'], RATE)),
  'burst-out': optional(textOf(schemas['burst-out'], RATE)),
  fingerprint: optional(textOf(schemas.fingerprint, 'SHA-256 of its certificate.')),
  'path-style': flag('The bucket stands in the path, not before the host name.'),
  port: optional(numberOf(schemas.port, 'Port (default 443).')),
  'provider-quirks': list(choice('What the store cannot do.', PROVIDER_QUIRKS), {
    isOptional: true,
  }),
  'put-rate-limit': optional(numberOf(schemas['put-rate-limit'], 'PUT requests a second at most.')),
  'rate-in': optional(textOf(schemas['rate-in'], RATE)),
  'rate-out': optional(textOf(schemas['rate-out'], RATE)),
  region: optional(textOf(schemas.region, 'Region (default us-west-1).')),
}
const host = 'Host, maybe with {{bucket}} and {{region}}.'
const secretKey = optional(
  text('Secret key; without it that of the environment (CAIRN_S3_SECRET_KEY), or it is asked for.'),
)
const REMOVABLE = [
  'port',
  'region',
  'fingerprint',
  'path-style',
  'rate-in',
  'burst-in',
  'rate-out',
  'burst-out',
  'provider-quirks',
] as const
const SIZES: readonly string[] = ['rate-in', 'burst-in', 'rate-out', 'burst-out']

const createCommand = command({
  path: 's3 endpoint create',
  summary: 'Adds an S3 endpoint.',
  positionals: ['id'],
  parameters: {
    id: endpointId,
    'access-key': text('Access key.'),
    endpoint: textOf(schemas.endpoint, host),
    'secret-key': secretKey,
    ...options,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { files } = await makeAdministration(values, context)
    const secret = await askSecret(values['secret-key'], context)
    await addS3Endpoint(files, values.id, { properties: storedOptions(values), secretKey: secret })
  },
})

const listCommand = command({
  path: 's3 endpoint list',
  summary: 'Lists S3 endpoints.',
  parameters: { ...placeParameters, 'output-format': outputFormat },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const { endpoints } = await listS3Endpoints(files)
    context.output.rows(values['output-format'], endpoints, {
      columns: [
        { name: 'id' },
        { name: 'endpoint' },
        { name: 'port', align: 'right' },
        { name: 'region' },
        { name: 'access-key' },
        { name: 'fingerprint' },
        { name: 'path-style', align: 'right' },
      ],
      sortBy: [({ id }) => id],
    })
  },
})

const updateCommand = command({
  path: 's3 endpoint update',
  summary: 'Changes an S3 endpoint; a running server notices by itself.',
  positionals: ['id'],
  parameters: {
    id: endpointId,
    'access-key': optional(text('Access key.')),
    endpoint: optional(textOf(schemas.endpoint, host)),
    'secret-key': optional(text('Secret key; - asks for it.')),
    ...options,
    delete: list(choice('Property to remove.', REMOVABLE), { isOptional: true }),
    digest: digestParameter,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const given = values['secret-key']
    const deleted = values.delete.map((key) => [key, null] as const)
    const changes = {
      properties: new Map([...deleted, ...storedOptions(values)]),
      secretKey:
        given === undefined
          ? undefined
          : await askSecret(given === '-' ? undefined : given, context),
    }
    await changeS3Endpoint(files, values.id, changes, { digest: values.digest })
  },
})

const removeCommand = command({
  path: 's3 endpoint remove',
  summary: 'Removes an S3 endpoint that no datastore uses.',
  positionals: ['id'],
  parameters: { id: endpointId, digest: digestParameter, ...placeParameters },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    await removeS3Endpoint(files, values.id, { digest: values.digest })
  },
})

const listBucketsCommand = command({
  path: 's3 endpoint list-buckets',
  summary: "Lists the buckets that an endpoint's keys can see.",
  positionals: ['s3-endpoint-id'],
  parameters: { 's3-endpoint-id': endpointId, ...placeParameters },
  async run(values, context: CommandContext) {
    const names = await withS3(
      values,
      context,
      async (s3) => await s3.listBuckets(values['s3-endpoint-id']),
    )
    // Stock prints it so, and takes no other format.
    const buckets = names.map((name) => ({ name }))
    context.output.line(`Result: ${formatJson(buckets, { isPretty: true })}`)
  },
})

const resetCountersCommand = command({
  path: 's3 endpoint reset-counters',
  summary: 'Sets the request counters of a bucket, or of one datastore in it, to zero.',
  positionals: ['s3-endpoint-id', 'bucket'],
  parameters: {
    's3-endpoint-id': endpointId,
    bucket: bucketName,
    'store-prefix': storePrefix,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { 's3-endpoint-id': id, bucket, 'store-prefix': prefix = null } = values
    const { files } = await openAdministration(values, context)
    await readS3Endpoint(files, id)
    await withS3(values, context, async (s3) => {
      await s3.counters.reset({ endpointId: id, bucket, prefix })
    })
  },
})

export const s3EndpointCommands: readonly Command<CommandContext>[] = [
  createCommand,
  listCommand,
  updateCommand,
  removeCommand,
  listBucketsCommand,
  resetCountersCommand,
]

/** Where the command line gives none: others could read it there, so there are better places. */
async function askSecret(given: string | undefined, context: CommandContext): Promise<Secret> {
  const known = given ?? context.environment['CAIRN_S3_SECRET_KEY']
  return new Secret(known ?? (await context.prompt.askSecret('Secret key: ')))
}

type Given = Readonly<
  Record<keyof typeof options, string | number | boolean | readonly string[] | undefined>
> & { readonly 'access-key': string | undefined; readonly endpoint: string | undefined }

function storedOptions(values: Given): ReadonlyMap<string, string | readonly string[]> {
  const stored = new Map<string, string | readonly string[]>()
  const keys = [...Object.keys(options), 'access-key', 'endpoint'] as (keyof Given)[]
  for (const key of keys) {
    const value = values[key]
    if (value === undefined) continue
    if (typeof value === 'object') {
      if (value.length > 0) stored.set(key, value)
    } else stored.set(key, SIZES.includes(key) ? (tidyBytes(String(value)) ?? '') : String(value))
  }
  return stored
}
