/** `/access/password` (rest-api §4.2). */
import type { Static } from 'typebox'
import { Secret } from '../../../base/secret.ts'
import { splitAuthId } from '../../../config/auth-id.ts'
import { setPassword } from '../../../config/passwords.ts'
import { findRealm } from '../../../config/realms.ts'
import { findUser } from '../../../config/users.ts'
import { PasswordParameters } from '../../../protocol/access.ts'
import { Nothing } from '../../../protocol/common.ts'
import { AUTHENTICATED } from '../../../protocol/endpoint.ts'
import { confirmPassword, hasPrivilege } from '../../auth/permissions.ts'
import { refused } from '../../errors.ts'
import { type Call, type Route, route } from '../../route.ts'

export const passwordRoutes: readonly Route[] = [
  route({
    method: 'PUT',
    path: '/access/password',
    summary: "Changes a user's password",
    parameters: PasswordParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: change,
  }),
]

/** Order as stock's: own password, entitlement, target, realm. */
async function change(
  parameters: Static<typeof PasswordParameters>,
  { context, caller }: Call,
): Promise<void> {
  const { userid, password, 'confirmation-password': confirmation } = parameters
  if (!caller.superuser) {
    const given = confirmation === undefined ? null : new Secret(confirmation)
    await confirmPassword(context.auth, caller, given)
  }
  if (!(await isEntitled(userid, { context, caller }))) {
    throw refused('you are not authorized to change the password.')
  }
  if ((await findUser(context.files, userid)) === null) {
    throw refused(`user '${userid}' does not exists.`, 401)
  }
  const { realm } = splitAuthId(userid)
  const type = (await findRealm(context.files, realm))?.type
  if (type !== 'pbs') throw refused(`changing passwords in realm '${realm}' is not supported`, 501)
  await setPassword(context.files, userid, new Secret(password))
}

async function isEntitled(
  userid: string,
  { context, caller }: Pick<Call, 'context' | 'caller'>,
): Promise<boolean> {
  if (caller.token !== null) return false
  if (caller.superuser || caller.user === userid) return true
  if (splitAuthId(userid).realm === 'pam') return false
  return await hasPrivilege(context.auth, caller, '/', ['Permissions.Modify'])
}
