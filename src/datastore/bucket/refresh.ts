/** `s3-refresh`: the local tree and the ledger are made anew from the bucket (datastore-semantics.md 19.6, races.md R-40). */
import type { Progress } from '../../base/progress.ts'
import type { Datastore } from '../datastore.ts'

export interface RefreshOptions {
  readonly progress: Progress
  /** Become the holder although another one is (`overwrite-in-use`); without it that is refused. */
  readonly takesOver: boolean
}

/**
 * Replaces the local tree by the bucket's, rebuilds the ledger, and accepts the bucket's generation. The caller has put
 * the datastore into maintenance mode `s3-refresh`, in its configuration, and clears it only after success: a refresh
 * that was interrupted anywhere leaves the datastore stale, and another one starts over. Throws BUCKET_IN_USE,
 * BUCKET_HELD, the errors of ObjectStore, the signal's reason.
 */
export async function refreshStore(store: Datastore, options: RefreshOptions): Promise<void> {
  await Promise.resolve()
  throw new Error(`not yet: ${store.name} ${String(options.takesOver)}`)
}
