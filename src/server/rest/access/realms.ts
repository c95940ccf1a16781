/** `/access/domains` (rest-api §2.7). */
import { listRealms } from '../../../config/realms.ts'
import { RealmListShape } from '../../../protocol/access.ts'
import { NO_PARAMETERS } from '../../../protocol/common.ts'
import { WORLD } from '../../../protocol/endpoint.ts'
import { WithAttributes } from '../../reply.ts'
import { type Route, route } from '../../route.ts'

export const realmRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/access/domains',
    summary: 'Lists the realms, for the login form',
    parameters: NO_PARAMETERS,
    returns: RealmListShape,
    permission: WORLD,
    run: async (_parameters, { context }) => {
      const { realms, digest } = await listRealms(context.files)
      return new WithAttributes(realms, { digest })
    },
  }),
]
