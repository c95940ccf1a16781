/**
 * Removal of a snapshot (datastore-semantics.md 5.4, 9.1, 22).
 *
 * Order: snapshot lock, manifest lock, protection looked at under them; a durable note for the collection; the objects
 * in the bucket, if there is one, the manifest first (a failure keeps what is here, `remove-from-bucket.ts`); the folder is renamed
 * to a hidden name, which ends the snapshot for every observer at once, and that is made durable; then its files go; then
 * the lock files, while still held. A crash in between leaves a hidden folder that the next start removes; it is never
 * renamed back.
 */
import { randomBytes } from 'node:crypto'
import { hasCode, isSystemError } from '../base/errors.ts'
import { MANIFEST_NAME } from '../formats/archive-name.ts'
import { groupOf, type SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import { quote } from './debug-text.ts'
import { errors } from './errors.ts'
import { isEmptyGroup, removeEmptyGroup } from './empty-group.ts'
import { groupPath, PROTECTED_FILE, removedName, snapshotPath } from './layout.ts'
import { endLock, type FileLock } from './locks.ts'
import { removeFromBucket } from './remove-from-bucket.ts'

export type RemoveOutcome = 'removed' | 'protected' | 'missing' | 'spared'

export interface RemoveOptions {
  /** Put in front of the text of LOCKED. */
  readonly textPrefix?: string
  /** Also remove the group if this was its last snapshot and its lock is free. */
  readonly removesGroup?: boolean
  /** Look at the protection flag before the lock as well, so that a protected one in use is no error. */
  readonly skipsProtected?: boolean
  /** Asked under the locks, right before the snapshot is hidden; false spares it. */
  readonly confirm?: () => Promise<boolean>
}

/** Removes one snapshot unless it is protected. Throws LOCKED with stock's text if it is in use. */
export async function removeSnapshot(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: RemoveOptions = {},
): Promise<RemoveOutcome> {
  const path = snapshotPath(store.path, ns, ref)
  const flag = `${path}/${PROTECTED_FILE}`
  if (options.skipsProtected === true && (await store.files.exists(flag))) return 'protected'
  const prefix = options.textPrefix ?? ''
  let outcome: RemoveOutcome = 'spared'
  {
    // Whatever fails, both are released.
    await using locks = new AsyncDisposableStack()
    const isGone = (): boolean => outcome === 'removed' || outcome === 'missing'
    const snapshotLock = await orLocked(
      store.locks.lockSnapshot(ns, ref, 'exclusive'),
      prefix,
      path,
    )
    locks.defer(async () => await endLock(snapshotLock, isGone()))
    const manifestLock = await orLocked(store.locks.lockManifest(ns, ref), prefix, path)
    locks.defer(async () => await endLock(manifestLock, isGone()))
    if (await store.files.exists(flag)) outcome = 'protected'
    else if (options.confirm !== undefined && !(await options.confirm())) outcome = 'spared'
    else {
      await announceUnfinished(store, ns, ref)
      outcome = (await removeFolder(store, ns, ref)) ? 'removed' : 'missing'
    }
  }
  if (outcome === 'removed' && options.removesGroup === true) await tryRemoveGroup(store, ns, ref)
  return outcome
}

/** Removes a snapshot from the bucket, hides and removes its folder; false if there is none. The caller holds its locks. */
export async function removeFolder(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<boolean> {
  const folder = groupPath(store.path, ns, ref)
  if (!(await store.files.exists(snapshotPath(store.path, ns, ref)))) return false
  // A collection tells by this what was removed from what vanished (races.md R-69).
  using _leaving = await store.core.collection.noteRemoval({ kind: 'snapshot', ns, ref })
  await removeFromBucket(store, ns, ref)
  const hidden = `${folder}/${removedName(ref, randomBytes(4).toString('hex'))}`
  try {
    await store.fs.rename(snapshotPath(store.path, ns, ref), hidden)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
  await syncGroup(store, folder)
  await store.fs.removeTree(hidden)
  return true
}

/** What is unfinished here may be a running backup of a copy of ourselves: it hears of this and fails (races.md R-59). */
async function announceUnfinished(
  { bucket, files, path }: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<void> {
  if (bucket === null) return
  if (!(await files.exists(`${snapshotPath(path, ns, ref)}/${MANIFEST_NAME}`))) {
    await bucket.holder.raise()
  }
}

/** A process that starts meanwhile finishes what it finds hidden, and the group with it if that was the last. */
async function syncGroup(store: Datastore, folder: string): Promise<void> {
  try {
    await store.files.syncNames(folder)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

/**
 * A group in use stays: its session has the lock, and decides itself. Whoever begins a backup while we hold it is
 * refused: so it is only taken where the group may go.
 */
async function tryRemoveGroup(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<void> {
  const group = groupOf(ref)
  if (!(await isEmptyGroup(store, ns, group))) return
  let lock: FileLock
  try {
    lock = await store.locks.lockGroup(ns, group)
  } catch (error) {
    if (hasCode(error, 'GROUP_LOCK_BUSY')) return
    throw error
  }
  let isGone = false
  try {
    isGone = await removeEmptyGroup(store, ns, group)
  } finally {
    await (isGone ? lock.unlinkAndRelease() : lock.release())
  }
}

async function orLocked(lock: Promise<FileLock>, prefix: string, path: string): Promise<FileLock> {
  try {
    return await lock
  } catch (error) {
    if (!hasCode(error, 'SNAPSHOT_LOCK_BUSY', 'MANIFEST_LOCK_BUSY')) throw error
    const text = `${prefix}while destroying snapshot ${quote(path)}: ${error.message}`
    throw errors.LOCKED({ text }, { cause: error })
  }
}
