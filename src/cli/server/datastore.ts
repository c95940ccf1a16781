/** `cairn datastore list|show|create|update|remove`. Source: spec cli 9. */
import { errors as configErrors } from '../../config/errors.ts'
import {
  changeDatastore,
  type DatastoreConfig,
  findDatastore,
  listDatastores,
} from '../../config/datastores.ts'
import { parseBoolean } from '../../config/property-string.ts'
import { type Command, choice, command, list, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import {
  digestParameter,
  openAdministration,
  outputFormat,
  placeParameters,
  SAFE_ID_RULES,
} from './administration.ts'
import { createDatastoreCommand } from './datastore-create.ts'
import { datastoreProperties, storedProperties } from './datastore-properties.ts'
import { refreshDatastoreCommand } from './datastore-refresh.ts'
import { removeDatastoreCommand } from './datastore-remove.ts'
import { gcCommands } from './datastore-gc.ts'
import { moveGroupCommand, moveNamespaceCommand } from './datastore-move.ts'
import { pruneDatastoreCommand } from './datastore-prune.ts'
import { verifyCommand, verifyDatastoreCommand } from './datastore-verify.ts'

const KEEP_KEYS = [
  'keep-last',
  'keep-hourly',
  'keep-daily',
  'keep-weekly',
  'keep-monthly',
  'keep-yearly',
]
const BOOLEAN_KEYS = ['verify-new', 'gc-on-unmount']

const name = text('Name of the datastore.', { ...SAFE_ID_RULES, lengthMin: 3, lengthMax: 32 })
const properties = datastoreProperties
const REMOVABLE = Object.keys(properties)

const listCommand = command({
  path: 'datastore list',
  summary: 'Lists datastores.',
  parameters: { ...placeParameters, 'output-format': outputFormat },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const { datastores } = await listDatastores(files)
    const rows = datastores.map(shownDatastore)
    context.output.rows(values['output-format'], rows, {
      columns: [{ name: 'name' }, { name: 'path' }, { name: 'comment' }],
      sortBy: [(row) => String(row['name'])],
    })
  },
})

const showCommand = command({
  path: 'datastore show',
  summary: 'Shows the options of a datastore.',
  positionals: ['name'],
  parameters: { name, 'output-format': outputFormat, ...placeParameters },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const datastore = await findDatastore(files, values.name)
    if (datastore === null) throw configErrors.DATASTORE_UNKNOWN({ name: values.name })
    const { name: id, path, ...others } = shownDatastore(datastore)
    const sorted = Object.entries(others).toSorted(([a], [b]) => (a < b ? -1 : 1))
    const { output } = context
    output.result(values['output-format'], { name: id, path, ...others }, () =>
      output.properties([['name', id], ['path', path], ...sorted]),
    )
  },
})

const updateCommand = command({
  path: 'datastore update',
  summary: 'Changes the options of a datastore.',
  positionals: ['name'],
  parameters: {
    name,
    ...properties,
    delete: list(choice('Option to remove.', [...REMOVABLE, ...KEEP_KEYS]), { isOptional: true }),
    digest: digestParameter,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const { digest, delete: removed } = values
    await changeDatastore(files, values.name, {
      set: storedProperties(values),
      delete: removed,
      digest,
    })
  },
})

export const datastoreCommands: readonly Command<CommandContext>[] = [
  listCommand,
  showCommand,
  createDatastoreCommand,
  updateCommand,
  removeDatastoreCommand,
  refreshDatastoreCommand,
  verifyDatastoreCommand,
  verifyCommand,
  pruneDatastoreCommand,
  moveGroupCommand,
  moveNamespaceCommand,
  ...gcCommands,
]

/** Every stored option with its JSON type. */
function shownDatastore(datastore: DatastoreConfig): Record<string, unknown> {
  const stored = [...datastore.raw].map(([key, value]) => [key, typedValue(key, value)] as const)
  return { ...Object.fromEntries(stored), name: datastore.name, path: datastore.path }
}

function typedValue(key: string, value: string): unknown {
  if (BOOLEAN_KEYS.includes(key)) return parseBoolean(value) ?? value
  return KEEP_KEYS.includes(key) && /^\d+$/.test(value) ? Number(value) : value
}
