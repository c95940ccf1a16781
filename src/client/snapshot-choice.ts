/** Which snapshot a command means: named in full, or the newest finished one of a group (spec cli 4.1). */
import { MANIFEST_NAME } from '../formats/archive-name.ts'
import {
  type GroupRef,
  type SnapshotRef,
  formatGroup,
  formatSnapshot,
  parseGroup,
  parseSnapshot,
} from '../formats/names.ts'
import type { Connection } from './connection.ts'
import { errors } from './errors.ts'
import type { ClientHost } from './host.ts'
import { listSnapshots } from './snapshots.ts'

/** @throws SNAPSHOT_INVALID, GROUP_EMPTY, GROUP_UNFINISHED */
export async function chooseSnapshot(
  host: ClientHost,
  connection: Connection,
  { text, namespace }: { readonly text: string; readonly namespace: string },
): Promise<SnapshotRef> {
  if (text.split('/').length !== 2) return parseSnapshot(text)
  return await newestSnapshot(host, connection, { group: parseGroup(text), namespace })
}

async function newestSnapshot(
  host: ClientHost,
  connection: Connection,
  { group, namespace }: { readonly group: GroupRef; readonly namespace: string },
): Promise<SnapshotRef> {
  const listed = await listSnapshots(connection, { namespace, group })
  if (listed.length === 0) throw errors.GROUP_EMPTY({ group: formatGroup(group) })
  const newestFirst = listed.toSorted((left, right) => right['backup-time'] - left['backup-time'])
  for (const snapshot of newestFirst) {
    const found: SnapshotRef = { ...group, time: snapshot['backup-time'] }
    if (snapshot.files.some(({ filename }) => filename === MANIFEST_NAME)) return found
    host.log(`skipped not finished snapshot ${formatSnapshot(found)}`)
  }
  throw errors.GROUP_UNFINISHED({ group: formatGroup(group) })
}
