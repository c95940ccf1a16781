/** `prune` and `prune-datastore` (rest-api §4.3): refused until pruning is built. */
import {
  PruneDatastoreParameters,
  PruneParameters,
  TaskStartedShape,
} from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { checkPrivilege } from '../../../auth/permissions.ts'
import { errors } from '../../../errors.ts'
import { type Route, route } from '../../../route.ts'
import { aclPathOf, permit } from './access.ts'
import { REMOVE } from './requirements.ts'

export const pruneRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/admin/datastore/{store}/prune',
    summary: 'Removes the snapshots of a group that no keep option keeps',
    parameters: PruneParameters,
    returns: TaskStartedShape,
    permission: AUTHENTICATED,
    run: async (parameters, call) => {
      await permit(call, parameters, REMOVE)
      throw errors.NOT_BUILT_YET({ what: 'Pruning', status: 501 })
    },
  }),
  route({
    method: 'POST',
    path: '/admin/datastore/{store}/prune-datastore',
    summary: 'Prunes all groups of a namespace',
    parameters: PruneDatastoreParameters,
    returns: TaskStartedShape,
    permission: AUTHENTICATED,
    run: async ({ store, ns }, { context, caller }) => {
      const path = aclPathOf(store, ns ?? '')
      const names = ['Datastore.Modify', 'Datastore.Prune'] as const
      await checkPrivilege(context.auth, caller, path, names, { any: true })
      throw errors.NOT_BUILT_YET({ what: 'Pruning', status: 501 })
    },
  }),
]
