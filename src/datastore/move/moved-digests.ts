/**
 * What keeps the chunks of a snapshot while it is between two places (races.md ): a collection may have read
 * the target before and not yet the source. Until the rename is over a live session names every digest, so that a
 * collection that runs has marked them and one that begins is seeded with them.
 */
import { SNAPSHOT_FILE } from '../layout.ts'
import type { Datastore } from '../datastore.ts'
import { breathe, STEPS_PER_BREATH } from '../sessions/breathe.ts'
import { readIndexFile } from '../snapshot-files.ts'
import type { LiveSession, SessionDigests } from '../uploads/session-digests.ts'

const INDEX_FILE = /\.[fd]idx$/

/**
 * Runs `rename`, which gets the UUIDs of the indexes in `folder`, while every digest of them is registered. Throws INDEX_OPEN_FAILED if one of them
 * cannot be read: what it names cannot be protected, so it stays where it is.
 */
export async function whileRegistered(
  store: Datastore,
  folder: string,
  rename: (uuids: readonly string[]) => Promise<void>,
): Promise<void> {
  const { sessions, collection } = store.core
  const digests = sessions.createDigests()
  // A chunk that is marked bad meanwhile is no matter of a move.
  const session: LiveSession = { digests, journalId: null, fail: () => {} }
  sessions.add(session)
  try {
    const uuids = await registerFolder(store, folder, digests)
    using _move = collection.enterMove()
    await rename(uuids)
  } finally {
    sessions.remove(session)
  }
}

async function registerFolder(
  store: Datastore,
  folder: string,
  digests: SessionDigests,
): Promise<string[]> {
  const uuids: string[] = []
  for (const { name, kind } of await store.fs.readDir(folder)) {
    if (kind !== 'file' || !SNAPSHOT_FILE.test(name) || !INDEX_FILE.test(name)) continue
    const index = await readIndexFile(store, `${folder}/${name}`)
    for (let position = 0; position < index.count; position += 1) {
      const { bytes, offset } = index.digestLocation(position)
      digests.registerAt(bytes, offset, { size: index.sizeOf(position), origin: 'cloned' })
      if (position % STEPS_PER_BREATH === STEPS_PER_BREATH - 1) await breathe()
    }
    uuids.push(Buffer.from(index.uuid).toString('hex'))
  }
  return uuids
}
