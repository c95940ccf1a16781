/** `task list|log|stop` (spec cli 4.16). */
import { formatLocalDate } from '../../base/time/local-date.ts'
import { type ListedTask, followTask, listTasks, stopTask } from '../../client/tasks.ts'
import { command, flag, integer, text, withDefault } from '../command.ts'
import { type ClientContext, connect, formatParameters, repositoryParameters } from './common.ts'

const DEFAULT_LIMIT = 50

export const taskList = command({
  path: 'task list',
  summary: 'List running server tasks for this repo user',
  parameters: {
    ...repositoryParameters,
    ...formatParameters,
    limit: withDefault(
      integer('The maximal number of tasks to list.', { min: 1, max: 1000 }),
      DEFAULT_LIMIT,
    ),
    all: flag('Also list stopped tasks.'),
  },
  async run(args, context: ClientContext) {
    await using connection = await connect(context, args)
    const isRunning = args.all !== true
    const tasks = await listTasks(connection, { limit: args.limit, isRunning })
    context.output.rows(args['output-format'], tasks, {
      columns: [
        { name: 'starttime', render: ({ starttime }) => formatLocalDate(starttime) },
        {
          name: 'endtime',
          render: ({ endtime }) => (typeof endtime === 'number' ? formatLocalDate(endtime) : ''),
        },
        { name: 'upid' },
        { name: 'status', render: statusText },
      ],
    })
  },
})

export const taskLog = command({
  path: 'task log',
  summary: 'Display the task log.',
  positionals: ['upid'],
  parameters: { ...repositoryParameters, upid: text('Unique Process/Task Identifier') },
  async run(args, context: ClientContext) {
    await using connection = await connect(context, args)
    const { clock, output } = context
    await followTask(connection, args.upid, { clock, onLine: (line) => output.line(line) })
  },
})

export const taskStop = command({
  path: 'task stop',
  summary: 'Try to stop a specific task.',
  positionals: ['upid'],
  parameters: { ...repositoryParameters, upid: text('Unique Process/Task Identifier') },
  async run(args, context: ClientContext) {
    await using connection = await connect(context, args)
    await stopTask(connection, args.upid)
  },
})

function statusText({ status, endtime }: ListedTask): string {
  if (status !== undefined) return status
  return typeof endtime === 'number' ? 'unknown' : 'running'
}
