/**
 * Tasks on a datastore as commands run them. Where a server runs on the same place, it does them: its sessions and
 * the task share one process, so that neither waits for the other's lock. Without one they run here. The output is the
 * same.
 */
import type { Progress } from '../../base/progress.ts'
import type { ConfigFiles } from '../../config/config-files.ts'
import { findDatastore } from '../../config/datastores.ts'
import { errors as configErrors } from '../../config/errors.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import type { CommandContext } from '../context.ts'
import { openAdministration, type PlaceValues, runTask } from './administration.ts'
import { connectToLocalServer } from './running-server/local-server.ts'
import { runOnServer, type TaskCall } from './running-server/server-task.ts'
import { withDatastore } from './with-datastore.ts'

export interface StoreTask {
  readonly operation: 'read' | 'write'
  readonly task: { readonly type: string; readonly id: string }
  /** What the server is asked for; the path below `/admin/datastore/{store}/`. */
  readonly call: TaskCall
  /** What cannot begin is refused before there is a task; the server's call does the same. */
  readonly check?: (store: Datastore) => Promise<void>
  readonly run: (store: Datastore, given: GivenTask) => Promise<void>
}

export interface GivenTask {
  readonly progress: Progress
  readonly upid: string
  readonly files: ConfigFiles
}

/** Runs `work` on the datastore that `values` name. Errors: DATASTORE_UNKNOWN, TASK_FAILED, SERVER_UNREACHABLE. */
export async function runStoreTask(
  values: PlaceValues & { readonly name: string },
  context: CommandContext,
  { operation, task, call, check, run }: StoreTask,
): Promise<void> {
  const administration = await openAdministration(values, context)
  const { name } = values
  if ((await findDatastore(administration.files, name)) === null) {
    throw configErrors.DATASTORE_UNKNOWN({ name })
  }
  const connection = await connectToLocalServer(administration, context, name)
  if (connection !== null) {
    await using server = connection
    const path = `admin/datastore/${encodeURIComponent(name)}/${call.path}`
    await runOnServer(server, context, { ...call, path })
    return
  }
  await withDatastore(administration, { name, operation }, async (store) => {
    await check?.(store)
    await runTask(administration, context, task, async (progress, upid) => {
      await run(store, { progress, upid, files: administration.files })
    })
  })
}
