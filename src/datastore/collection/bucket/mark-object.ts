/** An index object of the bucket into marks, piece by piece, without a file of it here. */
import { INDEX_HEADER_SIZE } from '../../../formats/archive-index.ts'
import type { StoreBucket } from '../../bucket/store-bucket.ts'
import { quote } from '../../debug-text.ts'
import { errors } from '../../errors.ts'
import { breathe } from '../../sessions/breathe.ts'
import { checkWhole, IndexMarker, markFailure } from '../mark-index.ts'
import type { Marks } from '../marks.ts'

/** An index object of the bucket. */
export interface RemoteIndex {
  /** Below the datastore's folder. */
  readonly path: string
  readonly key: string
  readonly size: number
  readonly etag: string
}

/** Bytes that are marked in one step, whole entries of either kind: about two milliseconds. */
const STEP_SIZE = 160 * 3_200

/**
 * Marks the chunks of `index`; one that was removed since it was listed has none. Throws COLLECTION_MARK_FAILED for one
 * that cannot be understood or is another one meanwhile, the errors of ObjectStore.
 */
export async function markObject(
  bucket: StoreBucket,
  work: { readonly index: RemoteIndex; readonly marks: Marks; readonly signal: AbortSignal },
): Promise<void> {
  const { index, marks, signal } = work
  const { key, size } = index
  const read = async (from: number, to: number): Promise<Uint8Array | null> =>
    await readIndexObject(bucket, index, { from, to, signal })
  const header = await read(0, Math.min(INDEX_HEADER_SIZE, size))
  if (header === null) return
  const place = `${bucket.objects.place}/${key}`
  try {
    const stat = { dev: 0n, ino: 0n, ctimeNs: 0n, size, isFile: true }
    const marker = new IndexMarker(place, { header, stat, marks })
    for (let next = marker.next; next !== null; next = marker.next) {
      const piece = await read(next.position, next.position + next.length)
      if (piece === null) return
      checkWhole(place, piece.length, next.length)
      for (let start = 0; start < piece.length; start += STEP_SIZE) {
        marker.feed(piece.subarray(start, start + STEP_SIZE))
        await breathe()
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    throw markFailure(place, error)
  }
}

/** Bytes of the object that was listed; null if it is gone. Throws COLLECTION_MARK_FAILED if it is another one now. */
export async function readIndexObject(
  { objects }: StoreBucket,
  index: RemoteIndex,
  piece: { readonly from: number; readonly to: number; readonly signal: AbortSignal },
): Promise<Uint8Array | null> {
  const { from, to, signal } = piece
  const found = await objects.get(index.key, { signal, range: { from, to } })
  if (found === null) return null
  if (found.etag === index.etag) return found.body
  const reason = `${quote(index.key)} in ${objects.place} changed while it was read`
  throw errors.COLLECTION_MARK_FAILED({ reason })
}
