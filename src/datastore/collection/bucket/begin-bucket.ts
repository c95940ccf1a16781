/** How a collection of a bucket begins, what comes before its roots and before its first DELETE (races.md ). */
import { toError } from '../../../base/errors.ts'
import type { Progress } from '../../../base/progress.ts'
import type { StoreBucket } from '../../bucket/store-bucket.ts'
import type { Datastore } from '../../datastore.ts'
import { errors } from '../../errors.ts'
import type { RunStart } from '../run.ts'
import type { BucketRun } from './bucket-run.ts'

/**
 * Looks whether the bucket may be collected at all; null for a store without one. Throws COLLECTION_UNSAFE (what is
 * known of it is stale, a refresh is not complete), the holder's and the bucket's errors: nothing was changed then.
 */
export async function beginBucket(
  store: Datastore,
  start: RunStart,
  progress: Progress,
): Promise<BucketRun | null> {
  const { bucket } = store
  if (bucket === null) return null
  const { signal } = progress
  if (store.settings.maintenance?.type === 's3-refresh') {
    throw errors.COLLECTION_UNSAFE({ reason: 'an S3 refresh of this datastore is not complete' })
  }
  // A LIST that is older than our deletes must not add to the ledger beside them (races.md R-65).
  await store.core.bucket?.endRebuild('wait')
  await bucket.objects.checkBucket({ signal })
  await bucket.holder.check(signal)
  checkFresh(bucket)
  const offsetMs = (await bucket.objects.now({ signal })) - start.wallMs
  return { bucket, offsetMs, remoteOnly: null, isRaised: false }
}

/**
 * To be awaited before the bucket's own indexes are listed: whoever has an older copy of us hears of it from now on. A
 * backup of his that was finished before has its indexes in that list; one that is not can only fail.
 */
export async function raiseHolder(run: BucketRun, signal: AbortSignal): Promise<void> {
  if (run.isRaised) return
  await run.bucket.holder.raise(signal, 'collecting')
  checkFresh(run.bucket)
  run.isRaised = true
}

/** To be awaited at the end of a run, however it ended. What fails is a warning: the next run says so again. */
export async function lowerHolder(run: BucketRun, progress: Progress): Promise<void> {
  if (!run.isRaised) return
  run.isRaised = false
  try {
    await run.bucket.holder.raise(undefined, 'idle')
  } catch (error) {
    progress.warn(`cannot say in the bucket that the collection is over: ${toError(error).message}`)
  }
}

/** To be awaited before the first DELETE of a run. Throws COLLECTION_UNSAFE if the bucket is not ours any more. */
export async function checkHolder({ bucket }: BucketRun, signal: AbortSignal): Promise<void> {
  await bucket.holder.check(signal)
  checkFresh(bucket)
}

/** Throws COLLECTION_UNSAFE while what is known here may be older than the bucket. */
function checkFresh({ isStale, holder, objects }: StoreBucket): void {
  if (!isStale) return
  const why = holder.doubt ?? 'a refresh did not end'
  const reason = `what is known here of ${objects.place} is out of date (${why}): an S3 refresh is needed first`
  throw errors.COLLECTION_UNSAFE({ reason })
}
