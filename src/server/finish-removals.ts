/** At start: removals of datastores with their data that did not end go on, each as a task (datastore-semantics.md 9.4). */
import { isSystemError } from '../base/errors.ts'
import { SUPERUSER } from '../config/auth-id.ts'
import { type DatastoreConfig, listDatastores } from '../config/datastores.ts'
import { removeEmptied } from '../datastore/destroy.ts'
import { CHUNKS_FOLDER } from '../datastore/layout.ts'
import { removeStateFolders } from '../datastore/state-folder.ts'
import type { Task } from '../tasks/task.ts'
import type { TaskRegistry } from '../tasks/task-registry.ts'
import { forgetRemoval, listRemovals, lockInode, type RemovalNote } from './removal-notes.ts'
import { removeDatastore, type RemovalParts } from './remove-datastore.ts'

/** Starts what is to be finished; each line of `report` says what of it, and what an administrator has to do himself. */
export async function finishRemovals(
  parts: RemovalParts,
  tasks: TaskRegistry,
  report: (line: string) => void,
): Promise<void> {
  const { datastores } = await listDatastores(parts.files)
  const goingOn = new Set<string>()
  for (const note of await listRemovals(parts.fs, parts.paths.state)) {
    const work = await workOf(parts, datastores, note)
    if (work === null) continue
    goingOn.add(note.name)
    report(`datastore '${note.name}': its removal did not end; it goes on`)
    await tasks.start({ type: 'delete-datastore', id: note.name, authId: SUPERUSER }, work)
  }
  for (const { name, maintenance } of datastores) {
    if (maintenance?.type !== 'delete' || goingOn.has(name)) continue
    report(`datastore '${name}': its removal did not end; remove it again`)
  }
}

/** What is left to do; null if that is not for us to decide. A note that says nothing any more is forgotten. */
async function workOf(
  parts: RemovalParts,
  datastores: readonly DatastoreConfig[],
  note: RemovalNote,
): Promise<((task: Task) => Promise<void>) | null> {
  const { fs, paths } = parts
  const { name, path, keepJobs, inode } = note
  const config = datastores.find((known) => known.name === name)
  const isOthers = datastores.some((known) => known.path === path && known.name !== name)
  if (config === undefined && !isOthers && !(await hasChunks(parts, path))) {
    return async (task) => await finishEmptied(parts, note, task)
  }
  if (config?.maintenance?.type !== 'delete' || config.path !== path || isOthers) {
    await forgetRemoval(fs, paths.state, name)
    return null
  }
  // Another folder, or none: its disk may not be mounted.
  if (inode === null || (await lockInode(fs, path)) !== inode) return null
  return async (task) => await removeDatastore(parts, { name, keepJobs, destroyData: true }, task)
}

/** The configuration has forgotten it; the rest of the folder goes. */
async function finishEmptied(
  { fs, paths }: RemovalParts,
  { name, path }: RemovalNote,
  task: Task,
): Promise<void> {
  await removeStateFolders(fs, { folder: `${paths.state}/datastores/${name}`, path })
  await removeEmptied(fs, path, task)
  await forgetRemoval(fs, paths.state, name)
}

async function hasChunks({ fs }: RemovalParts, path: string): Promise<boolean> {
  try {
    await fs.stat(`${path}/${CHUNKS_FOLDER}`)
    return true
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}
