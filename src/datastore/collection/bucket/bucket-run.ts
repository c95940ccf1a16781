/** What the parts of a collection share about the bucket of its store. */
import type { StoreBucket } from '../../bucket/store-bucket.ts'
import type { RemoteIndex } from './mark-object.ts'

export interface BucketRun {
  readonly bucket: StoreBucket
  /** The bucket's clock minus ours, so that ages are told by the clock that made them. */
  readonly offsetMs: number
  /** Indexes of the bucket that the local tree does not have; null before it was listed. */
  remoteOnly: readonly RemoteIndex[] | null
  /** What this run said in the bucket, as it must before it lists its roots; null before. */
  deletes: AsyncDisposable | null
}
