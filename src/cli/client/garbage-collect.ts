/** `garbage-collect` (spec cli 4.16). */
import { storePath, upidOf } from '../../client/snapshots.ts'
import { command } from '../command.ts'
import { type ClientContext, connect, formatParameters, repositoryParameters } from './common.ts'
import { showTask } from './follow.ts'

export const garbageCollect = command({
  path: 'garbage-collect',
  summary: 'Start garbage collection for a specific repository.',
  parameters: { ...repositoryParameters, ...formatParameters },
  async run(args, context: ClientContext) {
    await using connection = await connect(context, args)
    const { data } = await connection.post(storePath(connection, 'gc'), {})
    await showTask(context, connection, { upid: upidOf(data), format: args['output-format'] })
  },
})
