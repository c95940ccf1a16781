/** `cairn datastore gc` and `gc-status`, and stock's `garbage-collection start|status`. Source: spec cli 9.2, 9.4. */
import { findDatastore } from '../../config/datastores.ts'
import { errors as configErrors } from '../../config/errors.ts'
import { emptyStatus, readGcStatus } from '../../datastore/collection/status.ts'
import { collectAsJob } from '../../server/collection-job.ts'
import { type Command, command, flag, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import {
  type Administration,
  openAdministration,
  outputFormat,
  placeParameters,
  SAFE_ID_RULES,
} from './administration.ts'
import { runStoreTask } from './store-task.ts'
import { withDatastore } from './with-datastore.ts'

const name = text('Name of the datastore.', { ...SAFE_ID_RULES, lengthMin: 3, lengthMax: 32 })

/** In stock's order: what the disk holds, then the run. */
const SHOWN_KEYS = [
  'disk-bytes',
  'disk-chunks',
  'index-data-bytes',
  'index-file-count',
  'pending-bytes',
  'pending-chunks',
  'removed-bad',
  'removed-bytes',
  'removed-chunks',
  'still-bad',
  'cache-stats',
  'upid',
] as const

export const gcCommands: readonly Command<CommandContext>[] = [
  startCommandAt('datastore gc'),
  startCommandAt('garbage-collection start'),
  statusCommandAt('datastore gc-status'),
  statusCommandAt('garbage-collection status'),
]

function startCommandAt(path: string): Command<CommandContext> {
  return command({
    path,
    summary: 'Removes the chunks of a datastore that no snapshot needs any more.',
    positionals: ['name'],
    parameters: {
      name,
      'confirm-vanished': flag(
        'Snapshots that are gone, though nobody removed them through Cairn, are meant to be gone.',
        { byDefault: false },
      ),
      ...placeParameters,
    },
    async run(values, context: CommandContext) {
      const isConfirmed = values['confirm-vanished']
      await runStoreTask(values, context, {
        operation: 'write',
        task: { type: 'garbage_collection', id: values.name },
        call: { path: 'gc', parameters: isConfirmed ? { 'confirm-vanished': true } : {} },
        run: async (store, { progress, upid, files }) => {
          await collectAsJob(files, store, { progress, upid, isConfirmed })
        },
      })
    },
  })
}

function statusCommandAt(path: string): Command<CommandContext> {
  return command({
    path,
    summary: 'Shows what the last garbage collection found.',
    positionals: ['name'],
    parameters: { name, 'output-format': outputFormat, ...placeParameters },
    async run(values, context: CommandContext) {
      const administration = await openAdministration(values, context)
      const id = await existing(administration, values.name)
      const target = { name: id, operation: 'read' } as const
      const status = await withDatastore(administration, target, async (store) => {
        return (await readGcStatus(store)) ?? emptyStatus()
      })
      const rows = SHOWN_KEYS.map((key) => [key, fieldOf(status, key)] as const)
      const { output } = context
      output.result(values['output-format'], { store: id, ...status }, () => {
        output.properties([['store', id], ...rows])
      })
    },
  })
}

async function existing({ files }: Administration, id: string): Promise<string> {
  if ((await findDatastore(files, id)) === null) throw configErrors.DATASTORE_UNKNOWN({ name: id })
  return id
}

function fieldOf(status: object, key: string): unknown {
  return (status as Readonly<Record<string, unknown>>)[key]
}
