/**
 * Stock's journal of moves (datastore-semantics.md 17): before a snapshot is renamed to another place, its path there
 * is written into it. A collection empties it before each walk, and walks again if there was anything in it: what moved
 * behind the walk's back is found at its new place then.
 */
import { isSystemError } from '../../base/errors.ts'
import type { Datastore } from '../datastore.ts'

/** Empties the journal under its lock; whether anything was in it. Throws LOCK_BUSY after ten seconds. */
export async function drainMoveJournal(store: Datastore): Promise<boolean> {
  const path = store.locks.moveJournalPath
  try {
    if ((await store.fs.stat(path)).size === 0) return false
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
  await using _lock = await store.locks.lockMoveJournal()
  await using handle = await store.fs.open(path, 'write')
  const { size } = await handle.stat()
  await handle.truncate(0)
  return size > 0
}
