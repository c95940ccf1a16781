/** `prune` (spec cli 4.11). */
import { formatLocalDate } from '../../base/time/local-date.ts'
import { pruneGroup } from '../../client/snapshots.ts'
import { formatBackupTime } from '../../formats/backup-time.ts'
import { parseGroup } from '../../formats/names.ts'
import { command, flag, integer, optional, text } from '../command.ts'
import {
  type ClientContext,
  connect,
  formatParameters,
  namespaceParameters,
  repositoryParameters,
} from './common.ts'

export const prune = command({
  path: 'prune',
  summary: 'Prune a backup repository.',
  positionals: ['group'],
  parameters: {
    ...repositoryParameters,
    ...namespaceParameters,
    ...formatParameters,
    group: text('Backup group.'),
    'keep-last': keep('Number of backups to keep.'),
    'keep-hourly': keep('Number of hourly backups to keep.'),
    'keep-daily': keep('Number of daily backups to keep.'),
    'keep-weekly': keep('Number of weekly backups to keep.'),
    'keep-monthly': keep('Number of monthly backups to keep.'),
    'keep-yearly': keep('Number of yearly backups to keep.'),
    'max-depth': optional(integer('How many levels of namespaces to go down.', { min: 0, max: 7 })),
    'dry-run': flag('Just show what prune would do, but do not delete anything.'),
    quiet: flag('Minimal output - only show removals.'),
  },
  async run(args, context: ClientContext) {
    const group = parseGroup(args.group)
    // Only what was typed counts here: stock does not take the namespace of the environment.
    const namespace = args.ns ?? ''
    await using connection = await connect(context, args)
    const pruned = await pruneGroup(connection, { namespace, group }, serverOptions(args))
    const shown = args.quiet === true ? pruned.filter((row) => !row.keep) : pruned
    context.output.rows(args['output-format'], shown, {
      columns: [
        {
          name: 'snapshot',
          render: (row) =>
            `${row['backup-type']}/${row['backup-id']}/${formatBackupTime(row['backup-time'])}`,
        },
        { name: 'date', align: 'right', render: (row) => formatLocalDate(row['backup-time']) },
        { name: 'action', align: 'right', render: (row) => (row.keep ? 'keep' : 'remove') },
      ],
      sortBy: [(row) => row['backup-type'], (row) => row['backup-id'], (row) => row['backup-time']],
    })
  },
})

function keep(description: string) {
  return optional(integer(description, { min: 1 }))
}

const SERVER_OPTIONS = [
  'keep-last',
  'keep-hourly',
  'keep-daily',
  'keep-weekly',
  'keep-monthly',
  'keep-yearly',
  'max-depth',
  'dry-run',
] as const

/** The options that the server is told; it refuses those it does not know for a group. */
function serverOptions(
  args: Readonly<Record<(typeof SERVER_OPTIONS)[number], number | boolean | undefined>>,
) {
  return Object.fromEntries(SERVER_OPTIONS.map((name) => [name, args[name]]))
}
