/** Tasks that change a datastore, as its calls start them. */
import type { Datastore } from '../../../../datastore/datastore.ts'
import type { UpidText } from '../../../../formats/upid.ts'
import type { Task, TaskOutcome } from '../../../../tasks/task.ts'
import type { Call } from '../../../route.ts'

/** Starts `work` in the name of the caller; the datastore counts as written until it ends. */
export async function startStoreTask(
  { context, caller }: Call,
  datastore: Datastore,
  task: { readonly type: string; readonly id: string },
  work: (task: Task) => Promise<void>,
): Promise<{ readonly upid: UpidText; readonly done: Promise<TaskOutcome> }> {
  const start = { ...task, authId: caller.authId }
  return await context.tasks.start(start, async (running) => {
    using _operation = context.operations.begin(datastore.name, 'write')
    await work(running)
  })
}
