/** `groups` of a namespace: list, remove (rest-api §4.3). */
import type { Static } from 'typebox'
import { mapConcurrent } from '../../../../base/async/map-concurrent.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { deleteGroup, listGroups, readGroupNotes, readOwner } from '../../../../datastore/groups.ts'
import { listSnapshotRefs } from '../../../../datastore/snapshot-refs.ts'
import { readListing, type SnapshotListing } from '../../../../datastore/snapshots.ts'
import type { GroupRef, SnapshotRef } from '../../../../formats/names.ts'
import type { NamespacePath } from '../../../../formats/namespace.ts'
import {
  GroupListParameters,
  GroupListShape,
  GroupRemoveParameters,
  RemovalShape,
} from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { isListed, openNamespace, openOwned, permit } from './access.ts'
import { groupOf } from './refs.ts'
import { removalReport } from './removal-report.ts'
import { LIST, REMOVE } from './requirements.ts'

/** Enough to keep a disk busy; each takes a few files and descriptors. */
const LIST_CONCURRENCY = 8

const PATH = '/admin/datastore/{store}/groups'

export const groupRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: PATH,
    summary: 'Lists the groups of a namespace',
    parameters: GroupListParameters,
    returns: GroupListShape,
    permission: AUTHENTICATED,
    run: list,
  }),
  route({
    method: 'DELETE',
    path: PATH,
    summary: 'Removes a group with its snapshots, except protected ones',
    parameters: GroupRemoveParameters,
    returns: RemovalShape,
    permission: AUTHENTICATED,
    run: remove,
  }),
]

async function list(
  parameters: Static<typeof GroupListParameters>,
  call: Call,
): Promise<readonly object[]> {
  const place = await permit(call, parameters, LIST)
  const datastore = await openNamespace(call, place)
  const { authId } = call.caller
  const groups = await listGroups(datastore, place.ns)
  const described = mapConcurrent(groups, { concurrency: LIST_CONCURRENCY }, async (group) =>
    (await isListed(datastore, place, { group, authId }))
      ? await describeGroup(datastore, place.ns, group)
      : null,
  )
  const entries: object[] = []
  for await (const entry of described) if (entry !== null) entries.push(entry)
  return entries
}

async function describeGroup(
  datastore: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<object> {
  const refs = await listSnapshotRefs(datastore, ns, group)
  const newest = await shownSnapshot(datastore, ns, refs)
  const owner = await readOwner(datastore, ns, group).catch(() => null)
  const notes = await readGroupNotes(datastore, ns, group).catch(() => '')
  return {
    'backup-type': group.type,
    'backup-id': group.id,
    'last-backup': newest?.ref.time ?? 0,
    'backup-count': refs.length,
    files: newest?.files ?? [],
    ...(owner === null ? {} : { owner }),
    ...(notes === '' ? {} : { comment: firstLineWithEnd(notes) }),
  }
}

/**
 * The newest finished snapshot; the only one, finished or not, where there is just one. Usually
 * the first that is looked at: a list of groups must not read every snapshot.
 */
async function shownSnapshot(
  datastore: Datastore,
  ns: NamespacePath,
  refs: readonly SnapshotRef[],
): Promise<SnapshotListing | null> {
  for (const ref of refs.toReversed()) {
    const listing = await readListing(datastore, ns, ref)
    if (listing !== null && (listing.finished || refs.length === 1)) return listing
  }
  return null
}

/** Stock keeps the line end here, and only here. */
function firstLineWithEnd(notes: string): string {
  const end = notes.indexOf('\n')
  return end < 0 ? notes : notes.slice(0, end + 1)
}

async function remove(
  parameters: Static<typeof GroupRemoveParameters>,
  call: Call,
): Promise<object> {
  const place = await permit(call, parameters, REMOVE)
  const group = groupOf(parameters)
  const datastore = await openOwned(call, place, { group, operation: 'write' })
  const errorOnProtected = parameters['error-on-protected'] ?? true
  return removalReport(await deleteGroup(datastore, place.ns, group, { errorOnProtected }))
}
