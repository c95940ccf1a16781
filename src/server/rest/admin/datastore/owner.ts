/** `change-owner` of a group (rest-api §4.3). */
import type { Static } from 'typebox'
import { splitAuthId } from '../../../../config/auth-id.ts'
import { isActive } from '../../../../config/users.ts'
import { readOwner, setOwner } from '../../../../datastore/groups.ts'
import { formatGroup } from '../../../../formats/names.ts'
import { Nothing } from '../../../../protocol/common.ts'
import { ChangeOwnerParameters } from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import type { Caller } from '../../../auth/authenticate.ts'
import { refused } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { openStore, permit } from './access.ts'
import { groupOf } from './refs.ts'
import { CHANGE } from './requirements.ts'

export const ownerRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/admin/datastore/{store}/change-owner',
    summary: 'Gives a group another owner',
    parameters: ChangeOwnerParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: change,
  }),
]

async function change(parameters: Static<typeof ChangeOwnerParameters>, call: Call): Promise<void> {
  const { context, caller } = call
  const newOwner = parameters['new-owner']
  const place = await permit(call, parameters, CHANGE)
  const group = groupOf(parameters)
  const datastore = await openStore(call, place, 'write')
  const owner = await readOwner(datastore, place.ns, group)
  if (place.ownedOnly && !isOwnExchange(caller, owner, newOwner)) {
    const name = formatGroup(group)
    throw refused(
      `${caller.authId} does not have permission to change owner of backup group '${name}' to ${newOwner}`,
      401,
    )
  }
  if (!(await isActive(context.files, newOwner))) {
    const kind = splitAuthId(newOwner).token === null ? 'user' : 'API token'
    throw refused(`${kind} '${newOwner}' is inactive or non-existent`)
  }
  await setOwner(datastore, place.ns, group, newOwner)
}

/** A user may pass a group between himself and his own tokens, and between these. */
function isOwnExchange(caller: Caller, owner: string, newOwner: string): boolean {
  const from = splitAuthId(owner)
  const to = splitAuthId(newOwner)
  const own = from.userid === caller.user && to.userid === caller.user
  return caller.token === null && own && (from.token !== null || to.token !== null)
}
