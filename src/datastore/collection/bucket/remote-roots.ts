/**
 * The indexes of the bucket as roots (races.md R-59, I25): the local tree is a copy, and an old one if the machine was
 * restored or cloned. What the bucket has and the tree lacks, or has with other content, is fetched and marked before
 * the sweep; what only the tree has stays a root.
 */
import { MANIFEST_NAME } from '../../../formats/archive-name.ts'
import { indexKindOf } from '../../../formats/index-layout.ts'
import type { StoreBucket } from '../../bucket/store-bucket.ts'
import { quote } from '../../debug-text.ts'
import { Marks, MARKS_MAX } from '../marks.ts'
import { MarksFull, type Roots } from '../roots.ts'
import type { CollectionRun } from '../run.ts'
import { isExpectedPlace } from '../walk-roots.ts'
import { raiseHolder } from './begin-bucket.ts'
import { markObject, type RemoteIndex } from './mark-object.ts'
import { ObjectIdentities } from './object-identities.ts'

/** Keys of everything that is no chunk. */
const CONTENTS_FOLDER = '.cnt'

/**
 * Adds the marks of the bucket's own indexes to those of `roots`, which has read the local tree. Throws
 * COLLECTION_MARK_FAILED, MarksFull, BUCKET_STALE, the errors of ObjectStore: then nothing may be swept.
 */
export async function markRemoteRoots(
  run: CollectionRun,
  roots: Roots,
  options: { readonly bytesMax: number },
): Promise<void> {
  const { bucketRun } = run
  const { signal } = run.progress
  if (bucketRun === null) return
  await raiseHolder(bucketRun, signal)
  bucketRun.remoteOnly ??= await findRemoteOnly(run, bucketRun.bucket, roots)
  const marks = new Marks(roots.marks)
  for (const index of bucketRun.remoteOnly) {
    signal.throwIfAborted()
    await markObject(bucketRun.bucket, { index, marks, signal })
    if (marks.byteLength > options.bytesMax || marks.count >= MARKS_MAX) throw new MarksFull()
  }
  roots.takeMarks(marks.state)
}

/** Lists all metadata of the bucket; the indexes that the local tree does not have as they are there. */
async function findRemoteOnly(
  run: CollectionRun,
  bucket: StoreBucket,
  roots: Roots,
): Promise<RemoteIndex[]> {
  const { store, progress } = run
  const { signal } = progress
  const { objects: door, prefix } = bucket
  const base = `${prefix}/${CONTENTS_FOLDER}/`
  const locals = new Map(roots.entries.map(({ path, identity }) => [path, identity]))
  const identities = await ObjectIdentities.open(store)
  const remoteOnly: RemoteIndex[] = []
  const seen = new Set<string>()
  for await (const { objects } of door.list(base, { signal })) {
    for (const { key, size, etag } of objects) {
      if (indexKindOf(key) === null) continue
      const path = key.slice(base.length)
      seen.add(path)
      const index = { path, key, size, etag }
      const local = locals.get(path)
      const isSame =
        local !== undefined && (await identities.isSame(bucket, { index, local, signal }))
      if (!isSame) remoteOnly.push(index)
    }
  }
  await identities.save(seen)
  warnOf(
    run,
    remoteOnly,
    'index files of the bucket are not in the local tree',
    '; an S3 refresh brings them here',
  )
  warnOf(run, await findLocalOnly(run, roots, seen), 'index files are not in the bucket', '')
  return remoteOnly
}

async function findLocalOnly(
  { store }: CollectionRun,
  roots: Roots,
  seen: ReadonlySet<string>,
): Promise<{ readonly path: string }[]> {
  const found: { readonly path: string }[] = []
  for (const { path } of roots.files) {
    if (seen.has(path) || !isExpectedPlace(path)) continue
    // A backup that is not finished yet may be about to send it.
    const folder = `${store.path}/${path.slice(0, path.lastIndexOf('/'))}`
    if (await store.files.exists(`${folder}/${MANIFEST_NAME}`)) found.push({ path })
  }
  return found
}

function warnOf(
  { progress }: CollectionRun,
  indexes: readonly { readonly path: string }[],
  what: string,
  hint: string,
): void {
  const [first] = indexes
  if (first === undefined) return
  const shown = quote(first.path)
  progress.warn(`${indexes.length} ${what}, the first is ${shown}: their chunks are kept${hint}`)
}
