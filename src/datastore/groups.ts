/** Groups: list, owner, notes, removal (datastore-semantics.md 6, 9.2). */
import { hasCode, isSystemError } from '../base/errors.ts'
import { AUTH_ID } from '../formats/auth-id.ts'
import {
  BACKUP_TYPES,
  compareGroups,
  formatGroup,
  type GroupRef,
  parseBackupId,
} from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import { SAFE_ID } from '../formats/safe-id.ts'
import { errnoText, osErrorText } from '../storage/os-error-text.ts'
import type { Datastore } from './datastore.ts'
import { groupText, quote } from './debug-text.ts'
import { removeEmptyGroup } from './empty-group.ts'
import { errors } from './errors.ts'
import { groupPath, namespacePath, NOTES_FILE, OWNER_FILE, relativeGroupPath } from './layout.ts'
import type { FileLock } from './locks.ts'
import { removeSnapshot } from './remove-snapshot.ts'
import { listSnapshotRefs } from './snapshot-refs.ts'
import { listSnapshots } from './snapshots.ts'

export interface DeleteGroupResult {
  /** 0 or 1. */
  readonly removedGroups: number
  readonly removedSnapshots: number
  readonly protectedSnapshots: number
}

/** `owner` holds one auth id; `notes` is what an administrator typed. */
const OWNER_SIZE_MAX = 4_096
const NOTES_SIZE_MAX = 1 << 20

/** Groups of one namespace in listing order; a missing namespace has none. */
export async function listGroups(store: Datastore, ns: NamespacePath): Promise<GroupRef[]> {
  const groups: GroupRef[] = []
  for (const type of BACKUP_TYPES) {
    for (const name of await folderNames(store, `${namespacePath(store.path, ns)}/${type}`)) {
      if (SAFE_ID.test(name)) groups.push({ type, id: parseBackupId(name) })
    }
  }
  return groups.toSorted(compareGroups)
}

export async function groupExists(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<boolean> {
  return await store.files.exists(groupPath(store.path, ns, group))
}

/** The auth id that owns the group. Throws GROUP_OWNER_UNREADABLE, GROUP_OWNER_INVALID with stock's texts. */
export async function readOwner(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<string> {
  const path = `${groupPath(store.path, ns, group)}/${OWNER_FILE}`
  let text: string
  try {
    text = Buffer.from(await store.fs.readFile(path, OWNER_SIZE_MAX)).toString()
  } catch (error) {
    throw errors.GROUP_OWNER_UNREADABLE({ path, reason: osErrorText(error) }, { cause: error })
  }
  const owner = (text.split('\n')[0] ?? '').trimEnd()
  if (!AUTH_ID.test(owner)) throw errors.GROUP_OWNER_INVALID({ group: formatGroup(group) })
  return owner
}

/** A folder without owner and snapshots: its maker crashed in between. Nobody's data is given away with it. */
export async function isForlorn(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<boolean> {
  const owner = `${groupPath(store.path, ns, group)}/${OWNER_FILE}`
  if (await store.files.exists(owner)) return false
  return (await listSnapshotRefs(store, ns, group)).length === 0
}

/** Gives the group to `authId`. Throws LOCKED while a backup of it runs, GROUP_OWNER_UNREADABLE if it is missing. */
export async function setOwner(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
  authId: string,
): Promise<void> {
  await readOwner(store, ns, group)
  const text = `while setting the owner of group '${groupText(store.name, ns, group)}'`
  await using _lock = await lockGroupOr(store, { ns, group }, () => text)
  // Removed or moved away before the lock was ours.
  await readOwner(store, ns, group)
  await writeOwner(store, ns, group, authId)
}

/** Writes the owner file, in the bucket first; the caller holds the group's lock. */
export async function writeOwner(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
  authId: string,
): Promise<void> {
  const path = `${groupPath(store.path, ns, group)}/${OWNER_FILE}`
  const remotePath = `${relativeGroupPath(ns, group)}/${OWNER_FILE}`
  await store.bucket?.tree.write(remotePath, Buffer.from(`${authId}\n`))
  await store.files.write(path, Buffer.from(`${authId}\n`))
}

/** Whether `caller` may continue backups of `owner`: he is it, or it is a token of his. */
export function ownerMatches(owner: string, caller: string): boolean {
  if (owner === caller) return true
  // Names of users may hold an '!', too: only the parser knows where a token begins.
  const [, user, token] = AUTH_ID.exec(owner) ?? []
  return token !== undefined && user === caller
}

/** Throws GROUP_OWNER_DIFFERS with stock's text. */
export function checkBackupOwner(owner: string, caller: string): void {
  if (!ownerMatches(owner, caller)) throw errors.GROUP_OWNER_DIFFERS({ caller, owner })
}

/** The notes as they were given; empty for none and for a missing group. */
export async function readGroupNotes(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<string> {
  const path = `${groupPath(store.path, ns, group)}/${NOTES_FILE}`
  try {
    return Buffer.from(await store.fs.readFile(path, NOTES_SIZE_MAX)).toString()
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return ''
    throw error
  }
}

/** Replaces the notes. Throws LOCKED while a backup of the group runs. */
export async function setGroupNotes(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
  text: string,
): Promise<void> {
  const prefix = 'failed to set group notes - '
  await using _lock = await lockGroupOr(
    store,
    { ns, group },
    (busy, cause) => `${prefix}failed to lock backup group: ${busy}: ${cause}`,
  )
  const path = `${groupPath(store.path, ns, group)}/${NOTES_FILE}`
  try {
    await writeNotes(store, ns, group, text)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    const reason = `unable to create notes file ${quote(path)} - ${errnoText(error)}`
    throw errors.GROUP_MISSING({ text: prefix + reason }, { cause: error })
  }
}

/** Writes the notes, in the bucket first; the caller holds the group's lock. Throws ENOENT without a group. */
export async function writeNotes(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
  text: string,
): Promise<void> {
  const folder = groupPath(store.path, ns, group)
  if (store.bucket !== null) {
    await store.fs.stat(folder)
    const remotePath = `${relativeGroupPath(ns, group)}/${NOTES_FILE}`
    await store.bucket.tree.write(remotePath, Buffer.from(text))
  }
  await store.files.write(`${folder}/${NOTES_FILE}`, Buffer.from(text))
}

/**
 * Removes the group's snapshots but protected ones, and then the group itself if none is left. Throws GROUP_MISSING,
 * LOCKED; with `errorOnProtected` also GROUP_HAS_PROTECTED, after the others are gone.
 */
export async function deleteGroup(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
  options: { readonly errorOnProtected: boolean },
): Promise<DeleteGroupResult> {
  const path = groupPath(store.path, ns, group)
  if (!(await store.files.exists(path))) {
    const text = `read dir ${quote(path)} - ENOENT: No such file or directory`
    throw errors.GROUP_MISSING({ text })
  }
  const lock = await lockGroupOr(
    store,
    { ns, group },
    () => `while destroying group '${groupText(store.name, ns, group)}'`,
  )
  const count = { removedSnapshots: 0, protectedSnapshots: 0 }
  let isGone = false
  try {
    for (const listed of await listSnapshots(store, ns, group)) {
      const outcome = await removeSnapshot(store, ns, listed.ref, { skipsProtected: true })
      if (outcome === 'protected') count.protectedSnapshots += 1
      else if (outcome === 'removed') count.removedSnapshots += 1
    }
    isGone = await removeEmptyGroup(store, ns, group)
  } finally {
    await (isGone ? lock.unlinkAndRelease() : lock.release())
  }
  if (count.protectedSnapshots > 0 && options.errorOnProtected) {
    throw errors.GROUP_HAS_PROTECTED({})
  }
  return { ...count, removedGroups: isGone ? 1 : 0 }
}

/** The group's lock; a busy one gives LOCKED with the text that `textOf` makes of the two messages behind it. */
async function lockGroupOr(
  store: Datastore,
  place: { readonly ns: NamespacePath; readonly group: GroupRef },
  textOf: (busy: string, cause: string) => string,
): Promise<FileLock> {
  try {
    return await store.locks.lockGroup(place.ns, place.group)
  } catch (error) {
    if (!hasCode(error, 'GROUP_LOCK_BUSY')) throw error
    const cause = error.cause instanceof Error ? error.cause.message : ''
    throw errors.LOCKED({ text: textOf(error.message, cause) }, { cause: error })
  }
}

async function folderNames(store: Datastore, path: string): Promise<string[]> {
  try {
    const entries = await store.fs.readDir(path)
    return entries.filter((entry) => entry.kind === 'folder').map((entry) => entry.name)
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}
