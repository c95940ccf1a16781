/** `snapshot list` (spec cli 4.5). */
import { formatBytes } from '../../base/human-units.ts'
import { listSnapshots } from '../../client/snapshots.ts'
import { formatBackupTime } from '../../formats/backup-time.ts'
import { parseGroup } from '../../formats/names.ts'
import { command, optional, text } from '../command.ts'
import {
  type ClientContext,
  connect,
  fileList,
  formatParameters,
  namespaceOf,
  namespaceParameters,
  repositoryParameters,
} from './common.ts'

export const snapshotList = command({
  path: 'snapshot list',
  aliases: ['snapshots'],
  summary: 'List backup snapshots.',
  positionals: ['group'],
  parameters: {
    ...repositoryParameters,
    ...namespaceParameters,
    ...formatParameters,
    group: optional(text('Backup group.')),
  },
  async run(args, context: ClientContext) {
    const group = args.group === undefined ? null : parseGroup(args.group)
    await using connection = await connect(context, args)
    const namespace = namespaceOf(context, args.ns)
    const snapshots = await listSnapshots(connection, { namespace, group })
    context.output.rows(args['output-format'], snapshots, {
      columns: [
        {
          name: 'snapshot',
          render: (row) =>
            `${row['backup-type']}/${row['backup-id']}/${formatBackupTime(row['backup-time'])}`,
        },
        {
          name: 'size',
          align: 'right',
          render: ({ size }) => (size === undefined ? '' : formatBytes(size)),
        },
        { name: 'files', render: (row) => fileList(row.files.map(({ filename }) => filename)) },
      ],
      sortBy: [(row) => row['backup-type'], (row) => row['backup-id'], (row) => row['backup-time']],
    })
  },
})
