/** `cairn datastore prune`: what `prune-datastore` does over REST (rest-api §4.3), as a command. */
import { pruneDatastore } from '../../datastore/prune/prune-store.ts'
import { parseNamespace } from '../../formats/namespace.ts'
import { command, flag, integer, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { placeParameters, SAFE_ID_RULES } from './administration.ts'
import { runStoreTask } from './store-task.ts'

export const pruneDatastoreCommand = command({
  path: 'datastore prune',
  summary: 'Removes the snapshots that no keep option keeps; without a keep option none.',
  positionals: ['name'],
  parameters: {
    name: text('Name of the datastore.', { ...SAFE_ID_RULES, lengthMin: 3, lengthMax: 32 }),
    'keep-last': keep('Number of backups to keep of each group.'),
    'keep-hourly': keep('Number of hourly backups to keep.'),
    'keep-daily': keep('Number of daily backups to keep.'),
    'keep-weekly': keep('Number of weekly backups to keep.'),
    'keep-monthly': keep('Number of monthly backups to keep.'),
    'keep-yearly': keep('Number of yearly backups to keep.'),
    ns: optional(text('Only this namespace and those below.')),
    'max-depth': optional(integer('Levels below it.', { min: 0, max: 7 })),
    'dry-run': flag('Say what would be removed, and remove nothing.', { byDefault: false }),
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { name, 'dry-run': dryRun, 'max-depth': maxDepth } = values
    const ns = parseNamespace(values.ns ?? '')
    const keepOptions = {
      last: values['keep-last'],
      hourly: values['keep-hourly'],
      daily: values['keep-daily'],
      weekly: values['keep-weekly'],
      monthly: values['keep-monthly'],
      yearly: values['keep-yearly'],
    }
    const named = Object.entries(keepOptions).map(([rule, count]) => [`keep-${rule}`, count])
    const parameters = {
      ...Object.fromEntries(named),
      ns: values.ns,
      'max-depth': maxDepth,
      'dry-run': dryRun,
    }
    await runStoreTask(values, context, {
      operation: dryRun ? 'read' : 'write',
      task: { type: 'prune', id: `${name}:${ns}` },
      call: { path: 'prune-datastore', parameters },
      run: async (store, { progress }) => {
        await pruneDatastore(store, { ns, maxDepth, keep: keepOptions, dryRun, progress })
      },
    })
  },
})

function keep(description: string) {
  return optional(integer(description, { min: 1 }))
}
