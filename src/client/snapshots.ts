/** REST calls about snapshots and groups (rest-api 4.3, spec cli 4.4-4.10). */
import { toError } from '../base/errors.ts'
import type { GroupRef, SnapshotRef } from '../formats/names.ts'
import type { Query } from '../transport/query.ts'
import type { Connection } from './connection.ts'
import { errors } from './errors.ts'

export interface SnapshotFile {
  readonly filename: string
  readonly 'crypt-mode'?: string
  readonly size?: number
}

/** As the server lists it; members that we do not know stay in the object. */
export interface ListedSnapshot {
  readonly 'backup-type': string
  readonly 'backup-id': string
  readonly 'backup-time': number
  readonly files: readonly SnapshotFile[]
  readonly size?: number
}

export interface ListedGroup {
  readonly 'backup-type': string
  readonly 'backup-id': string
  readonly 'last-backup': number
  readonly 'backup-count': number
  readonly files: readonly string[]
}

/** A snapshot and the namespace it is in. */
export interface SnapshotAddress {
  readonly namespace: string
  readonly snapshot: SnapshotRef
}

export interface GroupAddress {
  readonly namespace: string
  readonly group: GroupRef
}

export async function listGroups(
  connection: Connection,
  namespace: string,
): Promise<readonly ListedGroup[]> {
  return await getList(connection, 'groups', namespaceQuery(namespace))
}

/** Of one group, or of all in the namespace. */
export async function listSnapshots(
  connection: Connection,
  { namespace, group }: { readonly namespace: string; readonly group: GroupRef | null },
): Promise<readonly ListedSnapshot[]> {
  const query = { ...namespaceQuery(namespace), ...(group === null ? {} : groupQuery(group)) }
  return await getList(connection, 'snapshots', query)
}

export async function listFiles(
  connection: Connection,
  address: SnapshotAddress,
): Promise<readonly SnapshotFile[]> {
  return await getList(connection, 'files', snapshotQuery(address))
}

export async function forgetSnapshot(
  connection: Connection,
  address: SnapshotAddress,
): Promise<void> {
  await connection.delete(storePath(connection, 'snapshots'), snapshotQuery(address))
}

export async function forgetGroup(
  connection: Connection,
  { namespace, group }: GroupAddress,
): Promise<void> {
  const query = { ...namespaceQuery(namespace), ...groupQuery(group) }
  try {
    await connection.delete(storePath(connection, 'groups'), query)
  } catch (cause) {
    if (!/\bENOENT: No such file or directory$/.test(toError(cause).message)) throw cause
    // Stock's client shows this sentence only.
    throw errors.GROUP_MISSING({})
  }
}

export async function readNotes(connection: Connection, address: SnapshotAddress): Promise<string> {
  const { data } = await connection.get(storePath(connection, 'notes'), snapshotQuery(address))
  return typeof data === 'string' ? data : ''
}

export async function writeNotes(
  connection: Connection,
  address: SnapshotAddress,
  notes: string,
): Promise<void> {
  await connection.put(storePath(connection, 'notes'), { ...snapshotQuery(address), notes })
}

export async function isProtected(
  connection: Connection,
  address: SnapshotAddress,
): Promise<boolean> {
  const { data } = await connection.get(storePath(connection, 'protected'), snapshotQuery(address))
  return data === true
}

export async function setProtected(
  connection: Connection,
  address: SnapshotAddress,
  value: boolean,
): Promise<void> {
  const query = { ...snapshotQuery(address), protected: value }
  await connection.put(storePath(connection, 'protected'), query)
}

/** Stores an encoded blob as the snapshot's client log; gives the answer's data. */
export async function uploadLog(
  connection: Connection,
  address: SnapshotAddress,
  blob: Uint8Array,
): Promise<unknown> {
  const path = storePath(connection, 'upload-backup-log')
  return await connection.postBytes(path, snapshotQuery(address), blob)
}

/** Gives the group to `owner`. */
export async function changeOwner(
  connection: Connection,
  { namespace, group }: GroupAddress,
  owner: string,
): Promise<void> {
  const parameters = { ...namespaceQuery(namespace), ...groupQuery(group), 'new-owner': owner }
  await connection.post(storePath(connection, 'change-owner'), parameters)
}

/** One snapshot of a pruned group. */
export interface PrunedSnapshot {
  readonly 'backup-type': string
  readonly 'backup-id': string
  readonly 'backup-time': number
  readonly keep: boolean
}

/** Prunes a group with the server's options (`keep-last`, `dry-run`, …); what became of each snapshot. */
export async function pruneGroup(
  connection: Connection,
  { namespace, group }: GroupAddress,
  options: Query,
): Promise<readonly PrunedSnapshot[]> {
  const parameters = { ...namespaceQuery(namespace), ...groupQuery(group), ...options }
  const { data } = await connection.post(storePath(connection, 'prune'), parameters)
  return listOf(data, 'prune') as readonly PrunedSnapshot[]
}

/** Starts the move of a group into another namespace of the datastore; the UPID of its task. */
export async function moveGroup(
  connection: Connection,
  { namespace, group }: GroupAddress,
  options: { readonly targetNamespace: string; readonly mergeGroup: boolean | undefined },
): Promise<string> {
  const { data } = await connection.post(storePath(connection, 'move-group'), {
    ...namespaceQuery(namespace),
    ...groupQuery(group),
    'target-ns': options.targetNamespace,
    'merge-group': options.mergeGroup,
  })
  return upidOf(data)
}

/** The UPID in an answer. */
export function upidOf(data: unknown): string {
  if (typeof data === 'string') return data
  throw errors.ANSWER_INVALID({ reason: 'Cannot follow the task: no UPID in the answer' })
}

/** `admin/datastore/<datastore>/<call>`. */
export function storePath(connection: Connection, call: string): string {
  return `admin/datastore/${connection.repository.datastore}/${call}`
}

/** `ns`, and only when it is not the root. */
export function namespaceQuery(namespace: string): Query {
  return namespace === '' ? {} : { ns: namespace }
}

function groupQuery({ type, id }: GroupRef): Query {
  return { 'backup-id': id, 'backup-type': type }
}

function snapshotQuery({ namespace, snapshot }: SnapshotAddress): Query {
  return { ...groupQuery(snapshot), 'backup-time': snapshot.time, ...namespaceQuery(namespace) }
}

async function getList<Item>(
  connection: Connection,
  call: string,
  query: Query,
): Promise<readonly Item[]> {
  const { data } = await connection.get(storePath(connection, call), query)
  // Shape as on the page; commands print members they know and hand the rest through.
  return listOf(data, call) as readonly Item[]
}

function listOf(data: unknown, call: string): readonly unknown[] {
  if (!Array.isArray(data)) {
    throw errors.ANSWER_INVALID({ reason: `Cannot read the answer of '${call}': no list in it` })
  }
  return data
}
