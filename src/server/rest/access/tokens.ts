/** `/access/users/{userid}/token` (rest-api §4.2). */
import type { Static } from 'typebox'
import { removeToken } from '../../../config/access-removal.ts'
import { changeToken, generateToken, listTokens, regenerateSecret } from '../../../config/tokens.ts'
import {
  TokenChangeParameters,
  TokenCreateParameters,
  TokenListShape,
  TokenParameters,
  TokenReadShape,
  TokenRemoveParameters,
  TokenSecretShape,
  UserParameters,
} from '../../../protocol/access.ts'
import { Nothing } from '../../../protocol/common.ts'
import { orSelf, privilege } from '../../../protocol/endpoint.ts'
import { refused } from '../../errors.ts'
import { WithAttributes } from '../../reply.ts'
import { type Call, type Route, route } from '../../route.ts'
import { trimmed, withoutUndefined } from '../without-undefined.ts'

const AUDIT = orSelf(privilege('/access/users', 'Sys.Audit'))
const MODIFY = orSelf(privilege('/access/users', 'Permissions.Modify'))
const PATH = '/access/users/{userid}/token/{token-name}'

export const tokenRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/access/users/{userid}/token',
    summary: 'Lists the API tokens of a user',
    parameters: UserParameters,
    returns: TokenListShape,
    permission: AUDIT,
    run: async ({ userid }, { context }) => {
      const { tokens, digest } = await listTokens(context.files, userid)
      const named = tokens.map((token) => ({ ...token, 'token-name': nameOf(token.tokenid) }))
      return new WithAttributes(named, { digest })
    },
  }),
  route({
    method: 'GET',
    path: PATH,
    summary: 'Reads an API token, without its secret',
    parameters: TokenParameters,
    returns: TokenReadShape,
    permission: AUDIT,
    run: async ({ userid, 'token-name': name }, { context }) => {
      const tokenid = `${userid}!${name}`
      const { tokens, digest } = await listTokens(context.files, userid)
      const token = tokens.find((other) => other.tokenid === tokenid)
      if (token === undefined) throw refused(`no such token '${tokenid}'`)
      return new WithAttributes(token, { digest })
    },
  }),
  route({
    method: 'POST',
    path: PATH,
    summary: 'Creates an API token; the answer is the only place that shows its secret',
    parameters: TokenCreateParameters,
    returns: TokenSecretShape,
    permission: MODIFY,
    run: async ({ 'token-name': name, comment, ...members }, { context }) => {
      const token = { ...members, name, comment: trimmed(comment) }
      const { tokenid, secret } = await generateToken(context.files, token)
      return { tokenid, value: secret.reveal() }
    },
  }),
  route({
    method: 'PUT',
    path: PATH,
    summary: 'Changes an API token, or gives it a new secret',
    parameters: TokenChangeParameters,
    returns: Nothing,
    permission: MODIFY,
    run: change,
  }),
  route({
    method: 'DELETE',
    path: PATH,
    summary: 'Removes an API token with its ACL entries',
    parameters: TokenRemoveParameters,
    returns: Nothing,
    permission: MODIFY,
    run: async ({ userid, 'token-name': name, digest }, { context }) => {
      await removeToken(context.files, `${userid}!${name}`, { digest })
    },
  }),
]

async function change(
  parameters: Static<typeof TokenChangeParameters>,
  { context }: Call,
): Promise<{ secret: string } | null> {
  const {
    userid,
    'token-name': name,
    delete: removed,
    digest,
    regenerate,
    comment,
    ...members
  } = parameters
  const tokenid = `${userid}!${name}`
  const set = withoutUndefined({ ...members, comment: trimmed(comment) })
  await changeToken(context.files, tokenid, { set, delete: removed ?? [], digest })
  if (regenerate !== true) return null
  const secret = await regenerateSecret(context.files, tokenid)
  return { secret: secret.reveal() }
}

function nameOf(tokenid: string): string {
  return tokenid.slice(tokenid.lastIndexOf('!') + 1)
}
