/**
 * Stock's journal of moves (datastore-semantics.md 17): before each rename the future absolute path of the snapshot,
 * one a line, so that a stock collection marks what it would miss between two places. Ours writes it for stock's sake;
 * a line whose path never comes to be is ignored, and the collection that took it into account empties the file.
 */
import type { Datastore } from '../datastore.ts'

/** Appends `paths` under the journal's lock; throws LOCK_BUSY after ten seconds. */
export async function appendMoveJournal(store: Datastore, paths: readonly string[]): Promise<void> {
  await using _lock = await store.locks.lockMoveJournal()
  await using handle = await store.fs.open(store.locks.moveJournalPath, 'write')
  const { size } = await handle.stat()
  await handle.write(Buffer.from(paths.map((path) => `${path}\n`).join('')), size)
}
