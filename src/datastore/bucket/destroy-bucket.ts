/**
 * Removes a datastore's objects (datastore-semantics.md 9.4, 19.3): snapshots before chunks, the two that say whose the
 * bucket is last, so that nobody claims what is not empty yet.
 */
import type { FileSystem } from '../../base/fs/file-system.ts'
import { REQUEST_LIFE_MS } from '../../storage/ledger.ts'
import { errors } from '../errors.ts'
import { type BucketPlace, type Place, withPlace } from './bucket-place.ts'
import { deleteObjects } from './delete-objects.ts'
import { readBucketState } from './holder-object.ts'
import { CHUNK_OBJECTS_FOLDER, CONTENT_FOLDER, HOLDER_OBJECT, IN_USE_OBJECT } from './keys.ts'
import { differenceOf } from './object-holder.ts'

const MS_PER_MINUTE = 60_000

/**
 * Removes every object below `<prefix>/`, protected snapshots too. What was left by an interrupted one is no error.
 * Requests that were not answered are waited out: a datastore of this name may follow. Throws BUCKET_CLAIM_FAILED if it
 * is not ours, BUCKET_DELETE_FAILED, the errors of ObjectStore, the signal's reason.
 */
export async function destroyBucket(fs: FileSystem, options: BucketPlace): Promise<void> {
  await withPlace(fs, options, async (place) => {
    const { opened, prefix, progress } = place
    const { objects } = opened
    const { clock } = options
    progress.log('Deleting objects of the datastore...')
    await checkOurs(place)
    const last = [`${prefix}/${HOLDER_OBJECT}`, `${prefix}/${IN_USE_OBJECT}`]
    const folders = [
      `${prefix}/${CONTENT_FOLDER}/`,
      `${prefix}/${CHUNK_OBJECTS_FOLDER}/`,
      `${prefix}/`,
    ]
    for (const folder of folders) await deleteBelow(place, clock, { folder, except: last })
    await objects.abortUploads(`${prefix}/`, {
      beforeMs: await objects.now(),
      signal: progress.signal,
    })
    await deleteObjects({ objects, ledger: place.ledger, clock }, last)
    await waitForSuspects(place, clock)
  })
}

/** A rest of an interrupted removal has no holder any more and nothing else either. */
async function checkOurs({ opened, prefix, ledger }: Place): Promise<void> {
  const state = await readBucketState(opened.objects, prefix)
  const reason = differenceOf(ledger.holder, state)
  if (reason === null || (state.holder === null && state.inUseMs === null)) return
  throw errors.BUCKET_CLAIM_FAILED({ place: opened.objects.place, reason })
}

async function deleteBelow(
  { opened, ledger, progress }: Place,
  clock: BucketPlace['clock'],
  { folder, except }: { readonly folder: string; readonly except: readonly string[] },
): Promise<void> {
  const { objects } = opened
  const { signal } = progress
  let count = 0
  for await (const page of objects.list(folder, { signal })) {
    const keys = page.objects.map(({ key }) => key).filter((key) => !except.includes(key))
    await deleteObjects({ objects, ledger, clock }, keys, signal)
    count += keys.length
    progress.advance('objects', count, null)
  }
}

async function waitForSuspects(
  { ledger, progress }: Place,
  clock: BucketPlace['clock'],
): Promise<void> {
  const suspects = await ledger.suspects()
  const endMs = Math.max(0, ...suspects.map(({ lastMs }) => lastMs + REQUEST_LIFE_MS))
  const waitMs = endMs - clock.now()
  if (waitMs <= 0) return
  const minutes = Math.ceil(waitMs / MS_PER_MINUTE)
  progress.log(`Waiting ${minutes} minute(s) for deletions that were not answered...`)
  await clock.sleep(waitMs, progress.signal)
}
