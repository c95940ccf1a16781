/** `/ping` and `/version` (rest-api §4.1). */
import { Type } from '../../base/schema.ts'
import { NO_PARAMETERS } from '../../protocol/common.ts'
import { AUTHENTICATED, WORLD } from '../../protocol/endpoint.ts'
import { type Route, route } from '../route.ts'

export const rootRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/ping',
    summary: 'Says that the server answers',
    parameters: NO_PARAMETERS,
    returns: Type.Object({ pong: Type.Boolean() }),
    permission: WORLD,
    run: async () => ({ pong: true }),
  }),
  route({
    method: 'GET',
    path: '/version',
    summary: 'The version whose calls this server knows',
    parameters: NO_PARAMETERS,
    returns: Type.Object({
      version: Type.String(),
      release: Type.String(),
      repoid: Type.String(),
    }),
    permission: AUTHENTICATED,
    run: async (_parameters, { context }) => context.version,
  }),
]
