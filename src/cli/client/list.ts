/** `list`: the groups of a namespace (spec cli 4.4). */
import { listGroups } from '../../client/snapshots.ts'
import { formatBackupTime } from '../../formats/backup-time.ts'
import { command } from '../command.ts'
import {
  type ClientContext,
  connect,
  fileList,
  formatParameters,
  namespaceOf,
  namespaceParameters,
  repositoryParameters,
} from './common.ts'

export const list = command({
  path: 'list',
  summary: 'List backup groups.',
  parameters: { ...repositoryParameters, ...namespaceParameters, ...formatParameters },
  async run(args, context: ClientContext) {
    await using connection = await connect(context, args)
    const groups = await listGroups(connection, namespaceOf(context, args.ns))
    context.output.rows(args['output-format'], groups, {
      columns: [
        { name: 'group', render: (row) => `${row['backup-type']}/${row['backup-id']}` },
        {
          name: 'last snapshot',
          render: (row) =>
            `${row['backup-type']}/${row['backup-id']}/${formatBackupTime(row['last-backup'])}`,
        },
        { name: 'backup-count', align: 'right' },
        { name: 'files', render: (row) => fileList(row.files) },
      ],
      sortBy: [(row) => row['backup-type'], (row) => row['backup-id']],
    })
  },
})
