/** What chunks of a bucket need of the datastore's gate; that lies in a higher room. */
import type { Digest } from '../../formats/digest.ts'

/** The gate of the datastore: one holder per digest (races.md 9.6). */
export interface ChunkGate {
  acquire(digest: Digest, signal?: AbortSignal): Promise<Disposable>
  isHeld(digest: Digest): boolean
  /** Digests held now. */
  readonly size: number
}
