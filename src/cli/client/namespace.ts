/** `namespace list|create|delete` (spec cli 4.15). */
import { createNamespace, deleteNamespace, listNamespaces } from '../../client/namespaces.ts'
import { command, flag, integer, optional } from '../command.ts'
import {
  type ClientContext,
  connect,
  formatParameters,
  namespaceOf,
  namespaceParameters,
  repositoryParameters,
} from './common.ts'

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
