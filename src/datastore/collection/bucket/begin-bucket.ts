/** How a collection of a bucket begins, what comes before its roots and before its first DELETE (races.md ). */
import { toError } from '../../../base/errors.ts'
import type { Progress } from '../../../base/progress.ts'
import type { Clock } from '../../../base/time/clock.ts'
import { REQUEST_LIFE_MS } from '../../../storage/ledger.ts'
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
  await bucket.objects.checkBucket({ signal })
  await bucket.holder.check(signal, { isAlone: true })
  checkFresh(bucket)
  checkCertain(bucket, store.clock)
  // A LIST that is older than our deletes must not add to the ledger beside them (races.md R-65).
  await store.core.bucket?.endRebuild('wait')
  const offsetMs = (await bucket.objects.now({ signal })) - start.wallMs
  return { bucket, offsetMs, remoteOnly: null, deletes: null }
}

/**
 * To be awaited before the bucket's own indexes are listed: whoever has an older copy of us hears of it from now on. A
 * backup of his that was finished before has its indexes in that list; one that is not can only fail.
 */
export async function raiseHolder(run: BucketRun, signal: AbortSignal): Promise<void> {
  if (run.deletes !== null) return
  run.deletes = await run.bucket.holder.beginDeletes(signal)
  checkFresh(run.bucket)
}

/** To be awaited at the end of a run, however it ended. What fails is a warning: the next run says so again. */
export async function lowerHolder(run: BucketRun, progress: Progress): Promise<void> {
  try {
    await run.deletes?.[Symbol.asyncDispose]()
  } catch (error) {
    progress.warn(`cannot say in the bucket that the collection is over: ${toError(error).message}`)
  }
}

/** To be awaited before the first DELETE of a run. Throws COLLECTION_UNSAFE if the bucket is not ours any more. */
export async function checkHolder({ bucket }: BucketRun, signal: AbortSignal): Promise<void> {
  await bucket.holder.check(signal)
  checkFresh(bucket)
}

/**
 * Waits, before a collection begins, until it may: while requests that are not known here may be on their way, nothing is
 * deleted (`Ledger.doubtAll`). Nothing is held meanwhile. Throws the signal's reason.
 */
export async function waitOutDoubt(store: Datastore, progress: Progress): Promise<void> {
  const { signal } = progress
  // Without a refresh it may not begin then either.
  if (store.bucket?.isStale === true) return
  await store.core.bucket?.chunks.provisional.untilCertain({
    signal,
    log: (line) => progress.log(line),
  })
}

/** Throws BUCKET_DOUBTFUL while requests that are not known here may be on their way. */
function checkCertain({ ledger, objects }: StoreBucket, clock: Clock): void {
  const lastMs = ledger.allDoubtedMs
  if (lastMs === null) return
  const endMs = lastMs + REQUEST_LIFE_MS
  if (clock.now() < endMs) throw errors.BUCKET_DOUBTFUL({ place: objects.place, endMs })
}

/** Throws COLLECTION_UNSAFE while what is known here may be older than the bucket. */
function checkFresh({ isStale, holder, objects }: StoreBucket): void {
  if (!isStale) return
  const why = holder.doubt ?? 'a refresh did not end'
  const reason = `what is known here of ${objects.place} is out of date (${why}): an S3 refresh is needed first`
  throw errors.COLLECTION_UNSAFE({ reason })
}
