/**
 * The copies of a session's files in its bucket (datastore-semantics.md 19.5). A session that ends without its manifest
 * there was never answered as finished, whatever else of it is there.
 */
import type { Datastore } from '../datastore.ts'
import { INDEX_SIZE_MAX } from '../snapshot-files.ts'

/** Where a session writes: its snapshot's folder, absolute and below the datastore's. */
export interface SessionPlace {
  readonly path: string
  readonly relativePath: string
}

/** Before the blob is written here. */
export async function copyBlobToBucket(
  { bucket }: Datastore,
  { relativePath }: SessionPlace,
  fileName: string,
  blob: Uint8Array,
): Promise<void> {
  await bucket?.tree.write(`${relativePath}/${fileName}`, blob, { isNew: true })
}

/** After the index was closed here, and before that is answered. */
export async function copyIndexToBucket(
  { bucket, fs }: Datastore,
  { path, relativePath }: SessionPlace,
  archiveName: string,
): Promise<void> {
  if (bucket === null) return
  const bytes = await fs.readFile(`${path}/${archiveName}`, INDEX_SIZE_MAX)
  await bucket.tree.write(`${relativePath}/${archiveName}`, bytes, { isNew: true })
}
