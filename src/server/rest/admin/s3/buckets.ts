/** `/admin/s3` (rest-api §4.13): is a bucket usable, and counting from zero again. */
import { CairnError, hasCode, toError } from '../../../../base/errors.ts'
import { findS3Endpoint } from '../../../../config/s3-endpoints.ts'
import { bucketProblem } from '../../../../config/datastore-backend.ts'
import { Nothing } from '../../../../protocol/common.ts'
import { privilege } from '../../../../protocol/endpoint.ts'
import { errors as protocolErrors } from '../../../../protocol/errors.ts'
import { S3BucketParameters } from '../../../../protocol/s3.ts'
import { refused } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { checkBucket } from '../../../s3/check-bucket.ts'

export const s3AdminRoutes: readonly Route[] = [
  route({
    method: 'PUT',
    path: '/admin/s3/{s3-endpoint-id}/check',
    summary: 'Checks that a bucket can be reached and used',
    parameters: S3BucketParameters,
    returns: Nothing,
    permission: privilege('/', 'Sys.Modify'),
    run: async ({ 's3-endpoint-id': endpointId, bucket, 'store-prefix': prefix }, call) => {
      await checkNames(call, { endpointId, bucket })
      try {
        await checkBucket(call.context.s3, { endpointId, bucket, prefix: prefix ?? null })
      } catch (thrown) {
        throw headFailed(call, thrown)
      }
    },
  }),
  route({
    method: 'PUT',
    path: '/admin/s3/{s3-endpoint-id}/reset-counters',
    summary: 'Sets the request counters of a bucket, or of one datastore in it, to zero',
    parameters: S3BucketParameters,
    returns: Nothing,
    permission: privilege('/', 'Sys.Modify'),
    run: async ({ 's3-endpoint-id': endpointId, bucket, 'store-prefix': prefix }, call) => {
      await checkNames(call, { endpointId, bucket })
      await call.context.s3.counters.reset({ endpointId, bucket, prefix: prefix ?? null })
    },
  }),
]

async function checkNames(
  { context }: Call,
  { endpointId, bucket }: { readonly endpointId: string; readonly bucket: string },
): Promise<void> {
  const text = bucketProblem(bucket)
  if (text !== null) {
    throw protocolErrors.PARAMETERS_INVALID({ problems: [{ name: 'bucket', text }] })
  }
  const endpoint = await findS3Endpoint(context.files, endpointId)
  if (endpoint === null) throw refused('config lookup failed')
}

/** Stock's words come first; why, it tells nobody. */
function headFailed({ context }: Call, thrown: unknown): Error {
  const { message } = toError(thrown)
  context.log.warn('the check of a bucket failed', { error: message })
  const isMissing = hasCode(thrown, 'S3_REFUSED') && isNotFound(thrown)
  return refused(isMissing ? 'head object failed' : `head object failed: ${message}`)
}

function isNotFound(thrown: unknown): boolean {
  return thrown instanceof CairnError && /no such bucket|NoSuchBucket/i.test(thrown.message)
}
