/** `protected` of a snapshot (rest-api §4.3). */
import { Type } from '../../../../base/schema.ts'
import { isProtected, setProtected } from '../../../../datastore/snapshots.ts'
import { Nothing } from '../../../../protocol/common.ts'
import { ProtectionParameters, SnapshotParameters } from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { type Route, route } from '../../../route.ts'
import { openOwned, permit } from './access.ts'
import { snapshotOf } from './refs.ts'
import { CHANGE, LIST } from './requirements.ts'

const PATH = '/admin/datastore/{store}/protected'

export const protectionRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: PATH,
    summary: 'Whether a snapshot is protected',
    parameters: SnapshotParameters,
    returns: Type.Boolean(),
    permission: AUTHENTICATED,
    run: async (parameters, call) => {
      const place = await permit(call, parameters, LIST)
      const ref = snapshotOf(parameters)
      const datastore = await openOwned(call, place, { group: ref, operation: 'read' })
      return await isProtected(datastore, place.ns, ref)
    },
  }),
  route({
    method: 'PUT',
    path: PATH,
    summary: 'Protects a snapshot from removal, or lets it go',
    parameters: ProtectionParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: async (parameters, call) => {
      const place = await permit(call, parameters, CHANGE)
      const ref = snapshotOf(parameters)
      const datastore = await openOwned(call, place, { group: ref, operation: 'write' })
      await setProtected(datastore, place.ns, ref, parameters.protected)
    },
  }),
]
