/** `snapshot files` (spec cli 4.6). */
import { listFiles } from '../../client/snapshots.ts'
import { command, text } from '../command.ts'
import {
  type ClientContext,
  connect,
  formatParameters,
  namespaceParameters,
  repositoryParameters,
  snapshotAddress,
} from './common.ts'

export const snapshotFiles = command({
  path: 'snapshot files',
  aliases: ['files'],
  summary: 'List snapshot files.',
  positionals: ['snapshot'],
  parameters: {
    ...repositoryParameters,
    ...namespaceParameters,
    ...formatParameters,
    snapshot: text('Snapshot path.'),
  },
  async run(args, context: ClientContext) {
    const address = snapshotAddress(context, args)
    await using connection = await connect(context, args)
    const files = await listFiles(connection, address)
    context.output.rows(args['output-format'], files, {
      columns: [{ name: 'filename' }, { name: 'crypt-mode' }, { name: 'size', align: 'right' }],
      sortBy: [(row) => row.filename],
    })
  },
})
