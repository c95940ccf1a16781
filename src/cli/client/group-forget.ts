/** `group forget` (spec cli 4.7). */
import { errors } from '../../client/errors.ts'
import { forgetGroup, listSnapshots } from '../../client/snapshots.ts'
import { formatGroup, parseGroup } from '../../formats/names.ts'
import { command, text } from '../command.ts'
import { type ClientContext, connect, namespaceParameters, repositoryParameters } from './common.ts'

export const groupForget = command({
  path: 'group forget',
  summary: 'Forget (remove) backup group and all its snapshots.',
  positionals: ['group'],
  parameters: {
    ...repositoryParameters,
    ...namespaceParameters,
    group: text('Backup group.'),
  },
  async run(args, context: ClientContext) {
    const group = parseGroup(args.group)
    // Only what was typed counts here: stock does not take the namespace of the environment.
    const namespace = args.ns ?? ''
    await using connection = await connect(context, args)
    const snapshots = await listSnapshots(connection, { namespace, group })
    const question = `Delete group "${formatGroup(group)}" with ${snapshots.length} snapshot(s)? [y/N]: `
    const answer = (await context.prompt.askLine(question, 'out')) ?? ''
    if (/^n?$/i.test(answer)) return context.output.line('Abort.')
    if (!/^y$/i.test(answer)) throw errors.UNEXPECTED_CHOICE({ text: answer })
    await forgetGroup(connection, { namespace, group })
    context.output.line('Successfully deleted group!')
  },
})
