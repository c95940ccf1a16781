/** `/access/tfa`: which second factors users have; changing them comes later (rest-api §4.2). */
import { Type } from '../../../base/schema.ts'
import { type FactorEntry, listFactors } from '../../../config/second-factors.ts'
import {
  FactorParameters,
  FactorShape,
  FactorsOfUserShape,
  UserParameters,
} from '../../../protocol/access.ts'
import { NO_PARAMETERS } from '../../../protocol/common.ts'
import { AUTHENTICATED, orSelf, privilege } from '../../../protocol/endpoint.ts'
import { hasPrivilege } from '../../auth/permissions.ts'
import type { ServerContext } from '../../context.ts'
import { refused } from '../../errors.ts'
import { type Route, route } from '../../route.ts'

const MODIFY = orSelf(privilege('/access/users', 'Permissions.Modify'))

export const secondFactorRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/access/tfa',
    summary: 'Lists users with their second factors',
    parameters: NO_PARAMETERS,
    returns: Type.Array(FactorsOfUserShape),
    permission: AUTHENTICATED,
    run: async (_parameters, { context, caller }) => {
      const all = await hasPrivilege(context.auth, caller, '/access/users', ['Sys.Audit'])
      const users = await listFactors(context.files)
      return users.filter(({ userid }) => all || userid === caller.user)
    },
  }),
  route({
    method: 'GET',
    path: '/access/tfa/{userid}',
    summary: 'Lists the second factors of a user',
    parameters: UserParameters,
    returns: Type.Array(FactorShape),
    permission: MODIFY,
    run: async ({ userid }, { context }) => await factorsOf(context, userid),
  }),
  route({
    method: 'GET',
    path: '/access/tfa/{userid}/{id}',
    summary: 'Reads one second factor',
    parameters: FactorParameters,
    returns: FactorShape,
    permission: MODIFY,
    run: async ({ userid, id }, { context }) => {
      const entry = (await factorsOf(context, userid)).find((other) => other.id === id)
      if (entry === undefined) throw refused(`no such tfa entry: ${userid}/${id}`, 404)
      return entry
    },
  }),
]

async function factorsOf(
  { files }: ServerContext,
  userid: string,
): Promise<readonly FactorEntry[]> {
  const users = await listFactors(files)
  return users.find((user) => user.userid === userid)?.entries ?? []
}
