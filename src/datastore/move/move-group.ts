/**
 * Move of a group into another namespace of its datastore (datastore-semantics.md 17). A move is a writer for the
 * collection: it holds the process lock shared throughout and registers what it moves (races.md R-61).
 *
 * Order: process lock, source group, target group; owner of a new target before its first snapshot; the snapshots,
 * oldest first; the notes; then the empty source group. Whatever ends it in between, the rest can be moved by another
 * move, which merges.
 */
import type { Progress } from '../../base/progress.ts'
import { formatRfc3339 } from '../../base/time/format.ts'
import { formatGroup, type SnapshotRef } from '../../formats/names.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { removeEmptyGroup } from '../empty-group.ts'
import { groupExists, isForlorn, readOwner } from '../groups.ts'
import { groupPath } from '../layout.ts'
import { namespaceExists } from '../namespaces.ts'
import { takeSharedProcessLock } from '../shared-process-lock.ts'
import { listSnapshotRefs } from '../snapshot-refs.ts'
import { moveRefused, orBusy } from './move-errors.ts'
import { type MovePlaces, moveSnapshots } from './move-snapshots.ts'
import { createTargetGroup, moveNotes } from './target-group.ts'

export interface MoveGroupOptions extends MovePlaces {
  /** Whether a group of the same name in the target may be continued. */
  readonly mergeGroup: boolean
}

/** Throws MOVE_REFUSED if the move cannot begin as things are: to be asked before a task is started. */
export async function checkMoveGroup(store: Datastore, options: MoveGroupOptions): Promise<void> {
  const { source, target, group, mergeGroup } = options
  if (source === target) throw moveRefused('source and target namespace must be different')
  if (!(await namespaceExists(store, target))) {
    throw moveRefused(`target namespace '${target}' does not exist`)
  }
  if (!(await groupExists(store, source, group))) {
    throw sourceMissing(options)
  }
  if (!mergeGroup && (await groupExists(store, target, group))) throw mergeDisabled(options)
}

/** Moves the group. Throws as checkMoveGroup, LOCKED (in use; what was moved stays moved), PROCESS_LOCK_BUSY. */
export async function moveGroup(
  store: Datastore,
  options: MoveGroupOptions & { readonly progress: Progress },
): Promise<void> {
  using _use = store.core.enter()
  using _processLock = await takeSharedProcessLock(store)
  await moveGroupAsWriter(store, options)
}

/** As moveGroup; the caller holds the process lock. */
export async function moveGroupAsWriter(
  store: Datastore,
  options: MoveGroupOptions & { readonly progress: Progress },
): Promise<void> {
  const { source, target, group } = options
  await checkMoveGroup(store, options)
  // Whatever fails, both are released.
  await using locks = new AsyncDisposableStack()
  for (const ns of [source, target]) {
    const lock = await orBusy(store.locks.lockGroup(ns, group))
    locks.defer(async () => await lock.release())
    locks.defer(async () => {
      if (!(await groupExists(store, ns, group))) await lock.unlinkAndRelease()
    })
  }
  await moveLocked(store, options)
  await removeSource(store, options)
}

async function moveLocked(
  store: Datastore,
  options: MoveGroupOptions & { readonly progress: Progress },
): Promise<void> {
  const { source, target, group, progress } = options
  // Again, now that nobody can change it.
  await checkMoveGroup(store, options)
  // Removed meanwhile; a backup that waits for the lock has made the bare folder again.
  if (await isForlorn(store, source, group)) throw sourceMissing(options)
  const refs = await listSnapshotRefs(store, source, group)
  const isMerge =
    (await groupExists(store, target, group)) && !(await isForlorn(store, target, group))
  if (isMerge) await checkMerge(store, options, refs)
  const verb = isMerge ? 'merging' : 'moving'
  progress.log(`${verb} group '${formatGroup(group)}' from '${source}' to '${target}'`)
  try {
    if (!isMerge) await createTargetGroup(store, options)
    await moveSnapshots(store, options, refs, progress.signal)
    await moveNotes(store, options, progress)
  } catch (error) {
    // A group that was made and got nothing must not make the next try a merge.
    if (!isMerge) await removeEmptyGroup(store, target, group)
    throw error
  }
}

/** Only a continuation of the same owner's: no two histories are mixed. */
async function checkMerge(
  store: Datastore,
  options: MoveGroupOptions & { readonly progress: Progress },
  refs: readonly SnapshotRef[],
): Promise<void> {
  const { source, target, group, progress } = options
  const what = `cannot merge group '${formatGroup(group)}' from '${source}' into '${target}'`
  const [from, to] = [await readOwner(store, source, group), await readOwner(store, target, group)]
  if (from !== to) throw moveRefused(`${what}: owner mismatch (source: ${from}, target: ${to})`)
  const oldest = refs[0]
  const newest = (await listSnapshotRefs(store, target, group)).at(-1)
  if (oldest === undefined || newest === undefined || oldest.time > newest.time) return
  progress.log(`oldest source snapshot: ${formatRfc3339(oldest.time)}`)
  progress.log(`conflicting target snapshot: ${formatRfc3339(newest.time)}`)
  throw moveRefused(`${what}: snapshot time mismatch`)
}

async function removeSource(
  store: Datastore,
  { source, group, progress }: MoveGroupOptions & { readonly progress: Progress },
): Promise<void> {
  progress.log(`removing backup group ${quote(groupPath(store.path, source, group))}`)
  await removeEmptyGroup(store, source, group)
}

function sourceMissing({ source, group }: MoveGroupOptions): Error {
  return moveRefused(`group '${formatGroup(group)}' does not exist in namespace '${source}'`)
}

function mergeDisabled({ target, group }: MoveGroupOptions): Error {
  return moveRefused(
    `group '${formatGroup(group)}' already exists in target namespace '${target}' and merge-group is disabled`,
  )
}
