/** Snapshots of a group: list, find the base, protect, forget (datastore-semantics.md 6, 9.1). */
import { mapConcurrent } from '../base/async/map-concurrent.ts'
import { hasCode, isSystemError } from '../base/errors.ts'
import { MANIFEST_NAME } from '../formats/archive-name.ts'
import { formatSnapshot, type GroupRef, type SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import { snapshotText } from './debug-text.ts'
import { errors } from './errors.ts'
import { PROTECTED_FILE, relativeSnapshotPath, SNAPSHOT_FILE, snapshotPath } from './layout.ts'
import { checkNotLeaving } from './remove-from-bucket.ts'
import { removeSnapshot } from './remove-snapshot.ts'
import { listSnapshotRefs } from './snapshot-refs.ts'

export interface SnapshotListing {
  readonly ref: SnapshotRef
  /** Indexes and blobs on disk, sorted by name. */
  readonly files: readonly string[]
  readonly protected: boolean
  /** Whether it has a manifest. */
  readonly finished: boolean
}

/** Folders read at once. */
const LISTED_AT_ONCE = 8

/** Snapshots of a group with their files, oldest first; what vanishes meanwhile is left out (races.md R-05). */
export async function listSnapshots(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<SnapshotListing[]> {
  const refs = await listSnapshotRefs(store, ns, group)
  const listings = mapConcurrent(
    refs,
    { concurrency: LISTED_AT_ONCE },
    async (ref) => await readListing(store, ns, ref),
  )
  const found: SnapshotListing[] = []
  for await (const listing of listings) if (listing !== null) found.push(listing)
  return found
}

/** The listing of one snapshot; null if its folder is gone. */
export async function readListing(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<SnapshotListing | null> {
  try {
    const entries = await store.fs.readDir(snapshotPath(store.path, ns, ref))
    const files = entries
      .filter((entry) => entry.kind === 'file' && SNAPSHOT_FILE.test(entry.name))
      .map((entry) => entry.name)
      .toSorted()
    const isProtected = entries.some((entry) => entry.name === PROTECTED_FILE)
    return { ref, files, protected: isProtected, finished: files.includes(MANIFEST_NAME) }
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}

export async function snapshotExists(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<boolean> {
  return await store.files.exists(snapshotPath(store.path, ns, ref))
}

/** The newest snapshot with a manifest, or null. */
export async function lastFinished(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<SnapshotRef | null> {
  const refs = await listSnapshotRefs(store, ns, group)
  for (const ref of refs.toReversed()) {
    const manifest = `${snapshotPath(store.path, ns, ref)}/${MANIFEST_NAME}`
    if (await store.files.exists(manifest)) return ref
  }
  return null
}

/**
 * Removes a snapshot, and its group with the last one. Throws with stock's texts: LOCKED if it is in use,
 * SNAPSHOT_PROTECTED, SNAPSHOT_MISSING.
 */
export async function forgetSnapshot(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<void> {
  const prefix = 'failed to delete snapshot - '
  const outcome = await removeSnapshot(store, ns, ref, { textPrefix: prefix, removesGroup: true })
  if (outcome === 'removed') return
  if (outcome === 'protected') {
    throw errors.SNAPSHOT_PROTECTED({ text: `${prefix}cannot remove protected snapshot` })
  }
  const path = JSON.stringify(snapshotPath(store.path, ns, ref))
  const reason = 'No such file or directory (os error 2)'
  throw errors.SNAPSHOT_MISSING({
    text: `${prefix}removing backup snapshot ${path} failed - ${reason}`,
  })
}

/** The protection flag; false for a missing snapshot. */
export async function isProtected(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<boolean> {
  return await store.files.exists(`${snapshotPath(store.path, ns, ref)}/${PROTECTED_FILE}`)
}

/** Sets or unsets the flag. Throws SNAPSHOT_MISSING, SNAPSHOT_LEAVING, LOCKED while the snapshot is in use. */
export async function setProtected(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  value: boolean,
): Promise<void> {
  const path = snapshotPath(store.path, ns, ref)
  const checkExists = async (): Promise<void> => {
    if (await snapshotExists(store, ns, ref)) return
    throw errors.SNAPSHOT_MISSING({ text: `snapshot ${formatSnapshot(ref)} does not exist!` })
  }
  await checkExists()
  await using _lock = await lockForProtection(store, ns, ref)
  // Removed or moved away before the lock was ours.
  await checkExists()
  if (value) await checkNotLeaving(store, ns, ref)
  await (value ? protect : unprotect)(store, ns, ref)
  await store.files.syncNames(path)
}

/** Here first: whatever happens then, it is not less protected than somebody was told. */
async function protect(store: Datastore, ns: NamespacePath, ref: SnapshotRef): Promise<void> {
  const file = `${snapshotPath(store.path, ns, ref)}/${PROTECTED_FILE}`
  const isMade = !(await store.files.exists(file))
  if (isMade) await store.files.createNew(file, new Uint8Array())
  try {
    await store.bucket?.tree.mark(`${relativeSnapshotPath(ns, ref)}/${PROTECTED_FILE}`)
  } catch (error) {
    if (isMade) await store.files.remove(file)
    throw error
  }
}

/** In the bucket first: if that fails, it stays protected. */
async function unprotect(store: Datastore, ns: NamespacePath, ref: SnapshotRef): Promise<void> {
  await store.bucket?.tree.remove(`${relativeSnapshotPath(ns, ref)}/${PROTECTED_FILE}`)
  await store.files.remove(`${snapshotPath(store.path, ns, ref)}/${PROTECTED_FILE}`)
}

async function lockForProtection(store: Datastore, ns: NamespacePath, ref: SnapshotRef) {
  try {
    return await store.locks.lockSnapshot(ns, ref, 'exclusive')
  } catch (error) {
    if (!hasCode(error, 'SNAPSHOT_LOCK_BUSY')) throw error
    const snapshot = snapshotText(store.name, ns, ref)
    const text = `while updating the protection status of snapshot '${snapshot}'`
    throw errors.LOCKED({ text }, { cause: error })
  }
}
