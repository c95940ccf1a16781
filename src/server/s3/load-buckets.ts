/** Buckets over the network, loaded when the first one is needed: most commands, and many servers, have none. */
import type { BucketOpener } from './bucket-opener.ts'

export async function loadRealBuckets(): Promise<BucketOpener> {
  const { realBuckets } = await import('./real-buckets.ts')
  return realBuckets
}
