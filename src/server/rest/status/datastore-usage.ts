/** `/status/datastore-usage`: what monitoring asks every minute (rest-api §4.5). */
import { Type } from '../../../base/schema.ts'
import { toError } from '../../../base/errors.ts'
import { type DatastoreConfig, listDatastores } from '../../../config/datastores.ts'
import { usage } from '../../../datastore/usage.ts'
import { NO_PARAMETERS } from '../../../protocol/common.ts'
import { GcStatusShape } from '../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../protocol/endpoint.ts'
import { hasPrivilege } from '../../auth/permissions.ts'
import { type Call, type Route, route } from '../../route.ts'
import { seesStore } from '../admin/datastore/access.ts'
import { readGcStatus } from '../admin/datastore/gc-status.ts'

const Bytes = Type.Optional(Type.Integer({ minimum: 0 }))

export const datastoreUsageRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/status/datastore-usage',
    summary: 'Size and free space of every datastore that the caller sees',
    parameters: NO_PARAMETERS,
    returns: Type.Array(
      Type.Object({
        store: Type.String(),
        total: Bytes,
        used: Bytes,
        avail: Bytes,
        'gc-status': Type.Optional(GcStatusShape),
        error: Type.Optional(Type.String()),
        'mount-status': Type.String(),
        'backend-type': Type.String(),
      }),
    ),
    permission: AUTHENTICATED,
    run: async (_parameters, call) => await list(call),
  }),
]

async function list(call: Call): Promise<readonly object[]> {
  const { datastores } = await listDatastores(call.context.files)
  const entries: object[] = []
  for (const config of datastores) {
    if (await seesStore(call, config.name)) entries.push(await describe(call, config))
  }
  return entries
}

async function describe(
  { context, caller, use }: Call,
  { name, backend }: DatastoreConfig,
): Promise<object> {
  const identity = {
    store: name,
    'mount-status': 'nonremovable',
    'backend-type': backend.kind === 's3' ? 's3' : 'filesystem',
  }
  const names = ['Datastore.Audit', 'Datastore.Backup'] as const
  const path = `/datastore/${name}`
  const open = await hasPrivilege(context.auth, caller, path, names, { any: true })
  if (!open) return identity
  try {
    const datastore = await use(name, 'read')
    const { total, used, available } = await usage(datastore)
    const status = await readGcStatus(datastore)
    return { ...identity, total, used, avail: available, 'gc-status': status }
  } catch (error) {
    // One datastore out of order must not hide the others.
    return { ...identity, error: toError(error).message }
  }
}
