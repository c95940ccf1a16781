/** `group move` (spec cli 4.8). */
import { moveGroup } from '../../client/snapshots.ts'
import { parseGroup } from '../../formats/names.ts'
import { command, flag, text } from '../command.ts'
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

export const groupMove = command({
  path: 'group move',
  summary: 'Move a backup group to a different namespace.',
  positionals: ['group'],
  parameters: {
    ...repositoryParameters,
    ...namespaceParameters,
    ...formatParameters,
    group: text('Backup group.'),
    'target-ns': text('Target namespace.', NAMESPACE_RULES),
    'merge-group': flag('Add to the group if the target namespace has it already (default true).'),
  },
  async run(args, context: ClientContext) {
    const group = parseGroup(args.group)
    const namespace = namespaceOf(context, args.ns)
    await using connection = await connect(context, args)
    const options = { targetNamespace: args['target-ns'], mergeGroup: args['merge-group'] }
    const upid = await moveGroup(connection, { namespace, group }, options)
    await showTask(context, connection, { upid, format: args['output-format'] })
  },
})
