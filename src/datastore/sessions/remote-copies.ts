/**
 * The copies of a session's files in its bucket (datastore-semantics.md 19.5). A session that ends without its manifest
 * there was never answered as finished, whatever else of it is there.
 */
import { dirname } from 'node:path'
import type { Datastore } from '../datastore.ts'
import { OWNER_FILE } from '../layout.ts'
import { INDEX_SIZE_MAX } from '../snapshot-files.ts'

const OWNER_SIZE_MAX = 65_536

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

/**
 * To be awaited when a doubt of everything is over, before the manifest goes into the bucket: what a request of former
 * times took away of the snapshot, or of its group, is put there again (races.md R-60).
 */
export async function completeInBucket(store: Datastore, place: SessionPlace): Promise<void> {
  const { bucket, fs } = store
  if (bucket === null) return
  const { path, relativePath } = place
  const there = await bucket.tree.namesIn(relativePath)
  for (const { name, kind } of await fs.readDir(path)) {
    if (kind !== 'file' || name.startsWith('.') || there.has(name)) continue
    await copyIndexToBucket(store, place, name)
  }
  const owner = `${dirname(relativePath)}/${OWNER_FILE}`
  if ((await bucket.tree.read(owner)) !== null) return
  const bytes = await fs.readFile(`${dirname(path)}/${OWNER_FILE}`, OWNER_SIZE_MAX)
  await bucket.tree.write(owner, bytes, { isNew: true })
}
