/** What the commands of S3 share. */
import { silentLog } from '../../base/log.ts'
import { bucketProblem } from '../../config/datastore-backend.ts'
import { loadRealBuckets } from '../../server/s3/load-buckets.ts'
import { S3Access } from '../../server/s3/s3-access.ts'
import { optional, type Parameter, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { openAdministration, type PlaceValues, SAFE_ID_RULES } from './administration.ts'

export const endpointId = text('ID to uniquely identify s3 client config.', {
  ...SAFE_ID_RULES,
  lengthMin: 3,
  lengthMax: 32,
})

export const bucketName: Parameter<string> = {
  ...text('Bucket name for S3 object store.'),
  parse(value) {
    const problem = bucketProblem(value)
    return problem === null ? { value } : { problem }
  },
}

export const storePrefix = optional(
  text('Store prefix within bucket for S3 object keys (commonly datastore name)', SAFE_ID_RULES),
)

/** Runs `work` with access to the buckets of the configuration. */
export async function withS3<Result>(
  values: PlaceValues,
  context: CommandContext,
  work: (s3: S3Access) => Promise<Result>,
): Promise<Result> {
  const { files } = await openAdministration(values, context)
  await using s3 = new S3Access({
    files,
    log: silentLog,
    loadOpener: loadRealBuckets,
    probes: 'once',
  })
  return await work(s3)
}
