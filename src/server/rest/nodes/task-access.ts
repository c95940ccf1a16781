/** Who may see which task (rest-api §4.4, "Visibility"). */
import { splitAuthId } from '../../../config/auth-id.ts'
import { listDatastores } from '../../../config/datastores.ts'
import type { PrivilegeName } from '../../../config/privileges.ts'
import type { Caller } from '../../auth/authenticate.ts'
import { hasPrivilege } from '../../auth/permissions.ts'
import type { ServerContext } from '../../context.ts'

/** The parts of a task that decide. */
export interface TaskSubject {
  readonly workerType: string
  readonly workerId: string | null
  readonly authId: string
}

/** Privileges on the datastore that let a caller run the job, and so see its tasks. */
const JOB_PRIVILEGES: ReadonlyMap<string, readonly PrivilegeName[]> = new Map([
  ['verificationjob', ['Datastore.Verify']],
  ['syncjob', ['Datastore.Backup']],
  ['garbage_collection', ['Datastore.Modify']],
  ['prune', ['Datastore.Modify']],
  ['prunejob', ['Datastore.Modify']],
])

/** Own tasks, and for a user those of its tokens. */
function isOwnTask(caller: Caller, authId: string): boolean {
  if (authId === caller.authId) return true
  return caller.token === null && splitAuthId(authId).userid === caller.user
}

/** Whether `caller` may see `task`. */
export async function maySeeTask(
  context: ServerContext,
  caller: Caller,
  task: TaskSubject,
): Promise<boolean> {
  if (isOwnTask(caller, task.authId)) return true
  if (await hasPrivilege(context.auth, caller, '/system/tasks', ['Sys.Audit'])) return true
  return await mayRunJob(context, caller, task)
}

/** Whether `caller` could start the job that `task` belongs to. */
async function mayRunJob(
  context: ServerContext,
  caller: Caller,
  task: TaskSubject,
): Promise<boolean> {
  const privileges = JOB_PRIVILEGES.get(task.workerType)
  const store = storeOf(task)
  if (privileges === undefined || store === null) return false
  return await hasPrivilege(context.auth, caller, `/datastore/${store}`, privileges)
}

/** A filter of task lists for `caller`, with the privileges of this moment. */
export async function visibleTasks(
  context: ServerContext,
  caller: Caller,
): Promise<(task: TaskSubject) => boolean> {
  if (await hasPrivilege(context.auth, caller, '/system/tasks', ['Sys.Audit'])) return () => true
  const { datastores } = await listDatastores(context.files)
  const runnable = new Set<string>()
  for (const { name } of datastores) {
    for (const [workerType, privileges] of JOB_PRIVILEGES) {
      const path = `/datastore/${name}`
      const may = await hasPrivilege(context.auth, caller, path, privileges)
      if (may) runnable.add(`${workerType} ${name}`)
    }
  }
  return (task) =>
    isOwnTask(caller, task.authId) || runnable.has(`${task.workerType} ${storeOf(task)}`)
}

/** The datastore in a worker id: `store…`, and third of a sync job's parts. */
function storeOf({ workerType, workerId }: TaskSubject): string | null {
  const parts = workerId?.split(':') ?? []
  return (workerType === 'syncjob' ? parts[2] : parts[0]) ?? null
}
