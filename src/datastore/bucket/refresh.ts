/**
 * `s3-refresh`: the local tree and the ledger are made anew from the bucket (datastore-semantics.md 19.6, races.md R-40).
 *
 * Order: what our own notes say to be garbage goes from the bucket; a note in the state folder (durable) that the tree is
 * not to be relied on; we become the bucket's holder, with a generation that nobody else has seen; everything below `.cnt/`
 * is fetched into a hidden folder and synced; `vm`, `ct`,
 * `host` and `ns` are replaced one by one; the ledger is emptied and made anew from a LIST; the holder is looked at
 * again; the note goes. Whatever ends it before the last step leaves the note: nothing is collected, and nothing that the
 * ledger says counts, until another refresh, which starts over.
 */
import { isSystemError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import { BACKUP_TYPES } from '../../formats/names.ts'
import type { Datastore } from '../datastore.ts'
import { errors } from '../errors.ts'
import { findAllBegun, finishBegun } from '../finish-begun.ts'
import { NAMESPACES_FOLDER } from '../layout.ts'
import { recoverJournalled } from '../recovery.ts'
import { takeHold } from './claim.ts'
import { doubtAll, shortenDoubt } from './doubt-all.ts'
import { fetchContent } from './fetch-content.ts'
import { readBucketState } from './holder-object.ts'
import type { HolderObject } from './holder-object.ts'
import { differenceOf } from './object-holder.ts'
import type { OpenBucket } from './open-bucket.ts'
import { rebuildLedger } from './rebuild-ledger.ts'

export interface RefreshOptions {
  readonly progress: Progress
  /** Become the holder although another one is (`overwrite-in-use`); without it that is refused. */
  readonly takesOver: boolean
  /** Host name for `.in-use`, if it is written. */
  readonly hostname?: string
}

/** Hidden, below the datastore's folder: renames need one file system. */
const WORK_FOLDER = '.cairn-refresh'
const REPLACED = [...BACKUP_TYPES, NAMESPACES_FOLDER]

/**
 * Replaces the local tree by the bucket's, rebuilds the ledger, and becomes the bucket's holder. The caller has put
 * the datastore into maintenance mode `s3-refresh`, in its configuration, and clears it only after success. Throws
 * BUCKET_BUSY, BUCKET_HELD (both before anything was changed), BUCKET_CLAIM_FAILED, BUCKET_CONTENT_WRONG, the errors of
 * ObjectStore, the signal's reason.
 */
export async function refreshStore(store: Datastore, options: RefreshOptions): Promise<void> {
  const { core } = store
  const { bucket } = core
  if (bucket === null) throw new Error(`datastore '${store.name}' has no bucket`)
  if (core.isInUse) throw errors.BUCKET_BUSY({ store: store.name })
  using _collection = core.collection.begin()
  using _others = core.processLock.tryExclusive()
  const { progress } = options
  const isOurs = (await bucket.holder.check(progress.signal, { isAlone: true })) === null
  await bucket.endRebuild('stop')
  // Before the tree is replaced: what a session of ours left is known by its files here.
  if (isOurs) {
    await recoverJournalled(store)
    await findAllBegun(store)
    await finishBegun(store)
  }
  const hold = await takeHold(placeOf(bucket, progress), {
    ...options,
    onBegin: async () => {
      await bucket.marks.set('refreshing')
      await bucket.holder.suspend('a refresh of it did not end')
    },
  })
  // From now on nobody else deletes, but for what is on its way.
  if (!isOurs) {
    const { ledger, objects } = bucket
    await doubtAll(ledger, store.clock)
    await shortenDoubt({ ledger, objects, clock: store.clock }, hold)
  }
  await replaceTree(store, bucket, progress)
  await rebuild(bucket, progress)
  await finish(bucket, hold, progress)
}

function placeOf(bucket: OpenBucket, progress: Progress) {
  const { objects, verdict, prefix, ledger, copy, marks } = bucket
  return { opened: { objects, verdict }, prefix, ledger, copy, marks, progress }
}

async function replaceTree(
  store: Datastore,
  bucket: OpenBucket,
  progress: Progress,
): Promise<void> {
  const { fs, path, core } = store
  const work = `${path}/${WORK_FOLDER}`
  const [fetched, replaced] = [`${work}/new`, `${work}/old`]
  await fs.removeTree(work)
  for (const folder of [work, fetched, replaced]) await store.files.createFolder(folder)
  progress.log('Fetching contents from the bucket...')
  const { objects, bytes, same } = await fetchContent(store, bucket, { to: fetched, progress })
  progress.log(`Found ${objects} objects, ${bytes} bytes; ${same} of them were here already`)
  await core.sync.run()
  // A collection must not take for vanished what the bucket has no more (races.md R-69).
  for (const name of REPLACED) await core.collection.removals.note(name)
  progress.signal.throwIfAborted()
  for (const name of REPLACED) {
    await renameIfThere(store, `${path}/${name}`, `${replaced}/${name}`)
    await renameIfThere(store, `${fetched}/${name}`, `${path}/${name}`)
  }
  await fs.syncFolder(path)
  await fs.removeTree(work)
}

async function renameIfThere({ fs }: Datastore, from: string, to: string): Promise<void> {
  try {
    await fs.rename(from, to)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

async function rebuild(bucket: OpenBucket, progress: Progress): Promise<void> {
  await bucket.marks.set('rebuilding')
  await bucket.ledger.clear()
  const { doubtMs, doubtText } = bucket.chunks.provisional
  if (doubtMs > 0) {
    progress.log(`Chunks are listed later: ${doubtText}.`)
    progress.log('Backups that end before then wait for it, collections, too.')
    return
  }
  progress.log('Listing chunks of the bucket...')
  const count = await rebuildLedger(bucket, progress)
  await bucket.marks.unset('rebuilding')
  progress.log(`Found ${count} chunks`)
}

async function finish(bucket: OpenBucket, hold: HolderObject, { signal }: Progress): Promise<void> {
  const { objects, prefix, ledger } = bucket
  const state = await readBucketState(objects, prefix, { signal })
  const reason = differenceOf({ ...hold, pending: null }, state)
  if (reason !== null) {
    await ledger.clear()
    throw errors.BUCKET_CLAIM_FAILED({ place: objects.place, reason })
  }
  await bucket.marks.unset('refreshing')
  await bucket.holder.accept(hold)
  if (await bucket.marks.has('rebuilding')) bucket.rebuildInBackground()
}
