/** `cairn s3 check|probe`: is this bucket one to keep backups in? Source: spec cli 9.3; `probe` is ours. */
import { errors as serverErrors } from '../../server/errors.ts'
import { checkBucket } from '../../server/s3/check-bucket.ts'
import { PROBE_PREFIX } from '../../server/s3/s3-access.ts'
import type { ProbeVerdict } from '../../storage/s3/verdict.ts'
import { type Command, command } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { outputFormat, placeParameters } from './administration.ts'
import { s3EndpointCommands } from './s3-endpoint.ts'
import { s3ObjectCommands } from './s3-objects.ts'
import { bucketName, endpointId, storePrefix, withS3 } from './s3-parameters.ts'

const checkCommand = command({
  path: 's3 check',
  summary: 'Checks that a bucket can be reached and used.',
  positionals: ['s3-endpoint-id', 'bucket'],
  parameters: {
    's3-endpoint-id': endpointId,
    bucket: bucketName,
    'store-prefix': storePrefix,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { 's3-endpoint-id': id, bucket, 'store-prefix': prefix = null } = values
    await withS3(values, context, async (s3) => {
      await checkBucket(s3, { endpointId: id, bucket, prefix })
    })
  },
})

const probeCommand = command({
  path: 's3 probe',
  summary: 'Tries what a store really does with a bucket, and says whether Cairn can rely on it.',
  positionals: ['s3-endpoint-id', 'bucket'],
  parameters: {
    's3-endpoint-id': endpointId,
    bucket: bucketName,
    'store-prefix': storePrefix,
    'output-format': outputFormat,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { 's3-endpoint-id': endpoint, bucket, 'store-prefix': prefix = PROBE_PREFIX } = values
    const name = { endpointId: endpoint, bucket, prefix }
    const verdict = await withS3(values, context, async (s3) => await s3.probe(name))
    const { output } = context
    output.result(values['output-format'], verdict, () => {
      output.properties(rowsOf(verdict))
      for (const text of verdict.remarks) output.line(`note: ${text}`)
      for (const text of verdict.problems) output.line(`PROBLEM: ${text}`)
    })
    if (verdict.isUsable) return
    throw serverErrors.S3_UNUSABLE({ ...name, reason: verdict.problems.join('; ') })
  },
})

export const s3Commands: readonly Command<CommandContext>[] = [
  checkCommand,
  probeCommand,
  ...s3EndpointCommands,
  ...s3ObjectCommands,
]

function rowsOf(verdict: ProbeVerdict): readonly (readonly [string, string])[] {
  const yes = (value: boolean): string => (value ? 'yes' : 'no')
  return [
    ['usable', yes(verdict.isUsable)],
    ['If-None-Match', yes(verdict.honoursIfNoneMatch)],
    ['If-Match', verdict.ifMatch === null ? 'no' : `yes, ETag ${verdict.ifMatch}`],
    ['batch delete', yes(verdict.deletes === 'batch')],
    ['lists in pages', yes(verdict.listsInPages)],
    ['range GET', yes(verdict.honoursRange)],
    ['checks content', yes(verdict.checksContent)],
    ['clock offset', `${(verdict.clockOffsetMs / 1000).toFixed(1)} s`],
    ['versioning', verdict.versioning],
    ['object lock', verdict.objectLock],
    ['expiry rules', verdict.expiry === 'ours' ? 'they remove our objects' : verdict.expiry],
  ]
}
