/**
 * The bucket of an open datastore: what belongs to its identity (endpoint, bucket, prefix; races.md R-66), so it is
 * part of the core and survives a reconfiguration. `Datastore.bucket` is null for a datastore in a folder.
 */
import type { Digest } from '../../formats/digest.ts'
import type { Ledger } from '../../storage/ledger.ts'
import type { ObjectStore } from '../../storage/object-store.ts'
import type { ProbeVerdict } from '../../storage/s3/verdict.ts'
import type { BucketHolder } from './holder.ts'
import type { RemoteTree } from './remote-tree.ts'

/** What the server opens for a datastore: the client of its bucket, and what the probe saw. */
export interface OpenedObjects {
  readonly objects: ObjectStore
  readonly verdict: ProbeVerdict
  /** Gives connections back when the datastore is closed. */
  close?(): Promise<void>
}

export interface StoreBucket {
  readonly objects: ObjectStore
  readonly ledger: Ledger
  readonly verdict: ProbeVerdict
  /** The datastore's name in the bucket: keys are `<prefix>/…`. */
  readonly prefix: string
  readonly holder: BucketHolder
  readonly tree: RemoteTree
  /**
   * Somebody else had the bucket, or local state is old (races.md R-59), or a refresh did not end: nothing is
   * collected, and no entry of the ledger counts, until a refresh.
   */
  readonly isStale: boolean
  /** `<prefix>/.chunks/<first 4>/<digest>`. */
  chunkKey(digest: Digest): string
  /** The local copy of a chunk that was deleted goes, too, if there is one. */
  forgetCopy(digest: Digest): Promise<void>
}
