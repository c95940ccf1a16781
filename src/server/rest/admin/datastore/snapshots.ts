/** `snapshots` and `files` (rest-api §4.3). */
import type { Static } from 'typebox'
import { mapConcurrent } from '../../../../base/async/map-concurrent.ts'
import { nodeFileSystem } from '../../../../base/fs/node-file-system.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { groupExists, listGroups, readOwner } from '../../../../datastore/groups.ts'
import { forgetSnapshot, listSnapshots } from '../../../../datastore/snapshots.ts'
import type { GroupRef } from '../../../../formats/names.ts'
import { parseBackupId } from '../../../../formats/names.ts'
import { Nothing } from '../../../../protocol/common.ts'
import {
  SnapshotListParameters,
  SnapshotListShape,
  SnapshotParameters,
} from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { IncrementalList } from '../../../reply.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { isListed, openNamespace, openOwned, type PermittedPlace, permit } from './access.ts'
import { listInThreads } from './listed-snapshots.ts'
import { snapshotOf } from './refs.ts'
import { LIST, REMOVE } from './requirements.ts'
import { snapshotEntry } from './snapshot-entry.ts'

/** Manifests read at a time: enough to keep a disk busy. */
const LIST_CONCURRENCY = 8

const PATH = '/admin/datastore/{store}/snapshots'

export const snapshotRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: PATH,
    summary: 'Lists the snapshots of a namespace, a type or a group',
    parameters: SnapshotListParameters,
    returns: SnapshotListShape,
    permission: AUTHENTICATED,
    run: list,
  }),
  route({
    method: 'DELETE',
    path: PATH,
    summary: 'Removes a snapshot',
    parameters: SnapshotParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: async (parameters, call) => {
      const place = await permit(call, parameters, REMOVE)
      const ref = snapshotOf(parameters)
      const datastore = await openOwned(call, place, { group: ref, operation: 'write' })
      await forgetSnapshot(datastore, place.ns, ref)
    },
  }),
]

async function list(
  parameters: Static<typeof SnapshotListParameters>,
  call: Call,
): Promise<IncrementalList> {
  const place = await permit(call, parameters, LIST)
  const datastore = await openNamespace(call, place)
  const groups = await chosenGroups(datastore, place, parameters)
  const chosen = { groups, authId: call.caller.authId }
  // The threads read the machine's own files; behind another door is no such thing.
  return new IncrementalList(
    datastore.fs === nodeFileSystem
      ? listInThreads(call.context.lists, datastore, { ...chosen, place })
      : listEntries(datastore, place, chosen),
  )
}

/** Both filters name one group, which need not exist; otherwise the namespace is read. */
async function chosenGroups(
  datastore: Datastore,
  { ns }: PermittedPlace,
  parameters: Static<typeof SnapshotListParameters>,
): Promise<readonly GroupRef[]> {
  const { 'backup-type': type, 'backup-id': id } = parameters
  if (type !== undefined && id !== undefined) {
    const group = { type, id: parseBackupId(id) }
    return (await groupExists(datastore, ns, group)) ? [group] : []
  }
  const groups = await listGroups(datastore, ns)
  return groups.filter(
    (group) => (type === undefined || group.type === type) && (id === undefined || group.id === id),
  )
}

async function* listEntries(
  datastore: Datastore,
  place: PermittedPlace,
  { groups, authId }: { readonly groups: readonly GroupRef[]; readonly authId: string },
): AsyncIterable<object> {
  for (const group of groups) {
    if (!(await isListed(datastore, place, { group, authId }))) continue
    const owner = await readOwner(datastore, place.ns, group).catch(() => null)
    const listings = await listSnapshots(datastore, place.ns, group)
    yield* mapConcurrent(listings, { concurrency: LIST_CONCURRENCY }, async (listing) => {
      const entry = await snapshotEntry(datastore, place.ns, listing)
      return owner === null ? entry : { ...entry, owner }
    })
  }
}
