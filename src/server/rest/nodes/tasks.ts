/** `/nodes/{node}/tasks` and what lies below a task (rest-api §4.4). */
import type { Static } from 'typebox'
import { formatRfc3339 } from '../../../base/time/format.ts'
import { splitAuthId } from '../../../config/auth-id.ts'
import { parseUpid, type Upid } from '../../../formats/upid.ts'
import { Nothing } from '../../../protocol/common.ts'
import { AUTHENTICATED } from '../../../protocol/endpoint.ts'
import {
  TaskListParameters,
  TaskListShape,
  TaskLogParameters,
  TaskParameters,
  TaskStatusShape,
} from '../../../protocol/tasks.ts'
import type { LogLine } from '../../../tasks/read-log.ts'
import { checkPrivilege } from '../../auth/permissions.ts'
import { refused } from '../../errors.ts'
import { jsonBytes, RawReply, WithAttributes } from '../../reply.ts'
import { type Call, type Route, route } from '../../route.ts'
import { abortElsewhere } from '../../task-control.ts'
import { withoutUndefined } from '../without-undefined.ts'
import { maySeeTask, visibleTasks } from './task-access.ts'

/** Entries or lines of one answer when the caller does not say. */
const LIMIT_DEFAULT = 50

export const taskRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/nodes/{node}/tasks',
    summary: 'Lists running and finished tasks, newest first',
    parameters: TaskListParameters,
    returns: TaskListShape,
    permission: AUTHENTICATED,
    run: list,
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/tasks/{upid}/status',
    summary: 'Whether a task runs, and how it ended',
    parameters: TaskParameters,
    returns: TaskStatusShape,
    permission: AUTHENTICATED,
    run: readStatus,
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/tasks/{upid}/log',
    summary: 'Lines of the log of a task, or the whole log as a file',
    kind: 'raw',
    parameters: TaskLogParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: readLog,
  }),
  route({
    method: 'DELETE',
    path: '/nodes/{node}/tasks/{upid}',
    summary: 'Asks a task to stop',
    parameters: TaskParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: async ({ upid }, { context, caller }) => {
      if (parseUpid(upid).authId !== caller.authId) {
        await checkPrivilege(context.auth, caller, '/system/tasks', ['Sys.Modify'])
      }
      if (!context.tasks.abort(upid)) await abortElsewhere(context.paths.run, upid)
    },
  }),
]

async function list(
  parameters: Static<typeof TaskListParameters>,
  { context, caller }: Call,
): Promise<WithAttributes> {
  const visible = await visibleTasks(context, caller)
  const { statusfilter, typefilter, userfilter, node: _node, limit, ...filters } = parameters
  const { items, total } = await context.tasks.list({
    ...withoutUndefined({
      ...filters,
      statusFilter: statusfilter,
      typeFilter: typefilter,
      userFilter: userfilter,
    }),
    limit: limit ?? LIMIT_DEFAULT,
    visible: ({ user, worker_type, worker_id }) =>
      visible({ authId: user, workerType: worker_type, workerId: worker_id }),
  })
  return new WithAttributes(items, { total })
}

async function readStatus({ upid }: Static<typeof TaskParameters>, call: Call): Promise<object> {
  const id = await visibleTask(upid, call)
  const { running, exitStatus, endTime } = await call.context.tasks.status(upid)
  const { userid, token } = splitAuthId(id.authId)
  return {
    upid,
    node: id.node,
    pid: id.pid,
    pstart: id.pstart,
    starttime: id.startTime,
    type: id.workerType,
    id: id.workerId,
    user: userid,
    ...(token === null ? {} : { tokenid: token }),
    status: running ? 'running' : 'stopped',
    ...(running ? {} : { exitstatus: exitStatus ?? 'unknown' }),
    ...(endTime === null ? {} : { endtime: endTime }),
  }
}

async function readLog(
  parameters: Static<typeof TaskLogParameters>,
  call: Call,
): Promise<RawReply> {
  const { upid, download, start, limit, 'test-status': testStatus } = parameters
  const id = await visibleTask(upid, call)
  if (download === true) {
    if (start !== undefined || limit !== undefined || testStatus !== undefined) {
      throw refused("Parameter 'download' cannot be used with other parameters")
    }
    return new RawReply(
      {
        'content-type': 'text/plain',
        'content-disposition': `attachment; filename=${fileNameOf(id)}`,
      },
      call.context.tasks.streamLog(upid),
    )
  }
  const page = { start: start ?? 0, limit: limit ?? LIMIT_DEFAULT }
  const stateOf = (active: boolean): object => (testStatus === true ? { active } : {})
  if (page.limit === 0) {
    const { active, portions } = await call.context.tasks.readWholeLog(upid, page)
    return new RawReply(
      { 'content-type': 'application/json' },
      logBody({ ...stateOf(active), data: [] }, portions),
    )
  }
  const { lines, total, active } = await call.context.tasks.readLog(upid, page)
  const state = stateOf(active)
  const body = jsonBytes({ ...state, data: lines, success: 1, total })
  return new RawReply({ 'content-type': 'application/json' }, body)
}

/** As the body of a page, whose `data` is last in `head` and empty; nothing of the log is kept. */
async function* logBody(
  head: object,
  portions: AsyncGenerator<readonly LogLine[], number>,
): AsyncIterable<Uint8Array> {
  yield Buffer.from(JSON.stringify(head).slice(0, -2))
  let separator = ''
  for (;;) {
    const { done, value } = await portions.next()
    if (done === true) return yield Buffer.from(`],"success":1,"total":${value}}`)
    yield Buffer.from(separator + JSON.stringify(value).slice(1, -1))
    separator = ','
  }
}

function fileNameOf({ node, workerType, startTime }: Upid): string {
  return `task-${node}-${workerType}-${formatRfc3339(startTime)}.log`
}

async function visibleTask(upid: string, { context, caller }: Call): Promise<Upid> {
  const id = parseUpid(upid)
  if (!(await maySeeTask(context, caller, id))) throw refused('task access not allowed')
  return id
}
