/**
 * What an upload does to a chunk that is already there (datastore-semantics.md 3.2), as a pure table.
 *
 * Sizes are those of the encoded blobs. An existing chunk that is broken never comes here: it counts as absent,
 * else it would win over every upload that could heal it (races.md R-55).
 */
import { type BlobKind, blobKindOf } from '../formats/magic.ts'
import type { Digest } from '../formats/digest.ts'
import { errors } from './errors.ts'

export type InsertPlan = 'keep' | 'replace'

/**
 * The plan for `incoming` over a whole `existing` of another size.
 * Throws CHUNK_PLAIN_KEPT or CHUNK_ENCRYPTED_KEPT: encrypted data is taken on trust, so it must never replace plain
 * data, and of two different encrypted and uncompressed ones under one digest one must be wrong.
 */
export function planInsert(
  incoming: Uint8Array,
  existing: Uint8Array,
  chunk: { readonly digest: Digest; readonly store: string },
): InsertPlan {
  const incomingKind = blobKindOf(incoming)
  if (!isEncrypted(incomingKind)) return existing.length <= incoming.length ? 'keep' : 'replace'
  const existingKind = blobKindOf(existing)
  if (!isEncrypted(existingKind)) throw errors.CHUNK_PLAIN_KEPT(chunk)
  if (incomingKind?.compressed === false && existingKind?.compressed === false) {
    throw errors.CHUNK_ENCRYPTED_KEPT(chunk)
  }
  return 'keep'
}

function isEncrypted(kind: BlobKind | null): boolean {
  return kind?.encrypted === true
}
