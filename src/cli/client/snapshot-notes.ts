/** `snapshot notes show|update` (spec cli 4.10). */
import { readNotes, writeNotes } from '../../client/snapshots.ts'
import { command, text } from '../command.ts'
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

export const snapshotNotesShow = command({
  path: 'snapshot notes show',
  summary: 'Show notes.',
  positionals: ['snapshot'],
  parameters: { ...parameters, ...formatParameters },
  async run(args, context: ClientContext) {
    const address = snapshotAddress(context, args)
    await using connection = await connect(context, args)
    const notes = await readNotes(connection, address)
    const { output } = context
    output.result(args['output-format'], { notes }, () => output.line(notes))
  },
})

export const snapshotNotesUpdate = command({
  path: 'snapshot notes update',
  summary: 'Update notes.',
  positionals: ['snapshot', 'notes'],
  parameters: { ...parameters, notes: text('The notes.') },
  async run(args, context: ClientContext) {
    const address = snapshotAddress(context, args)
    await using connection = await connect(context, args)
    await writeNotes(connection, address, args.notes)
  },
})
