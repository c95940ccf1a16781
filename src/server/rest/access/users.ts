/** `/access/users` (rest-api §4.2). */
import type { Static } from 'typebox'
import { Type } from '../../../base/schema.ts'
import { Secret } from '../../../base/secret.ts'
import { removeUser } from '../../../config/access-removal.ts'
import { splitAuthId } from '../../../config/auth-id.ts'
import { setPassword } from '../../../config/passwords.ts'
import { findRealm } from '../../../config/realms.ts'
import { listFactors, type UserFactors } from '../../../config/second-factors.ts'
import { changeUser, createUser, listUsers, type UserConfig } from '../../../config/users.ts'
import {
  UserChangeParameters,
  UserCreateParameters,
  UserListParameters,
  UserParameters,
  UserRemoveParameters,
  UserShape,
} from '../../../protocol/access.ts'
import { Nothing } from '../../../protocol/common.ts'
import { AUTHENTICATED, orSelf, privilege } from '../../../protocol/endpoint.ts'
import { hasPrivilege } from '../../auth/permissions.ts'
import { refused } from '../../errors.ts'
import { WithAttributes } from '../../reply.ts'
import { type Call, type Route, route } from '../../route.ts'
import { trimmed, withoutUndefined } from '../without-undefined.ts'

const AUDIT = privilege('/access/users', 'Sys.Audit')
const MODIFY = privilege('/access/users', 'Permissions.Modify')

export const userRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/access/users',
    summary: 'Lists users',
    parameters: UserListParameters,
    returns: Type.Array(UserShape),
    permission: AUTHENTICATED,
    run: list,
  }),
  route({
    method: 'POST',
    path: '/access/users',
    summary: 'Creates a user',
    parameters: UserCreateParameters,
    returns: Nothing,
    permission: MODIFY,
    run: create,
  }),
  route({
    method: 'GET',
    path: '/access/users/{userid}',
    summary: 'Reads a user',
    parameters: UserParameters,
    returns: UserShape,
    permission: orSelf(AUDIT),
    run: read,
  }),
  route({
    method: 'PUT',
    path: '/access/users/{userid}',
    summary: 'Changes a user',
    parameters: UserChangeParameters,
    returns: Nothing,
    permission: orSelf(MODIFY),
    run: change,
  }),
  route({
    method: 'DELETE',
    path: '/access/users/{userid}',
    summary: 'Removes a user',
    parameters: UserRemoveParameters,
    returns: Nothing,
    permission: orSelf(MODIFY),
    run: async ({ userid, digest }, { context }) => {
      await removeUser(context.files, userid, { digest })
    },
  }),
]

async function list(
  parameters: Static<typeof UserListParameters>,
  { context, caller }: Call,
): Promise<WithAttributes> {
  const { users, tokens, digest } = await listUsers(context.files)
  const all = await hasPrivilege(context.auth, caller, '/access/users', ['Sys.Audit'])
  const factors = await listFactors(context.files)
  const visible = users.filter(({ userid }) => all || userid === caller.user)
  const entries = visible.map((user) => {
    const own = tokens.filter(({ tokenid }) => splitAuthId(tokenid).userid === user.userid)
    const shown = parameters.include_tokens === true && own.length > 0 ? { tokens: own } : {}
    return { ...user, ...shown, ...locksOf(user, factors) }
  })
  return new WithAttributes(entries, { digest })
}

function locksOf(user: UserConfig, factors: readonly UserFactors[]): object {
  const own = factors.find(({ userid }) => userid === user.userid)
  if (own === undefined) return {}
  const { userid: _userid, entries: _entries, ...locks } = own
  return locks
}

async function create(
  parameters: Static<typeof UserCreateParameters>,
  { context, caller }: Call,
): Promise<void> {
  const { userid, password, comment, ...members } = parameters
  const realm = await findRealm(context.files, splitAuthId(userid).realm)
  if (realm === null) throw refused(`unknown realm '${splitAuthId(userid).realm}'`)
  const user = { ...withoutUndefined({ ...members, comment: trimmed(comment) }), userid }
  await createUser(context.files, user)
  if (password === undefined) return
  // Stock has created the user by then, too.
  if (realm.type === 'pam' && !caller.superuser) {
    throw refused('only superuser can edit pam credentials!')
  }
  if (realm.type !== 'pbs')
    throw refused(`changing passwords in realm '${realm.realm}' is not supported`, 501)
  await setPassword(context.files, userid, new Secret(password))
}

async function read(
  { userid }: Static<typeof UserParameters>,
  { context }: Call,
): Promise<WithAttributes> {
  const { users, digest } = await listUsers(context.files)
  const user = users.find((other) => other.userid === userid)
  if (user === undefined) throw refused(`no such user '${userid}'`)
  return new WithAttributes(user, { digest })
}

/** `password` is accepted and ignored, as 4.x does. */
async function change(
  parameters: Static<typeof UserChangeParameters>,
  { context }: Call,
): Promise<void> {
  const { userid, password: _password, delete: removed, digest, comment, ...members } = parameters
  const set = withoutUndefined({ ...members, comment: trimmed(comment) })
  await changeUser(context.files, userid, { set, delete: removed ?? [], digest })
}
