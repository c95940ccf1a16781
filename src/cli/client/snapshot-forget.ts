/** `snapshot forget` (spec cli 4.7). */
import { forgetSnapshot } from '../../client/snapshots.ts'
import { command, text } from '../command.ts'
import {
  type ClientContext,
  connect,
  namespaceParameters,
  repositoryParameters,
  snapshotAddress,
} from './common.ts'

export const snapshotForget = command({
  path: 'snapshot forget',
  aliases: ['forget'],
  summary: 'Forget (remove) backup snapshots.',
  positionals: ['snapshot'],
  parameters: {
    ...repositoryParameters,
    ...namespaceParameters,
    snapshot: text('Snapshot path.'),
  },
  async run(args, context: ClientContext) {
    const address = snapshotAddress(context, args)
    await using connection = await connect(context, args)
    await forgetSnapshot(connection, address)
  },
})
