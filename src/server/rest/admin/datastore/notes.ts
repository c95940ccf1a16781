/** `notes` of a snapshot and `group-notes` (rest-api §4.3). */
import { Type } from '../../../../base/schema.ts'
import { hasCode } from '../../../../base/errors.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { readGroupNotes, setGroupNotes } from '../../../../datastore/groups.ts'
import { readSnapshotNotes, setSnapshotNotes } from '../../../../datastore/manifest-store.ts'
import type { SnapshotRef } from '../../../../formats/names.ts'
import type { NamespacePath } from '../../../../formats/namespace.ts'
import { Nothing } from '../../../../protocol/common.ts'
import {
  GroupNotesParameters,
  GroupParameters,
  NotesParameters,
  SnapshotParameters,
} from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { refused } from '../../../errors.ts'
import { type Route, route } from '../../../route.ts'
import { openOwned, permit } from './access.ts'
import { groupOf, snapshotOf } from './refs.ts'
import { CHANGE, LIST } from './requirements.ts'

const PATH = '/admin/datastore/{store}/notes'
const GROUP_PATH = '/admin/datastore/{store}/group-notes'

export const noteRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: PATH,
    summary: 'Reads the notes of a snapshot',
    parameters: SnapshotParameters,
    returns: Type.String(),
    permission: AUTHENTICATED,
    run: async (parameters, call) => {
      const place = await permit(call, parameters, LIST)
      const ref = snapshotOf(parameters)
      const datastore = await openOwned(call, place, { group: ref, operation: 'read' })
      return await readSnapshotNotes(datastore, place.ns, ref)
    },
  }),
  route({
    method: 'PUT',
    path: PATH,
    summary: 'Sets the notes of a snapshot',
    parameters: NotesParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: async (parameters, call) => {
      const place = await permit(call, parameters, CHANGE)
      const ref = snapshotOf(parameters)
      const datastore = await openOwned(call, place, { group: ref, operation: 'write' })
      await storeNotes(datastore, { ns: place.ns, ref, notes: parameters.notes })
    },
  }),
  route({
    method: 'GET',
    path: GROUP_PATH,
    summary: 'Reads the notes of a group',
    parameters: GroupParameters,
    returns: Type.String(),
    permission: AUTHENTICATED,
    run: async (parameters, call) => {
      const place = await permit(call, parameters, LIST)
      const group = groupOf(parameters)
      const datastore = await openOwned(call, place, { group, operation: 'read' })
      return await readGroupNotes(datastore, place.ns, group)
    },
  }),
  route({
    method: 'PUT',
    path: GROUP_PATH,
    summary: 'Sets the notes of a group',
    parameters: GroupNotesParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: async (parameters, call) => {
      const place = await permit(call, parameters, CHANGE)
      const group = groupOf(parameters)
      const datastore = await openOwned(call, place, { group, operation: 'write' })
      await setGroupNotes(datastore, place.ns, group, parameters.notes)
    },
  }),
]

/** Stock says here, and only here, what it was about to do. */
async function storeNotes(
  datastore: Datastore,
  target: { readonly ns: NamespacePath; readonly ref: SnapshotRef; readonly notes: string },
): Promise<void> {
  try {
    await setSnapshotNotes(datastore, target.ns, target.ref, target.notes)
  } catch (error) {
    if (!hasCode(error, 'BLOB_LOAD_FAILED')) throw error
    throw refused(`unable to update manifest blob - ${error.message}`)
  }
}
