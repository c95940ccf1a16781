/** Every route of the API: the one table that the router and the description are made from. */
import { indexRoutes } from '../api-index.ts'
import type { Route } from '../route.ts'
import { aclRoutes } from './access/acl.ts'
import { passwordRoutes } from './access/password.ts'
import { realmRoutes } from './access/realms.ts'
import { secondFactorRoutes } from './access/second-factors.ts'
import { ticketRoutes } from './access/ticket.ts'
import { tokenRoutes } from './access/tokens.ts'
import { userRoutes } from './access/users.ts'
import { downloadRoutes } from './admin/datastore/download.ts'
import { fileRoutes } from './admin/datastore/files.ts'
import { gcRoutes } from './admin/datastore/gc.ts'
import { groupRoutes } from './admin/datastore/groups.ts'
import { listRoutes } from './admin/datastore/list.ts'
import { moveRoutes } from './admin/datastore/move.ts'
import { namespaceRoutes } from './admin/datastore/namespaces.ts'
import { noteRoutes } from './admin/datastore/notes.ts'
import { ownerRoutes } from './admin/datastore/owner.ts'
import { protectionRoutes } from './admin/datastore/protection.ts'
import { pruneRoutes } from './admin/datastore/prune.ts'
import { s3DatastoreRoutes } from './admin/datastore/s3.ts'
import { snapshotRoutes } from './admin/datastore/snapshots.ts'
import { statusRoutes } from './admin/datastore/status.ts'
import { uploadLogRoutes } from './admin/datastore/upload-log.ts'
import { verifyRoutes } from './admin/datastore/verify.ts'
import { gcListRoutes } from './admin/gc.ts'
import { s3AdminRoutes } from './admin/s3/buckets.ts'
import { datastoreConfigRoutes } from './config/datastores.ts'
import { s3ConfigRoutes } from './config/s3.ts'
import { nodeRoutes } from './nodes/nodes.ts'
import { taskRoutes } from './nodes/tasks.ts'
import { rootRoutes } from './root.ts'
import { datastoreUsageRoutes } from './status/datastore-usage.ts'

const SERVED: readonly Route[] = [
  ...rootRoutes,
  ...ticketRoutes,
  ...userRoutes,
  ...tokenRoutes,
  ...aclRoutes,
  ...realmRoutes,
  ...passwordRoutes,
  ...secondFactorRoutes,
  ...listRoutes,
  ...statusRoutes,
  ...namespaceRoutes,
  ...groupRoutes,
  ...snapshotRoutes,
  ...fileRoutes,
  ...noteRoutes,
  ...protectionRoutes,
  ...ownerRoutes,
  ...downloadRoutes,
  ...uploadLogRoutes,
  ...verifyRoutes,
  ...gcRoutes,
  ...gcListRoutes,
  ...pruneRoutes,
  ...moveRoutes,
  ...s3DatastoreRoutes,
  ...datastoreConfigRoutes,
  ...s3ConfigRoutes,
  ...s3AdminRoutes,
  ...datastoreUsageRoutes,
  ...nodeRoutes,
  ...taskRoutes,
]

/** The served calls and the directory nodes above them. */
export const ROUTES: readonly Route[] = [...SERVED, ...indexRoutes(SERVED)]
