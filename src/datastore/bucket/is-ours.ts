/** Whether what our own notes say to be garbage may be removed from the bucket (races.md ). */
import { errorChain } from '../../base/errors.ts'
import type { Datastore } from '../datastore.ts'

/**
 * Whether the bucket is as we left it; true for a datastore in a folder. A copy of ourselves hears of what comes now:
 * what is unfinished here may be a running backup there, what is half gone here may be whole again. A bucket that does
 * not answer is a warning, and `what` stays.
 */
export async function isBucketOurs(
  { name, bucket, log }: Datastore,
  what: string,
): Promise<boolean> {
  if (bucket === null) return true
  try {
    if ((await bucket.holder.check()) !== null) return false
    await bucket.holder.raise()
    return true
  } catch (error) {
    log.warn(`${what} stay`, { store: name, error: errorChain(error) })
    return false
  }
}
