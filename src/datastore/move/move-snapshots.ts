/**
 * The renames of a move. The caller holds the process lock and the locks of both groups.
 *
 * Order of a batch: locks of its snapshots; notes for the collection that they leave this place, durable; their future
 * paths in stock's journal; then one by one, oldest first: manifest lock, digests registered, copy in the bucket (the
 * manifest last), a note of where it comes to, rename, removal of what is left in the bucket; at last the names are made durable and the lock files of
 * the old place removed. A crash in between leaves each snapshot whole at one of the two places; in the bucket perhaps
 * at both. What is hidden for removal has no snapshot's name and is never moved.
 */
import { isSystemError } from '../../base/errors.ts'
import type { GroupRef, SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import type { Removal } from '../collection/state.ts'
import type { Datastore } from '../datastore.ts'
import { groupPath, snapshotPath } from '../layout.ts'
import { endLock } from '../locks.ts'
import { appendMoveJournal } from './move-journal.ts'
import { orBusy } from './move-errors.ts'
import { whileRegistered } from './moved-digests.ts'
import { copyInBucket, removeMovedInBucket } from './move-in-bucket.ts'

/** Snapshots locked at a time: stock's number; each is an open file. */
const BATCH_SIZE = 512

export interface MovePlaces {
  readonly source: NamespacePath
  readonly target: NamespacePath
  readonly group: GroupRef
}

/** Moves `refs` of the group, oldest first; the number that was moved. Throws LOCKED if one is in use. */
export async function moveSnapshots(
  store: Datastore,
  places: MovePlaces,
  refs: readonly SnapshotRef[],
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < refs.length; start += BATCH_SIZE) {
    signal.throwIfAborted()
    await moveBatch(store, places, refs.slice(start, start + BATCH_SIZE), signal)
  }
}

async function moveBatch(
  store: Datastore,
  places: MovePlaces,
  refs: readonly SnapshotRef[],
  signal: AbortSignal,
): Promise<void> {
  const { source, target, group } = places
  const moved = new Set<SnapshotRef>()
  // Whatever fails, all are released.
  await using locks = new AsyncDisposableStack()
  for (const ref of refs) {
    const lock = await orBusy(store.locks.lockSnapshot(source, ref, 'exclusive'))
    locks.defer(async () => await endLock(lock, moved.has(ref)))
  }
  locks.defer(async () => {
    if (moved.size === 0) return
    await store.files.syncNames(groupPath(store.path, target, group))
    await store.files.syncNames(groupPath(store.path, source, group))
  })
  locks.use(await store.core.collection.noteRemoval(...leaving(source, refs)))
  await appendMoveJournal(
    store,
    refs.map((ref) => snapshotPath(store.path, target, ref)),
  )
  for (const ref of refs) {
    signal.throwIfAborted()
    if (await moveOne(store, places, ref)) moved.add(ref)
  }
}

function leaving(ns: NamespacePath, refs: readonly SnapshotRef[]): Removal[] {
  return refs.map((ref) => ({ kind: 'snapshot', ns, ref }))
}

/** False if it vanished since it was listed. */
async function moveOne(
  store: Datastore,
  { source, target }: MovePlaces,
  ref: SnapshotRef,
): Promise<boolean> {
  const from = snapshotPath(store.path, source, ref)
  if (!(await store.files.exists(from))) return false
  // An update of the manifest writes a temporary file and renames it: not into a folder that just left.
  const lock = await orBusy(store.locks.lockManifest(source, ref))
  let isMoved = false
  try {
    await whileRegistered(store, from, async (uuids) => {
      await copyInBucket(store, { from: source, to: target, ref })
      // Before it comes: one that stays where it is is found there.
      await store.core.collection.noteArrival(target, ref, uuids)
      await store.fs.rename(from, snapshotPath(store.path, target, ref))
      isMoved = true
    })
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  } finally {
    await endLock(lock, isMoved)
  }
  if (isMoved) await removeMovedInBucket(store, { from: source, ref })
  return isMoved
}
