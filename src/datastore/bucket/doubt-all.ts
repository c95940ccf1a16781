/**
 * When something is wrong with what we know of our own past: the machine or its ledger is older than the bucket, lost, or
 * somebody else had the bucket. Deletes that are not known here may be on their way then (races.md R-59 with R-60).
 */
import type { Clock } from '../../base/time/clock.ts'
import { HOLDER_LOOK_MS, type Ledger } from '../../storage/ledger.ts'

/**
 * Nothing that the ledger says counts, and every key is a suspect: for the life of a request, and for as long as somebody
 * else may take to notice that the bucket is not his any more. Durable when it resolves.
 */
export async function doubtAll(ledger: Ledger, clock: Clock): Promise<void> {
  await ledger.doubtAll(clock.now() + HOLDER_LOOK_MS)
  await ledger.clear()
}
