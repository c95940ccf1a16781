/** The target of a move: its owner when it is new, and whose notes stay (datastore-semantics.md 17). */
import { isSystemError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import { formatGroup } from '../../formats/names.ts'
import type { Datastore } from '../datastore.ts'
import { readGroupNotes, readOwner, writeNotes, writeOwner } from '../groups.ts'
import { groupPath, namespacePath } from '../layout.ts'
import { moveRefused } from './move-errors.ts'
import type { MovePlaces } from './move-snapshots.ts'

/**
 * Makes the group with the source's owner; the caller holds its lock. Never makes the namespace: one that was removed
 * meanwhile must not come back (races.md R-41).
 */
export async function createTargetGroup(
  store: Datastore,
  { source, target, group }: MovePlaces,
): Promise<void> {
  const owner = await readOwner(store, source, group)
  const folder = `${namespacePath(store.path, target)}/${group.type}`
  try {
    await store.files.createFolder(folder)
    await store.files.createFolder(groupPath(store.path, target, group))
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    throw moveRefused(`target namespace '${target}' does not exist`)
  }
  await writeOwner(store, target, group, owner)
  await store.files.syncNames(folder)
}

/** Moves the notes last; a target that has others keeps its own. */
export async function moveNotes(
  store: Datastore,
  { source, target, group }: MovePlaces,
  progress: Progress,
): Promise<void> {
  const notes = await readGroupNotes(store, source, group)
  if (notes === '') return
  const there = await readGroupNotes(store, target, group)
  if (there === '') {
    await writeNotes(store, target, group, notes)
  } else if (there !== notes) {
    progress.log(`group '${formatGroup(group)}' keeps the notes that it has in '${target}'`)
  }
}
