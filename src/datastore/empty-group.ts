/** The end of a group: it goes with its last snapshot (datastore-semantics.md 5.4). */
import { isSystemError } from '../base/errors.ts'
import type { GroupRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import {
  groupPath,
  namespacePath,
  NOTES_FILE,
  OWNER_FILE,
  relativeGroupPath,
  REMOVED_PREFIX,
} from './layout.ts'

/** Also what a crash left of writing them. */
const GROUP_FILE = new RegExp(`^(?:${OWNER_FILE}|${NOTES_FILE})(?:\\.tmp_[A-Za-z0-9]+)?$`)

/** Whether there is nothing in the group that keeps it. Without its lock that may change at any time. */
export async function isEmptyGroup(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<boolean> {
  return (await namesIn(store, groupPath(store.path, ns, group))).every(isOfEmptyGroup)
}

/**
 * Removes a group without snapshots: rests of removals, notes and owner (in the bucket first), folder; true if it is
 * gone. Anything else in it keeps it as it is. The caller holds its lock and removes the lock file.
 */
export async function removeEmptyGroup(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<boolean> {
  const path = groupPath(store.path, ns, group)
  const names = await namesIn(store, path)
  if (!names.every(isOfEmptyGroup)) return false
  await removeRests(store, path)
  await removeRemoteFiles(store, ns, group)
  // The owner last: a group without is nobody's.
  const files = names.filter((name) => GROUP_FILE.test(name) && name !== OWNER_FILE)
  for (const name of [...files, OWNER_FILE]) await store.files.remove(`${path}/${name}`)
  const isGone = await store.files.removeEmptyFolder(path)
  if (isGone) await syncGroups(store, `${namespacePath(store.path, ns)}/${group.type}`)
  return isGone
}

function isOfEmptyGroup(name: string): boolean {
  return name.startsWith(REMOVED_PREFIX) || GROUP_FILE.test(name)
}

/** Whoever removed the namespace meanwhile has made that durable, and this with it. */
async function syncGroups(store: Datastore, folder: string): Promise<void> {
  try {
    await store.files.syncNames(folder)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

/** Nothing else: what the bucket has there beside them is not known here, and may be a snapshot. */
async function removeRemoteFiles(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<void> {
  const folder = relativeGroupPath(ns, group)
  for (const name of [NOTES_FILE, OWNER_FILE]) {
    await store.bucket?.tree.remove(`${folder}/${name}`)
  }
}

/**
 * Removes what is left in the group's folder `path` of snapshots whose removal began; they are never renamed back
 * (races.md R-47). True if there was something. Another remover may be at it: what vanishes is no error.
 */
export async function removeRests(store: Datastore, path: string): Promise<boolean> {
  const rests = (await namesIn(store, path)).filter((name) => name.startsWith(REMOVED_PREFIX))
  for (const name of rests) {
    try {
      await store.fs.removeTree(`${path}/${name}`)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT', 'ENOTEMPTY')) throw error
    }
  }
  return rests.length > 0
}

async function namesIn(store: Datastore, path: string): Promise<string[]> {
  try {
    return (await store.fs.readDir(path)).map(({ name }) => name)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}
