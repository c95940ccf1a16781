/** What a collection of a bucket does after its sweep: suspects whose time is over, uploads in parts that nobody ends. */
import { toError } from '../../../base/errors.ts'
import { digestOfKey } from '../../../storage/bucket-chunks/chunk-keys.ts'
import { REQUEST_LIFE_MS } from '../../../storage/ledger.ts'
import type { CollectionRun } from '../run.ts'
import type { BucketRun } from './bucket-run.ts'

/** Nobody of ours uploads in parts; another program on the bucket may. */
const UPLOAD_AGE_MIN_MS = 86_400_000

/** Nothing for a store in a folder. What fails here is a warning: the next collection does it. */
export async function finishBucket(run: CollectionRun): Promise<void> {
  const { bucketRun, progress } = run
  if (bucketRun === null) return
  // Stock's third phase; here are no markers to sweep.
  progress.log('Start GC phase3 (sweep unused chunk markers)')
  await acquitExpired(run, bucketRun)
  await abortUploads(run, bucketRun)
}

/**
 * Suspect chunks whose last DELETE cannot be executed any more: their gate is taken first and their time read after it,
 * as whoever deletes them again holds it. Whether they are there is not known by that; who uploads one asks the bucket.
 */
async function acquitExpired(run: CollectionRun, { bucket }: BucketRun): Promise<void> {
  const { store } = run
  const { ledger } = bucket
  using gates = new DisposableStack()
  const held = new Set<string>()
  for (const key of await expiredKeys(run, bucket)) {
    const digest = digestOfKey(key)
    const gate = digest === null ? null : store.core.gate.tryAcquire(digest)
    if (gate === null) continue
    gates.use(gate)
    held.add(key)
  }
  if (held.size === 0) return
  const keys = await expiredKeys(run, bucket)
  await ledger.acquit(keys.filter((key) => held.has(key)))
}

async function expiredKeys(
  { store }: CollectionRun,
  { ledger }: BucketRun['bucket'],
): Promise<string[]> {
  const beforeMs = store.clock.now() - REQUEST_LIFE_MS
  return (await ledger.suspects()).filter(({ lastMs }) => lastMs < beforeMs).map(({ key }) => key)
}

async function abortUploads(run: CollectionRun, { bucket, offsetMs }: BucketRun): Promise<void> {
  const { progress, start } = run
  const { signal } = progress
  const beforeMs = start.wallMs + offsetMs - UPLOAD_AGE_MIN_MS
  try {
    const count = await bucket.objects.abortUploads(`${bucket.prefix}/`, { signal, beforeMs })
    if (count > 0) progress.log(`Ended unfinished uploads in parts: ${count}`)
  } catch (error) {
    signal.throwIfAborted()
    progress.warn(`cannot end unfinished uploads in parts: ${toError(error).message}`)
  }
}
