/** Buckets over the network, for the server and the commands. */
import type { S3Endpoint } from '../../config/s3-endpoint-file.ts'
import { openObjectStore } from '../../storage/s3/open-object-store.ts'
import type { BucketOpener, BucketOptions } from './bucket-opener.ts'

export const realBuckets: BucketOpener = {
  open(endpoint: S3Endpoint, bucket: string, options: BucketOptions) {
    throw new Error(`not yet: ${endpoint.id} ${bucket} ${typeof options} ${typeof openObjectStore}`)
  },
  async listBuckets(endpoint) {
    await Promise.resolve()
    throw new Error(`not yet: ${endpoint.id}`)
  },
}
