/**
 * A snapshot that is finished in the bucket and not here: the process ended between the two, or the local disk is older.
 * It is brought here as it is there (races.md R-57): somebody may have been told of it.
 */
import { randomBytes } from 'node:crypto'
import { silentProgress } from '../../base/progress.ts'
import { MANIFEST_NAME } from '../../formats/archive-name.ts'
import type { SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { groupPath, relativeSnapshotPath, removedName, snapshotPath } from '../layout.ts'
import { fetchContent } from './fetch-content.ts'

/** Hidden, below the datastore's folder; nothing in it counts after a crash. */
const WORK_FOLDER = '.cairn-fetch'

/** True if the bucket has its manifest: the folder here is what is there then. The caller holds the snapshot's locks. */
export async function completeFromBucket(
  store: Datastore,
  { ns, ref }: { readonly ns: NamespacePath; readonly ref: SnapshotRef },
): Promise<boolean> {
  const { bucket, fs, path } = store
  const relative = relativeSnapshotPath(ns, ref)
  if (bucket === null || (await bucket.tree.read(`${relative}/${MANIFEST_NAME}`)) === null) {
    return false
  }
  const work = `${path}/${WORK_FOLDER}`
  await fs.removeTree(work)
  await store.files.createFolder(work)
  await fetchContent(store, bucket, { to: work, below: relative, progress: silentProgress() })
  await store.core.sync.run()
  const folder = groupPath(path, ns, ref)
  const hidden = `${folder}/${removedName(ref, randomBytes(4).toString('hex'))}`
  await fs.rename(snapshotPath(path, ns, ref), hidden)
  await fs.rename(`${work}/${relative}`, snapshotPath(path, ns, ref))
  await fs.syncFolder(folder)
  await fs.removeTree(hidden)
  await fs.removeTree(work)
  store.log.info('a snapshot is finished as it is in the bucket', { store: store.name, relative })
  return true
}
