/**
 * After a crash (races.md R-62): snapshots that our own sessions began and did not finish are removed, under their
 * locks. Any other folder without a manifest may be somebody's only copy: it is reported and never removed by itself.
 */
import { hasCode, isSystemError } from '../base/errors.ts'
import { MANIFEST_NAME } from '../formats/archive-name.ts'
import { groupOf, type SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import { completeFromBucket } from './bucket/complete-snapshot.ts'
import { isBucketOurs } from './bucket/is-ours.ts'
import type { Datastore } from './datastore.ts'
import { removeEmptyGroup } from './empty-group.ts'
import { findBegun, finishBegun } from './finish-begun.ts'
import { finishRemovals } from './finish-removals.ts'
import { listGroups } from './groups.ts'
import type { JournalEntry } from './journal.ts'
import { FAILED_FILE, PENDING_MANIFEST_PREFIX, REMOVING_FILE, snapshotPath } from './layout.ts'
import type { FileLock } from './locks.ts'
import { listNamespaces } from './namespaces.ts'
import { removeFolder } from './remove-snapshot.ts'
import { listSnapshots } from './snapshots.ts'

/**
 * Removes what the journal names and is not finished; the folders removed. Entries in use by another process stay, and
 * all of them while a bucket does not answer or is not ours as it was: what looks unfinished in an old copy of ourselves
 * may be finished there.
 */
export async function recoverJournalled(store: Datastore): Promise<string[]> {
  const removed: string[] = []
  const entries = await store.core.journal.list()
  if (
    entries.every((entry) => isLive(store, entry)) ||
    !(await isBucketOurs(store, 'unfinished snapshots'))
  ) {
    return removed
  }
  for (const entry of entries) {
    if (entry.base !== store.path || isLive(store, entry)) continue
    const path = await recoverEntry(store, entry)
    if (path === null) continue
    removed.push(path)
    store.log.info('removed a snapshot that was not finished', { store: store.name, path })
  }
  return removed
}

/** Folders of snapshots without a manifest; removals that a crash interrupted are ended on the way. */
export async function* findUnfinished(store: Datastore): AsyncGenerator<string> {
  for (const ns of await listNamespaces(store)) {
    for (const group of await listGroups(store, ns)) {
      if (store.settings.maintenance === null) {
        await finishRemovals(store, ns, group)
        await findBegun(store, ns, group)
      }
      for (const { ref, finished } of await listSnapshots(store, ns, group)) {
        if (finished || (await isInUse(store, ns, ref))) continue
        yield snapshotPath(store.path, ns, ref)
      }
    }
  }
  await finishBegun(store)
}

/** Whether a session, of the server that ran before us perhaps, is still at it. */
async function isInUse(store: Datastore, ns: NamespacePath, ref: SnapshotRef): Promise<boolean> {
  try {
    const lock = await store.locks.lockSnapshot(ns, ref, 'exclusive')
    await lock.unlinkAndRelease()
    return false
  } catch (error) {
    if (hasCode(error, 'SNAPSHOT_LOCK_BUSY')) return true
    throw error
  }
}

function isLive(store: Datastore, entry: JournalEntry): boolean {
  for (const session of store.core.sessions) if (session.journalId === entry.id) return true
  return false
}

async function recoverEntry(store: Datastore, entry: JournalEntry): Promise<string | null> {
  const locks = await tryLocks(store, entry)
  if (locks === null) return null
  const group = groupOf(entry.ref)
  const gone = { snapshot: false, group: false }
  try {
    gone.snapshot = await removeIfOurs(store, entry)
    gone.group = await removeEmptyGroup(store, entry.ns, group)
    await store.core.journal.end(entry.id)
  } finally {
    await (gone.snapshot ? locks.snapshot.unlinkAndRelease() : locks.snapshot.release())
    await (gone.group ? locks.group.unlinkAndRelease() : locks.group.release())
  }
  return gone.snapshot ? snapshotPath(store.path, entry.ns, entry.ref) : null
}

async function tryLocks(
  store: Datastore,
  entry: JournalEntry,
): Promise<{ readonly group: FileLock; readonly snapshot: FileLock } | null> {
  let group: FileLock | null = null
  try {
    group = await store.locks.lockGroup(entry.ns, groupOf(entry.ref))
    const snapshot = await store.locks.lockSnapshot(entry.ns, entry.ref, 'exclusive')
    return { group, snapshot }
  } catch (error) {
    await group?.release()
    if (hasCode(error, 'GROUP_LOCK_BUSY', 'SNAPSHOT_LOCK_BUSY')) return null
    throw error
  }
}

/** Removes the folder if it is unfinished and this very session's, or empty. True if it was. */
async function removeIfOurs(store: Datastore, entry: JournalEntry): Promise<boolean> {
  const path = snapshotPath(store.path, entry.ns, entry.ref)
  let names: string[]
  try {
    names = (await store.fs.readDir(path)).map(({ name }) => name)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
  const isOurs = names.includes(`${PENDING_MANIFEST_PREFIX}${entry.id}`) || names.length === 0
  if (!isOurs || names.includes(MANIFEST_NAME)) return false
  // A manifest that comes after its removal began is late.
  const isGivenUp = names.includes(FAILED_FILE) || names.includes(REMOVING_FILE)
  if (!isGivenUp && (await completeFromBucket(store, entry))) return false
  return await removeFolder(store, entry.ns, entry.ref)
}
