/** `cairn user list-tokens|generate-token|delete-token`. Source: spec cli 9. */
import { removeToken } from '../../config/access-removal.ts'
import { splitAuthId } from '../../config/auth-id.ts'
import { generateToken, listTokens } from '../../config/tokens.ts'
import { type Command, command, flag, integer, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { formatJson } from '../output.ts'
import {
  COMMENT_RULES,
  digestParameter,
  openAdministration,
  outputFormat,
  placeParameters,
  SAFE_ID_RULES,
  USERID_RULES,
} from './administration.ts'
import { shownExpiry } from './user.ts'

const userid = text('User, name@realm.', USERID_RULES)
const tokenName = text('Name of the token.', SAFE_ID_RULES)

const listCommand = command({
  path: 'user list-tokens',
  summary: 'Lists the API tokens of a user.',
  positionals: ['userid'],
  parameters: { userid, 'output-format': outputFormat, ...placeParameters },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const { tokens } = await listTokens(files, values.userid)
    const rows = tokens.map((token) => ({
      ...token,
      'token-name': splitAuthId(token.tokenid).token,
    }))
    context.output.rows(values['output-format'], rows, {
      columns: [
        { name: 'tokenid' },
        { name: 'enable', align: 'right', render: ({ enable }) => (enable === false ? '0' : '1') },
        { name: 'expire', align: 'right', render: shownExpiry },
        { name: 'comment' },
      ],
      sortBy: [({ tokenid }) => tokenid],
    })
  },
})

const generateCommand = command({
  path: 'user generate-token',
  summary: 'Makes an API token; its secret is shown only now.',
  positionals: ['userid', 'token-name'],
  parameters: {
    userid,
    'token-name': tokenName,
    comment: optional(text('Comment.', COMMENT_RULES)),
    enable: flag('Whether the token may be used (default true).'),
    expire: optional(integer('Unix seconds from which on it may not; 0 = never.', { min: 0 })),
    digest: digestParameter,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const { comment, enable, expire, digest } = values
    const name = values['token-name']
    const token = { userid: values.userid, name, comment, enable, expire, digest }
    const { tokenid, secret } = await generateToken(files, token)
    const result = formatJson({ tokenid, value: secret.reveal() }, { isPretty: true })
    context.output.line(`Result: ${result}`)
  },
})

const deleteCommand = command({
  path: 'user delete-token',
  summary: 'Removes an API token.',
  positionals: ['userid', 'token-name'],
  parameters: { userid, 'token-name': tokenName, digest: digestParameter, ...placeParameters },
  async run(values, context: CommandContext) {
    const { files } = await openAdministration(values, context)
    const tokenid = `${values.userid}!${values['token-name']}`
    await removeToken(files, tokenid, { digest: values.digest })
  },
})

export const tokenCommands: readonly Command<CommandContext>[] = [
  listCommand,
  generateCommand,
  deleteCommand,
]
