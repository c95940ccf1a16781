/** `/config/datastore` (rest-api §4.9). */
import { createHash } from 'node:crypto'
import type { Static } from 'typebox'
import { Type } from '../../../base/schema.ts'
import {
  changeDatastore,
  checkAddDatastore,
  type DatastoreConfig,
  findDatastore,
  listDatastores,
} from '../../../config/datastores.ts'
import { parseBackend } from '../../../config/datastore-backend.ts'
import { readS3Endpoint } from '../../../config/s3-endpoints.ts'
import { Nothing, NO_PARAMETERS } from '../../../protocol/common.ts'
import {
  DatastoreChangeParameters,
  DatastoreConfigShape,
  DatastoreCreateParameters,
  DatastoreReadParameters,
  DatastoreRemoveParameters,
} from '../../../protocol/config-datastore.ts'
import { TaskStartedShape } from '../../../protocol/datastore.ts'
import { anyPrivilege, AUTHENTICATED, privilege } from '../../../protocol/endpoint.ts'
import { hasPrivilege } from '../../auth/permissions.ts'
import type { ServerContext } from '../../context.ts'
import { errors, refused } from '../../errors.ts'
import { WithAttributes } from '../../reply.ts'
import { type Call, type Route, route } from '../../route.ts'
import { runCreation } from '../../create-datastore.ts'
import { removeDatastore } from '../../remove-datastore.ts'
import { refusePruneOptions, shownOption, storedOptions } from './datastore-properties.ts'

/** What stock's DELETE answers as digest. */
const EMPTY_DIGEST = createHash('sha256').digest('hex')

export const datastoreConfigRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/config/datastore',
    summary: 'Lists the configured datastores',
    parameters: NO_PARAMETERS,
    returns: Type.Array(DatastoreConfigShape),
    permission: AUTHENTICATED,
    run: async (_parameters, call) => await list(call),
  }),
  route({
    method: 'POST',
    path: '/config/datastore',
    summary: 'Creates a datastore, or takes a folder over',
    parameters: DatastoreCreateParameters,
    returns: TaskStartedShape,
    permission: privilege('/datastore', 'Datastore.Allocate'),
    run: create,
  }),
  route({
    method: 'GET',
    path: '/config/datastore/{name}',
    summary: 'Reads the configuration of a datastore',
    parameters: DatastoreReadParameters,
    returns: DatastoreConfigShape,
    permission: anyPrivilege('/datastore/{name}', 'Datastore.Audit'),
    run: async ({ name }, { context }) => {
      const { datastores, digest } = await listDatastores(context.files)
      const config = datastores.find((other) => other.name === name)
      if (config === undefined) throw refused(`no such datastore '${name}'`)
      return new WithAttributes(shownConfig(config), { digest })
    },
  }),
  route({
    method: 'PUT',
    path: '/config/datastore/{name}',
    summary: 'Changes the configuration of a datastore',
    parameters: DatastoreChangeParameters,
    returns: Nothing,
    permission: privilege('/datastore/{name}', 'Datastore.Modify'),
    run: async ({ name, digest, delete: removed, ...options }, { context }) => {
      refusePruneOptions(options, 'change')
      const set = new Map(storedOptions(options))
      // An empty comment is no comment.
      const emptied = set.get('comment') === '' && set.delete('comment') ? ['comment'] : []
      const change = { set, delete: [...(removed ?? []), ...emptied], digest }
      await changeDatastore(context.files, name, change)
      await tellThresholds(context, name)
      await context.datastores.letGoUnused()
    },
  }),
  route({
    method: 'DELETE',
    path: '/config/datastore/{name}',
    summary: 'Removes a datastore, with `destroy-data` its content as well',
    parameters: DatastoreRemoveParameters,
    returns: TaskStartedShape,
    permission: privilege('/datastore/{name}', 'Datastore.Allocate'),
    run: remove,
  }),
]

/** They count from now on, not from the next start. */
async function tellThresholds({ files, s3 }: ServerContext, name: string): Promise<void> {
  const config = await findDatastore(files, name)
  if (config?.backend.kind !== 's3') return
  s3.counters.configure({ ...config.backend, prefix: name }, config.raw)
}

async function list({ context, caller }: Call): Promise<WithAttributes> {
  const { datastores, digest } = await listDatastores(context.files)
  const entries: object[] = []
  for (const config of datastores) {
    const path = `/datastore/${config.name}`
    if (!(await hasPrivilege(context.auth, caller, path, ['Datastore.Audit']))) continue
    entries.push(shownConfig(config))
  }
  return new WithAttributes(entries, { digest })
}

function shownConfig({ name, raw }: DatastoreConfig): object {
  const options = [...raw].map(([key, text]) => [key, shownOption(key, text)] as const)
  return { name, ...Object.fromEntries(options) }
}

async function create(
  parameters: Static<typeof DatastoreCreateParameters>,
  { context, caller }: Call,
): Promise<string> {
  const { name, path, 'backing-device': device, ...rest } = parameters
  const { 'reuse-datastore': reuse = false, 'overwrite-in-use': overwriteInUse = false } = rest
  const { 'reuse-datastore': _, 'overwrite-in-use': __, ...options } = rest
  if (device !== undefined) throw errors.NOT_BUILT_YET({ what: 'Removable media', status: 501 })
  refusePruneOptions(options, 'create')
  await checkAddDatastore(context.files, { name, path })
  const backend = parseBackend(options.backend ?? '')
  if (backend.kind === 's3') await readS3Endpoint(context.files, backend.endpointId)
  const datastore = { name, path, reuse, overwriteInUse, properties: storedOptions(options) }
  const start = { type: 'create-datastore', id: name, authId: caller.authId }
  const { upid } = await context.tasks.start(start, async (task) => {
    await runCreation(context, datastore, task)
  })
  return upid
}

async function remove(
  parameters: Static<typeof DatastoreRemoveParameters>,
  { context, caller }: Call,
): Promise<unknown> {
  const { name, digest } = parameters
  const { datastores, digest: current } = await listDatastores(context.files)
  if (digest !== undefined && digest !== current) {
    throw refused('detected modified configuration - file changed by other user? Try again.')
  }
  if (!datastores.some((config) => config.name === name)) {
    throw refused(`datastore '${name}' does not exist.`, 404)
  }
  const keepJobConfigs = parameters['keep-job-configs'] ?? false
  const destroyData = parameters['destroy-data'] ?? false
  const start = { type: 'delete-datastore', id: name, authId: caller.authId }
  const { upid } = await context.tasks.start(start, async (task) => {
    await removeDatastore(context, { name, destroyData, keepJobs: keepJobConfigs }, task)
  })
  return keepJobConfigs ? upid : new WithAttributes(upid, { digest: EMPTY_DIGEST })
}
