/** `change-owner` (spec cli 4.15). */
import { changeOwner } from '../../client/snapshots.ts'
import { parseGroup } from '../../formats/names.ts'
import { command, text } from '../command.ts'
import {
  type ClientContext,
  connect,
  namespaceOf,
  namespaceParameters,
  repositoryParameters,
} from './common.ts'

export const changeOwnerCommand = command({
  path: 'change-owner',
  summary: 'Change owner of a backup group.',
  positionals: ['group', 'new-owner'],
  parameters: {
    ...repositoryParameters,
    ...namespaceParameters,
    group: text('Backup group.'),
    'new-owner': text('Authentication ID.'),
  },
  async run(args, context: ClientContext) {
    const address = { group: parseGroup(args.group), namespace: namespaceOf(context, args.ns) }
    await using connection = await connect(context, args)
    await changeOwner(connection, address, args['new-owner'])
  },
})
