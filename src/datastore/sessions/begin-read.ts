/** The start of a reader session: steps 7 to 9 of backup-protocol.md 2.6 with their texts. */
import { hasCode } from '../../base/errors.ts'
import { formatSnapshot, groupOf, type SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { snapshotText } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { ownerMatches, readOwner } from '../groups.ts'
import { snapshotExists } from '../snapshots.ts'
import { SnapshotReader } from './snapshot-reader.ts'

export interface BeginReadRequest {
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
  /** Auth id of a caller without `Datastore.Read`, who must own the group; null for others. */
  readonly checkOwner: string | null
  /** Chunks read ahead of the client; READ_AHEAD_COUNT by default, 0 for none. */
  readonly readAheadCount?: number
}

/** Begins a session with the shared snapshot lock; `close` the result. Throws READER_OWNER_DIFFERS, SNAPSHOT_MISSING, LOCKED. */
export async function beginRead(
  store: Datastore,
  request: BeginReadRequest,
): Promise<SnapshotReader> {
  const { ns, ref, checkOwner, readAheadCount } = request
  if (checkOwner !== null) {
    const owner = await readOwner(store, ns, groupOf(ref))
    if (!ownerMatches(owner, checkOwner)) throw errors.READER_OWNER_DIFFERS({})
  }
  const missing = `snapshot ${formatSnapshot(ref)} does not exist.`
  if (!(await snapshotExists(store, ns, ref))) throw errors.SNAPSHOT_MISSING({ text: missing })
  try {
    const lock = await store.locks.lockSnapshot(ns, ref, 'shared')
    if (await snapshotExists(store, ns, ref)) {
      return new SnapshotReader(store, { ns, ref, lock, readAheadCount })
    }
    await lock.unlinkAndRelease()
  } catch (error) {
    if (!hasCode(error, 'SHARED_SNAPSHOT_LOCK_BUSY')) throw error
    const text = `while reading snapshot '${snapshotText(store.name, ns, ref)}'`
    throw errors.LOCKED({ text }, { cause: error })
  }
  throw errors.SNAPSHOT_MISSING({ text: missing })
}
