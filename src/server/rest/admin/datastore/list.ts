/** `GET /admin/datastore`: the datastores that a caller sees. */
import { listDatastores } from '../../../../config/datastores.ts'
import { NO_PARAMETERS } from '../../../../protocol/common.ts'
import { StoreListShape } from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { hasPrivilege } from '../../../auth/permissions.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { seesStore } from './access.ts'

export const listRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/admin/datastore',
    summary: 'Lists the datastores that the caller sees',
    parameters: NO_PARAMETERS,
    returns: StoreListShape,
    permission: AUTHENTICATED,
    run: async (_parameters, call) => await list(call),
  }),
]

async function list(call: Call): Promise<readonly object[]> {
  const { context, caller } = call
  const { datastores } = await listDatastores(context.files)
  const entries: object[] = []
  for (const { name, comment, raw, backend } of datastores) {
    if (!(await seesStore(call, name))) continue
    const open = await hasPrivilege(
      context.auth,
      caller,
      `/datastore/${name}`,
      ['Datastore.Audit', 'Datastore.Backup'],
      { any: true },
    )
    const maintenance = raw.get('maintenance-mode')
    entries.push({
      store: name,
      comment: open ? comment : null,
      ...(maintenance === undefined ? {} : { maintenance }),
      'mount-status': 'nonremovable',
      'backend-type': backend.kind === 's3' ? 's3' : 'filesystem',
    })
  }
  return entries
}
