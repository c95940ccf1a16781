/** `cairn datastore move-group|move-namespace`: the calls of rest-api §4.3 as commands. */
import { checkMoveGroup, moveGroup } from '../../datastore/move/move-group.ts'
import { checkMoveNamespace, moveNamespace } from '../../datastore/move/move-namespace.ts'
import { formatGroup, parseGroup } from '../../formats/names.ts'
import { parseNamespace } from '../../formats/namespace.ts'
import { command, flag, integer, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { placeParameters, SAFE_ID_RULES } from './administration.ts'
import { runStoreTask } from './store-task.ts'

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
    const parameters = {
      'backup-type': group.type,
      'backup-id': group.id,
      ns: values.ns,
      'target-ns': values['target-ns'],
      'merge-group': values['merge-group'],
    }
    await runStoreTask(values, context, {
      operation: 'write',
      task: { type: 'move-group', id },
      call: { path: 'move-group', parameters },
      check: (store) => checkMoveGroup(store, move),
      run: (store, { progress }) => moveGroup(store, { ...move, progress }),
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
    const parameters = {
      ns: values.ns,
      'target-ns': values['target-ns'],
      'max-depth': values['max-depth'],
      'delete-source': values['delete-source'],
      'merge-groups': values['merge-groups'],
    }
    await runStoreTask(values, context, {
      operation: 'write',
      task: { type: 'move-namespace', id: `${values.name}:${source}:${target}` },
      call: { path: 'move-namespace', parameters },
      check: (store) => checkMoveNamespace(store, move),
      run: (store, { progress }) => moveNamespace(store, { ...move, progress }),
    })
  },
})
