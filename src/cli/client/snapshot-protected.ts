/** `snapshot protected show|update` (spec cli 4.10). */
import { isProtected, setProtected } from '../../client/snapshots.ts'
import { command, flag, text } from '../command.ts'
import {
  type ClientContext,
  connect,
  formatParameters,
  namespaceParameters,
  repositoryParameters,
  snapshotAddress,
} from './common.ts'

const parameters = {
  ...repositoryParameters,
  ...namespaceParameters,
  snapshot: text('Snapshot path.'),
} as const

export const snapshotProtectedShow = command({
  path: 'snapshot protected show',
  summary: 'Show the protection status of the specified snapshot.',
  positionals: ['snapshot'],
  parameters: { ...parameters, ...formatParameters },
  async run(args, context: ClientContext) {
    const address = snapshotAddress(context, args)
    await using connection = await connect(context, args)
    const value = await isProtected(connection, address)
    const { output } = context
    output.result(args['output-format'], { protected: value }, () => output.line(String(value)))
  },
})

export const snapshotProtectedUpdate = command({
  path: 'snapshot protected update',
  summary: 'Update the protection status of a snapshot.',
  positionals: ['snapshot', 'protected'],
  parameters: {
    ...parameters,
    protected: {
      ...flag('Whether it cannot be removed.', { byDefault: false }),
      isOptional: false,
    },
  },
  async run(args, context: ClientContext) {
    const address = snapshotAddress(context, args)
    await using connection = await connect(context, args)
    await setProtected(connection, address, args.protected)
  },
})
