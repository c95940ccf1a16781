/** Garbage collection of all datastores at a glance (rest-api §4.6). */
import { findDatastore, listDatastores } from '../../../config/datastores.ts'
import { errors } from '../../../config/errors.ts'
import { GcListParameters, GcListShape, StoreParameters } from '../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../protocol/endpoint.ts'
import { type Call, type Route, route } from '../../route.ts'
import { seesStore } from './datastore/access.ts'
import { gcEntry } from './datastore/gc-status.ts'

export const gcListRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/admin/gc',
    summary: 'Last and next garbage collection of the datastores that the caller sees',
    parameters: GcListParameters,
    returns: GcListShape,
    permission: AUTHENTICATED,
    run: async ({ store }, call) => await listEntries(call, store),
  }),
  route({
    method: 'GET',
    path: '/admin/gc/{store}',
    summary: 'Last and next garbage collection of a datastore that the caller sees',
    parameters: StoreParameters,
    returns: GcListShape,
    permission: AUTHENTICATED,
    run: async ({ store }, call) => await listEntries(call, store),
  }),
]

async function listEntries(call: Call, only: string | undefined): Promise<readonly object[]> {
  const { files } = call.context
  if (only !== undefined && (await findDatastore(files, only)) === null) {
    throw errors.DATASTORE_UNKNOWN({ name: only, status: 400 })
  }
  const { datastores } = await listDatastores(files)
  const entries: object[] = []
  for (const { name } of datastores) {
    if (only !== undefined && name !== only) continue
    // Also with a name: stock shows figures of stores that the caller may not see.
    if (!(await seesStore(call, name))) continue
    // One that is offline or broken has its line all the same.
    const store = await call.use(name, 'read').catch(() => null)
    entries.push(await gcEntry(call.context, name, store))
  }
  return entries
}
