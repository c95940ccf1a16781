/** Every route of the API: the one table that the router and the description are made from. */
import { indexRoutes } from '../api-index.ts'
import type { Route } from '../route.ts'
import { aclRoutes } from './access/acl.ts'
import { passwordRoutes } from './access/password.ts'
import { realmRoutes } from './access/realms.ts'
import { tokenRoutes } from './access/tokens.ts'
import { userRoutes } from './access/users.ts'
import { rootRoutes } from './root.ts'

const SERVED: readonly Route[] = [
  ...rootRoutes,
  ...userRoutes,
  ...tokenRoutes,
  ...aclRoutes,
  ...realmRoutes,
  ...passwordRoutes,
]

/** The served calls and the directory nodes above them. */
export const ROUTES: readonly Route[] = [...SERVED, ...indexRoutes(SERVED)]
