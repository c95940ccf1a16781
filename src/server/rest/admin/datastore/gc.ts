/** `gc` of a datastore: the last run's figures, and a new run (rest-api §4.3, datastore-semantics.md 12.1). */
import type { Clock } from '../../../../base/time/clock.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import {
  GcParameters,
  GcEntryShape,
  StoreParameters,
  TaskStartedShape,
} from '../../../../protocol/datastore.ts'
import { privilege } from '../../../../protocol/endpoint.ts'
import { collectAsJob } from '../../../collection-job.ts'
import { refused } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { gcEntry } from './gc-status.ts'

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
    returns: GcEntryShape,
    permission: privilege('/datastore/{store}', 'Datastore.Audit'),
    run: async ({ store }, { context, use }) =>
      await gcEntry(context, store, await use(store, 'read')),
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
