/** `cairn acl list|update`. Source: spec cli 9.2, 9.3. */
import { type AclEntry, listAclEntries, updateAcl } from '../../config/acl.ts'
import { ROLE_NAMES } from '../../config/privileges.ts'
import { choice, type Command, command, flag, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import {
  AUTH_ID_RULES,
  digestParameter,
  openAdministration,
  outputFormat,
  placeParameters,
} from './administration.ts'
import { errors } from './errors.ts'

const list = command({
  path: 'acl list',
  summary: 'Lists who has which role where.',
  parameters: { ...placeParameters, 'output-format': outputFormat },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const { entries } = await listAclEntries(files)
    context.output.rows(values['output-format'], entries, {
      columns: [
        { name: 'ugid', render: shownId },
        { name: 'path' },
        { name: 'propagate', align: 'right' },
        { name: 'roleid' },
      ],
      sortBy: [shownId, ({ path }) => path, ({ roleid }) => roleid],
    })
  },
})

const update = command({
  path: 'acl update',
  summary: 'Gives a role to a user or token on a path, or takes it away.',
  positionals: ['path', 'role'],
  parameters: {
    path: text('Access control path.', {
      pattern: /^(?:\/|(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*)+)$/,
      lengthMin: 1,
      lengthMax: 128,
    }),
    role: choice('Role.', ROLE_NAMES),
    'auth-id': optional(text('User or API token.', AUTH_ID_RULES)),
    group: optional(text('Group; not supported.')),
    propagate: flag('The role holds below the path too.', { byDefault: true }),
    delete: flag('Remove the entry.'),
    digest: digestParameter,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    if (values.group !== undefined) throw errors.ACL_GROUP({})
    const authId = values['auth-id']
    if (authId === undefined) throw errors.ACL_WITHOUT_USER({})
    const { files } = await openAdministration(values, context)
    const { path, role, propagate, digest } = values
    const isRemoval = values.delete ?? false
    await updateAcl(files, { path, role, authId, propagate, delete: isRemoval, digest })
  },
})

export const aclCommands: readonly Command<CommandContext>[] = [list, update]

function shownId({ ugid, ugid_type: type }: AclEntry): string {
  return type === 'group' ? `@${ugid}` : ugid
}
