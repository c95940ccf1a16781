/** `cairn datastore move-group|move-namespace`: the calls of rest-api §4.3 as commands. */
import { findDatastore } from '../../config/datastores.ts'
import { errors as configErrors } from '../../config/errors.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import { checkMoveGroup, moveGroup } from '../../datastore/move/move-group.ts'
import { checkMoveNamespace, moveNamespace } from '../../datastore/move/move-namespace.ts'
import type { Progress } from '../../base/progress.ts'
import { formatGroup, parseGroup } from '../../formats/names.ts'
import { parseNamespace } from '../../formats/namespace.ts'
import { command, flag, integer, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import {
  openAdministration,
  placeParameters,
  type PlaceValues,
  runTask,
  SAFE_ID_RULES,
} from './administration.ts'
import { withDatastore } from './with-datastore.ts'

const name = text('Name of the datastore.', { ...SAFE_ID_RULES, lengthMin: 3, lengthMax: 32 })

export const moveGroupCommand = command({
  path: 'datastore move-group',
  summary: 'Moves a group into another namespace of its datastore.',
  positionals: ['name', 'group'],
  parameters: {
    name,
    group: text('The group, type/id.'),
    ns: optional(text('The namespace it is in (default: root).')),
    'target-ns': optional(text('The namespace it goes to (default: root).')),
    'merge-group': flag('Add to a group of this name that is there already.', { byDefault: true }),
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const group = parseGroup(values.group)
    const source = parseNamespace(values.ns ?? '')
    const target = parseNamespace(values['target-ns'] ?? '')
    const move = { source, target, group, mergeGroup: values['merge-group'] }
    const id = `${values.name}:${source}/${formatGroup(group)}:${target}`
    await runMove(values, context, {
      task: { type: 'move-group', id },
      check: (store) => checkMoveGroup(store, move),
      run: (store, progress) => moveGroup(store, { ...move, progress }),
    })
  },
})

export const moveNamespaceCommand = command({
  path: 'datastore move-namespace',
  summary: 'Moves a namespace with all its groups and namespaces.',
  positionals: ['name', 'ns'],
  parameters: {
    name,
    ns: text('The namespace.'),
    'target-ns': text('Its complete new name.'),
    'max-depth': optional(integer('Levels below it that go along.', { min: 0, max: 7 })),
    'delete-source': flag('Remove the namespaces that were emptied.', { byDefault: true }),
    'merge-groups': flag('Add to groups that are there already.', { byDefault: true }),
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const source = parseNamespace(values.ns)
    const target = parseNamespace(values['target-ns'])
    const move = {
      source,
      target,
      maxDepth: values['max-depth'],
      deleteSource: values['delete-source'],
      mergeGroups: values['merge-groups'],
    }
    await runMove(values, context, {
      task: { type: 'move-namespace', id: `${values.name}:${source}:${target}` },
      check: (store) => checkMoveNamespace(store, move),
      run: (store, progress) => moveNamespace(store, { ...move, progress }),
    })
  },
})

interface Move {
  readonly task: { readonly type: string; readonly id: string }
  readonly check: (store: Datastore) => Promise<void>
  readonly run: (store: Datastore, progress: Progress) => Promise<void>
}

/** What cannot begin is refused before there is a task. */
async function runMove(
  values: PlaceValues & { readonly name: string },
  context: CommandContext,
  { task, check, run }: Move,
): Promise<void> {
  const administration = await openAdministration(values, context)
  if ((await findDatastore(administration.files, values.name)) === null) {
    throw configErrors.DATASTORE_UNKNOWN({ name: values.name })
  }
  const target = { name: values.name, operation: 'write' } as const
  await withDatastore(administration, target, async (store) => {
    await check(store)
    await runTask(administration, context, task, (progress) => run(store, progress))
  })
}
