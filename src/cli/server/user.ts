/** `cairn user list|create|update|remove|permissions`. Source: spec cli 9. */
import { formatLocalDate } from '../../base/time/local-date.ts'
import { Secret } from '../../base/secret.ts'
import { permissionsOf } from '../../config/acl.ts'
import { removeUser } from '../../config/access-removal.ts'
import { splitAuthId } from '../../config/auth-id.ts'
import { setPassword } from '../../config/passwords.ts'
import { changeUser, createUser, listUsers, type UserConfig } from '../../config/users.ts'
import { choice, type Command, command, flag, integer, list, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import {
  AUTH_ID_RULES,
  COMMENT_RULES,
  digestParameter,
  makeAdministration,
  openAdministration,
  outputFormat,
  placeParameters,
  USERID_RULES,
} from './administration.ts'
import { errors } from './errors.ts'

const NAME_RULES = { ...COMMENT_RULES, lengthMin: 2, lengthMax: 64 }
const PASSWORD_RULES = { ...COMMENT_RULES, lengthMin: 8, lengthMax: 64 }
const REMOVABLE = ['comment', 'firstname', 'lastname', 'email'] as const

const userid = text('User, name@realm.', USERID_RULES)
const userProperties = {
  comment: optional(text('Comment.', COMMENT_RULES)),
  enable: flag('Whether the user may log in (default true).'),
  expire: optional(integer('Unix seconds from which on the user may not; 0 = never.', { min: 0 })),
  firstname: optional(text('First name.', NAME_RULES)),
  lastname: optional(text('Last name.', NAME_RULES)),
  email: optional(text('Mail address.', NAME_RULES)),
}

const listCommand = command({
  path: 'user list',
  summary: 'Lists users.',
  parameters: { ...placeParameters, 'output-format': outputFormat },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const { users } = await listUsers(files)
    context.output.rows(values['output-format'], users, {
      columns: [
        { name: 'userid' },
        { name: 'enable', align: 'right', render: ({ enable }) => (enable === false ? '0' : '1') },
        { name: 'expire', align: 'right', render: shownExpiry },
        { name: 'firstname' },
        { name: 'lastname' },
        { name: 'email' },
        { name: 'comment' },
      ],
      sortBy: [(user) => user.userid],
    })
  },
})

const createCommand = command({
  path: 'user create',
  summary: 'Adds a user.',
  positionals: ['userid'],
  parameters: {
    userid,
    password: optional(text('Password (realm pbs).', PASSWORD_RULES)),
    ...userProperties,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { files } = await makeAdministration(values, context)
    await createUser(files, { userid: values.userid, ...propertiesOf(values) })
    if (values.password === undefined) return
    const { realm } = splitAuthId(values.userid)
    if (realm !== 'pbs') throw errors.PASSWORD_REALM({ realm })
    await setPassword(files, values.userid, new Secret(values.password))
  },
})

const updateCommand = command({
  path: 'user update',
  summary: 'Changes a user.',
  positionals: ['userid'],
  parameters: {
    userid,
    ...userProperties,
    delete: list(choice('Property to remove.', REMOVABLE), { isOptional: true }),
    digest: digestParameter,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const change = { set: propertiesOf(values), delete: values.delete, digest: values.digest }
    await changeUser(files, values.userid, change)
  },
})

const removeCommand = command({
  path: 'user remove',
  summary: 'Removes a user with its tokens and secrets.',
  positionals: ['userid'],
  parameters: { userid, digest: digestParameter, ...placeParameters },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    await removeUser(files, values.userid, { digest: values.digest })
  },
})

const permissionsCommand = command({
  path: 'user permissions',
  summary: 'Shows what a user or token may do.',
  positionals: ['auth-id'],
  parameters: {
    'auth-id': text('User or API token.', AUTH_ID_RULES),
    path: optional(text('Only this path.')),
    'output-format': outputFormat,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { output } = context
    const { files } = await openAdministration(values, context)
    const permissions = await permissionsOf(files, values['auth-id'], values.path)
    output.result(values['output-format'], permissions, () => {
      output.line('Privileges with (*) have the propagate flag set\n')
      for (const [path, privileges] of Object.entries(permissions)) {
        output.line(`Path: ${path}`)
        const names = Object.entries(privileges).toSorted(([a], [b]) => (a < b ? -1 : 1))
        for (const [name, propagates] of names) output.line(`- ${name}${propagates ? ' (*)' : ''}`)
        if (names.length === 0) output.line('- NoAccess')
      }
    })
  },
})

export const userCommands: readonly Command<CommandContext>[] = [
  listCommand,
  createCommand,
  updateCommand,
  removeCommand,
  permissionsCommand,
]

/** `never`, or the local time, as stock's lists show it. */
export function shownExpiry({ expire }: { readonly expire?: number }): string {
  return expire === undefined || expire === 0 ? 'never' : formatLocalDate(expire)
}

function propertiesOf(
  values: Readonly<Record<keyof typeof userProperties, unknown>>,
): Omit<UserConfig, 'userid'> {
  const names = Object.keys(userProperties) as (keyof typeof userProperties)[]
  const given = names.filter((name) => values[name] !== undefined)
  return Object.fromEntries(given.map((name) => [name, values[name]]))
}
