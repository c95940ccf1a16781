/** `/access/acl`, `/access/roles`, `/access/permissions` (rest-api §3, §4.2). */
import type { Static } from 'typebox'
import { type AclEntry, listAclEntries, permissionsOf, updateAcl } from '../../../config/acl.ts'
import { splitAuthId } from '../../../config/auth-id.ts'
import { privilegeNames, ROLES } from '../../../config/privileges.ts'
import {
  AclChangeParameters,
  AclListParameters,
  AclListShape,
  PermissionsParameters,
  PermissionsShape,
  RoleListShape,
} from '../../../protocol/access.ts'
import { NO_PARAMETERS, Nothing } from '../../../protocol/common.ts'
import { AUTHENTICATED } from '../../../protocol/endpoint.ts'
import type { Caller } from '../../auth/authenticate.ts'
import { checkPrivilege, hasPrivilege } from '../../auth/permissions.ts'
import { refused } from '../../errors.ts'
import { WithAttributes } from '../../reply.ts'
import { type Call, type Route, route } from '../../route.ts'
import { withoutUndefined } from '../without-undefined.ts'

export const aclRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/access/acl',
    summary: 'Lists the entries of the access control list',
    parameters: AclListParameters,
    returns: AclListShape,
    permission: AUTHENTICATED,
    run: list,
  }),
  route({
    method: 'PUT',
    path: '/access/acl',
    summary: 'Adds or removes an entry of the access control list',
    parameters: AclChangeParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: change,
  }),
  route({
    method: 'GET',
    path: '/access/roles',
    summary: 'Lists the roles with their privileges',
    parameters: NO_PARAMETERS,
    returns: RoleListShape,
    permission: AUTHENTICATED,
    run: async () =>
      Object.entries(ROLES).map(([roleid, { privileges, comment }]) => ({
        roleid,
        privs: privilegeNames(privileges),
        comment,
      })),
  }),
  route({
    method: 'GET',
    path: '/access/permissions',
    summary: 'Shows what an auth id may do, by path',
    parameters: PermissionsParameters,
    returns: PermissionsShape,
    permission: AUTHENTICATED,
    run: showPermissions,
  }),
]

async function list(
  { path, exact }: Static<typeof AclListParameters>,
  { context, caller }: Call,
): Promise<WithAttributes> {
  const { entries, digest } = await listAclEntries(context.files)
  const all = await hasPrivilege(context.auth, caller, '/access/acl', ['Sys.Audit'])
  const chosen = entries.filter(
    (entry) => (all || isOwnToken(caller, entry.ugid)) && isWithin(entry, path, exact ?? false),
  )
  return new WithAttributes(chosen, { digest })
}

function isWithin(entry: AclEntry, path: string | undefined, exact: boolean): boolean {
  if (path === undefined || entry.path === path) return true
  return !exact && entry.path.startsWith(path === '/' ? '/' : `${path}/`)
}

async function change(
  parameters: Static<typeof AclChangeParameters>,
  { context, caller }: Call,
): Promise<void> {
  const { 'auth-id': authId, group, path, role, ...options } = parameters
  if (authId === undefined || !isOwnToken(caller, authId)) {
    await checkPrivilege(context.auth, caller, '/access/acl', ['Permissions.Modify'])
  }
  if (group !== undefined) {
    throw refused("parameter 'group' - groups are currently not supported.")
  }
  if (authId === undefined) throw refused("missing 'userid' or 'group' parameter.")
  await updateAcl(context.files, { path, role, authId, ...withoutUndefined(options) })
}

async function showPermissions(
  { 'auth-id': authId, path }: Static<typeof PermissionsParameters>,
  { context, caller }: Call,
): Promise<unknown> {
  const subject = authId ?? caller.authId
  const allowed =
    subject === caller.authId ||
    isOwnToken(caller, subject) ||
    (await hasPrivilege(context.auth, caller, '/access', ['Sys.Audit']))
  if (!allowed) throw refused(`not allowed to list permissions of ${subject}`)
  return await permissionsOf(context.files, subject, path)
}

/** Whether `authId` is a token of the calling user; a token has none. */
function isOwnToken(caller: Caller, authId: string): boolean {
  const { userid, token } = splitAuthId(authId)
  return caller.token === null && token !== null && userid === caller.user
}
