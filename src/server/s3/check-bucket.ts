/** The check of a bucket before a datastore is put into it (`s3 check`). */
import type { S3Access } from './s3-access.ts'
import type { BucketName } from './verdict-book.ts'

/** Asks for the bucket and for an object in it. Errors: S3_ENDPOINT_UNKNOWN, those of ObjectStore. */
export async function checkBucket(
  s3: S3Access,
  name: BucketName & { readonly prefix: string | null },
): Promise<void> {
  await s3.withBucket(name, async (objects) => {
    // With an answer that has a body: only there the store says why it refuses.
    await objects.get(`${name.prefix ?? name.endpointId}/.in-use`)
    await objects.checkBucket()
  })
}
