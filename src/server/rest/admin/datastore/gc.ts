/** `gc` of a datastore: the last run's figures (rest-api §4.3). */
import { findDatastore } from '../../../../config/datastores.ts'
import { GcStatusShape, StoreParameters, TaskStartedShape } from '../../../../protocol/datastore.ts'
import { privilege } from '../../../../protocol/endpoint.ts'
import { errors } from '../../../errors.ts'
import { type Route, route } from '../../../route.ts'
import { readGcStatus } from './gc-status.ts'

const PATH = '/admin/datastore/{store}/gc'

export const gcRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: PATH,
    summary: 'Figures of the last garbage collection',
    parameters: StoreParameters,
    returns: GcStatusShape,
    permission: privilege('/datastore/{store}', 'Datastore.Audit'),
    run: async ({ store }, { context, use }) => {
      const datastore = await use(store, 'read')
      const schedule = (await findDatastore(context.files, store))?.gcSchedule ?? null
      return {
        ...(await readGcStatus(datastore)),
        store,
        ...(schedule === null ? {} : { schedule }),
      }
    },
  }),
  route({
    method: 'POST',
    path: PATH,
    summary: 'Starts garbage collection',
    parameters: StoreParameters,
    returns: TaskStartedShape,
    permission: privilege('/datastore/{store}', 'Datastore.Modify'),
    run: async ({ store }, { use }) => {
      await use(store, 'write')
      throw errors.NOT_BUILT_YET({ what: 'Garbage collection', status: 501 })
    },
  }),
]
