/** `gc` of a datastore: the last run's figures, and a new run (rest-api §4.3, datastore-semantics.md 12.1). */
import type { Clock } from '../../../../base/time/clock.ts'
import { findDatastore } from '../../../../config/datastores.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import {
  GcParameters,
  GcStatusShape,
  StoreParameters,
  TaskStartedShape,
} from '../../../../protocol/datastore.ts'
import { privilege } from '../../../../protocol/endpoint.ts'
import { collectAsJob, lastCollection } from '../../../collection-job.ts'
import { refused } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { readGcStatus } from './gc-status.ts'

const PATH = '/admin/datastore/{store}/gc'
/** As stock: a run that ends meanwhile makes room for this one. */
const RUNNING_WAIT_MS = 10_000
const RUNNING_RETRY_MS = 100

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
        ...(await lastCollection(context.files, context.tasks, store)),
      }
    },
  }),
  route({
    method: 'POST',
    path: PATH,
    summary: 'Starts garbage collection',
    parameters: GcParameters,
    returns: TaskStartedShape,
    permission: privilege('/datastore/{store}', 'Datastore.Modify'),
    run: async ({ store, 'confirm-vanished': isConfirmed }, call) => {
      await untilIdle(await call.use(store, 'write'), call.context.clock)
      return await startCollection(call, store, isConfirmed ?? false)
    },
  }),
]

async function untilIdle({ core }: Datastore, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + RUNNING_WAIT_MS
  while (core.collection.isRunning) {
    if (clock.monotonic() >= deadline) throw refused('garbage collection already running')
    await clock.sleep(RUNNING_RETRY_MS)
  }
}

async function startCollection(
  { context, caller }: Call,
  name: string,
  isConfirmed: boolean,
): Promise<string> {
  const start = { type: 'garbage_collection', id: name, authId: caller.authId }
  const { upid } = await context.tasks.start(start, async (task) => {
    using use = await context.datastores.use(name, 'write')
    await collectAsJob(context.files, use.store, { progress: task, upid: task.upid, isConfirmed })
  })
  return upid
}
