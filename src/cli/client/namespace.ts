/** `namespace list|create|delete|move` (spec cli 4.8, 4.15). */
import {
  createNamespace,
  deleteNamespace,
  listNamespaces,
  moveNamespace,
} from '../../client/namespaces.ts'
import { command, flag, integer, optional, text } from '../command.ts'
import {
  type ClientContext,
  connect,
  formatParameters,
  NAMESPACE_RULES,
  namespaceOf,
  namespaceParameters,
  repositoryParameters,
} from './common.ts'
import { showTask } from './follow.ts'

const parameters = { ...repositoryParameters, ...namespaceParameters } as const

export const namespaceList = command({
  path: 'namespace list',
  summary: 'List namespaces in a repository.',
  positionals: ['ns'],
  parameters: {
    ...parameters,
    ...formatParameters,
    'max-depth': optional(integer('How many levels of namespaces to list.', { min: 0, max: 7 })),
  },
  async run(args, context: ClientContext) {
    const parent = namespaceOf(context, args.ns)
    await using connection = await connect(context, args)
    const answer = await listNamespaces(connection, { parent, maxDepth: args['max-depth'] })
    const { output } = context
    output.result(args['output-format'], answer.envelope, () => {
      for (const { ns, comment } of answer.namespaces) {
        if (ns !== '') output.line(comment === undefined ? ns : `${ns} (${comment})`)
      }
    })
  },
})

export const namespaceCreate = command({
  path: 'namespace create',
  summary: 'Create a new namespace.',
  positionals: ['ns'],
  parameters,
  async run(args, context: ClientContext) {
    const namespace = namespaceOf(context, args.ns)
    await using connection = await connect(context, args)
    await createNamespace(connection, namespace)
  },
})

export const namespaceDelete = command({
  path: 'namespace delete',
  summary: 'Delete a namespace.',
  positionals: ['ns'],
  parameters: {
    ...parameters,
    'delete-groups': flag('Destroy all groups in the hierarchy.'),
  },
  async run(args, context: ClientContext) {
    const namespace = namespaceOf(context, args.ns)
    await using connection = await connect(context, args)
    await deleteNamespace(connection, namespace, { deleteGroups: args['delete-groups'] })
  },
})

export const namespaceMove = command({
  path: 'namespace move',
  summary: 'Move a namespace with all its groups and namespaces to a different place.',
  positionals: ['ns'],
  parameters: {
    ...parameters,
    ...formatParameters,
    'target-ns': text('Complete new name of the namespace.', NAMESPACE_RULES),
    'max-depth': optional(integer('How many levels of namespaces to move.', { min: 0, max: 7 })),
    'delete-source': flag('Remove the namespaces that were emptied (default true).'),
    'merge-groups': flag('Add to groups that the target has already (default true).'),
  },
  async run(args, context: ClientContext) {
    const namespace = namespaceOf(context, args.ns)
    await using connection = await connect(context, args)
    const upid = await moveNamespace(connection, {
      namespace,
      targetNamespace: args['target-ns'],
      maxDepth: args['max-depth'],
      deleteSource: args['delete-source'],
      mergeGroups: args['merge-groups'],
    })
    await showTask(context, connection, { upid, format: args['output-format'] })
  },
})
