/** The process lock as writers hold it: shared, from before they rely on a chunk until their end (datastore-semantics.md 4). */
import { hasCode } from '../base/errors.ts'
import type { ProcessLockGuard } from '../base/fs/record-lock.ts'
import { unixSeconds } from '../base/time/clock.ts'
import type { Datastore } from './datastore.ts'

/** A collection in another process may be about to end, as after a reload; a client waits for this answer. */
const WAIT_MS = 5_000
const RETRY_MS = 250

/** Throws PROCESS_LOCK_BUSY if a collection of another process does not end in time. */
export async function takeSharedProcessLock(store: Datastore): Promise<ProcessLockGuard> {
  const { clock, core } = store
  const deadline = clock.monotonic() + WAIT_MS
  for (;;) {
    try {
      return core.processLock.tryShared(unixSeconds(clock))
    } catch (error) {
      const isBusy = hasCode(error, 'PROCESS_LOCK_BUSY')
      if (!isBusy || clock.monotonic() >= deadline) throw error
    }
    await clock.sleep(RETRY_MS)
  }
}
