/** `verify` of a datastore, a namespace, a group or a snapshot (rest-api §4.3). */
import type { Static } from 'typebox'
import { ownerMatches, readOwner } from '../../../../datastore/groups.ts'
import {
  type VerifyScope,
  verifyScope,
  verifyTaskName,
} from '../../../../datastore/verify/verify-scope.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { type GroupRef, parseBackupId } from '../../../../formats/names.ts'
import type { NamespacePath } from '../../../../formats/namespace.ts'
import { TaskStartedShape, VerifyParameters } from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { hasPrivilege } from '../../../auth/permissions.ts'
import { refused } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { aclPathOf, openOwned, openStore, type PermittedPlace, permit } from './access.ts'
import { VERIFY } from './requirements.ts'

export const verifyRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/admin/datastore/{store}/verify',
    summary:
      'Starts a task that reads every chunk of a datastore, a group or a snapshot and checks its digest',
    parameters: VerifyParameters,
    returns: TaskStartedShape,
    permission: AUTHENTICATED,
    run: verify,
  }),
]

type Parameters = Static<typeof VerifyParameters>

/** An operation that reads: allowed in read-only maintenance, although it writes states (datastore-semantics.md 13). */
async function verify(parameters: Parameters, call: Call): Promise<string> {
  const place = await permit(call, parameters, VERIFY)
  const scope = scopeOf(parameters, place.ns)
  if (scope.kind === 'all') await openStore(call, place, 'read')
  else {
    const group = scope.kind === 'group' ? scope.group : scope.ref
    await openOwned(call, place, { group, operation: 'read' })
  }
  const { context, caller } = call
  const start = { ...verifyTaskName(place.store, scope), authId: caller.authId }
  const { upid } = await context.tasks.start(start, async (task) => {
    using use = await context.datastores.use(place.store, 'read')
    await verifyScope(use.store, scope, {
      progress: task,
      upid: task.upid,
      ignoreVerified: parameters['ignore-verified'] ?? true,
      outdatedAfterDays: parameters['outdated-after'],
      readThreads: parameters['read-threads'],
      verifyThreads: parameters['verify-threads'],
      rateLimit: parameters['rate-limit'],
      isAllowed: mayVerify(call, place, use.store),
    })
  })
  return upid
}

function scopeOf(parameters: Parameters, ns: NamespacePath): VerifyScope {
  const { 'backup-type': type, 'backup-id': id, 'backup-time': time } = parameters
  if (type === undefined && id === undefined && time === undefined) {
    return { kind: 'all', ns, maxDepth: parameters['max-depth'] }
  }
  if (type === undefined || id === undefined) {
    throw refused('parameters do not specify a backup group or snapshot')
  }
  const group: GroupRef = { type, id: parseBackupId(id) }
  return time === undefined
    ? { kind: 'group', ns, group }
    : { kind: 'snapshot', ns, ref: { ...group, time } }
}

/** Groups of a whole run: all of a namespace with the privilege there, otherwise the caller's own. */
function mayVerify({ context, caller }: Call, place: PermittedPlace, store: Datastore) {
  const known = new Map<NamespacePath, 'all' | 'own' | 'none'>()
  const look = async (ns: NamespacePath): Promise<'all' | 'own' | 'none'> => {
    const path = aclPathOf(place.store, ns)
    if (await hasPrivilege(context.auth, caller, path, VERIFY.full, { any: true })) return 'all'
    return (await hasPrivilege(context.auth, caller, path, [VERIFY.owner])) ? 'own' : 'none'
  }
  return async (ns: NamespacePath, group: GroupRef): Promise<boolean> => {
    const allowed = known.get(ns) ?? (await look(ns))
    known.set(ns, allowed)
    if (allowed !== 'own') return allowed === 'all'
    const owner = await readOwner(store, ns, group).catch(() => null)
    return owner !== null && ownerMatches(owner, caller.authId)
  }
}
