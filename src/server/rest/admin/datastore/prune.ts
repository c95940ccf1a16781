/** `prune` of a group and `prune-datastore` (rest-api §4.3, datastore-semantics.md 10.2). */
import type { Static } from 'typebox'
import { ownerMatches, readOwner } from '../../../../datastore/groups.ts'
import type { KeepOptions } from '../../../../datastore/prune/keep-rules.ts'
import {
  planPrune,
  type PrunedSnapshot,
  pruneGroupPlanned,
} from '../../../../datastore/prune/prune-group.ts'
import { pruneDatastore } from '../../../../datastore/prune/prune-store.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { formatGroup, type GroupRef } from '../../../../formats/names.ts'
import { type NamespacePath, parseNamespace } from '../../../../formats/namespace.ts'
import { formatTaskStatus } from '../../../../formats/task-status.ts'
import {
  PruneDatastoreParameters,
  PruneParameters,
  PruneResultShape,
  TaskStartedShape,
} from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { checkPrivilege, hasPrivilege } from '../../../auth/permissions.ts'
import { refused } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { aclPathOf, openOwned, permit } from './access.ts'
import { groupOf } from './refs.ts'
import { REMOVE } from './requirements.ts'
import { startStoreTask } from './store-task.ts'

export const pruneRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/admin/datastore/{store}/prune',
    summary: 'Removes the snapshots of a group that no keep option keeps',
    parameters: PruneParameters,
    returns: PruneResultShape,
    permission: AUTHENTICATED,
    run: prune,
  }),
  route({
    method: 'POST',
    path: '/admin/datastore/{store}/prune-datastore',
    summary: 'Prunes all groups of a namespace and those below it',
    parameters: PruneDatastoreParameters,
    returns: TaskStartedShape,
    permission: AUTHENTICATED,
    run: pruneAll,
  }),
]

async function prune(
  parameters: Static<typeof PruneParameters>,
  call: Call,
): Promise<string | readonly object[]> {
  const place = await permit(call, parameters, REMOVE)
  const group = groupOf(parameters)
  const dryRun = parameters['dry-run'] ?? false
  const operation = dryRun ? 'read' : 'write'
  const datastore = await openOwned(call, place, { group, operation })
  const keep = keepOf(parameters)
  const plan = await planPrune(datastore, place.ns, group, keep)
  // Only a dry run says in which namespace.
  if (dryRun) return plan.map((planned) => entryOf(planned, place.ns))
  const id = `${datastore.name}:${place.ns}:${formatGroup(group)}`
  const { upid, done } = await startStoreTask(call, datastore, { type: 'prune', id }, (progress) =>
    pruneGroupPlanned(datastore, place.ns, group, { plan, keep, dryRun, progress }),
  )
  if (parameters['use-task'] === true) return upid
  const { status } = await done
  if (status.kind === 'error') throw refused(formatTaskStatus(status))
  return plan.map((planned) => entryOf(planned, ''))
}

async function pruneAll(
  parameters: Static<typeof PruneDatastoreParameters>,
  call: Call,
): Promise<string> {
  const { context, caller, use } = call
  const { store } = parameters
  const ns = parseNamespace(parameters.ns ?? '')
  const names = ['Datastore.Modify', 'Datastore.Prune'] as const
  await checkPrivilege(context.auth, caller, aclPathOf(store, ns), names, { any: true })
  const dryRun = parameters['dry-run'] ?? false
  const datastore = await use(store, dryRun ? 'read' : 'write')
  const task = { type: 'prune', id: `${store}:${ns}` }
  const { upid } = await startStoreTask(call, datastore, task, (progress) =>
    pruneDatastore(datastore, {
      ns,
      maxDepth: parameters['max-depth'],
      keep: keepOf(parameters),
      dryRun,
      progress,
      isAllowed: (namespace, group) => mayPrune(call, datastore, { ns: namespace, group }),
    }),
  )
  return upid
}

/** With `Datastore.Modify` there any group, with `Datastore.Prune` one's own. */
async function mayPrune(
  { context, caller }: Call,
  datastore: Datastore,
  { ns, group }: { readonly ns: NamespacePath; readonly group: GroupRef },
): Promise<boolean> {
  const path = aclPathOf(datastore.name, ns)
  if (await hasPrivilege(context.auth, caller, path, ['Datastore.Modify'])) return true
  if (!(await hasPrivilege(context.auth, caller, path, ['Datastore.Prune']))) return false
  const owner = await readOwner(datastore, ns, group).catch(() => null)
  return owner !== null && ownerMatches(owner, caller.authId)
}

function keepOf(parameters: Static<typeof PruneDatastoreParameters>): KeepOptions {
  return {
    last: parameters['keep-last'],
    hourly: parameters['keep-hourly'],
    daily: parameters['keep-daily'],
    weekly: parameters['keep-weekly'],
    monthly: parameters['keep-monthly'],
    yearly: parameters['keep-yearly'],
  }
}

function entryOf({ ref, kept, protected: isProtected }: PrunedSnapshot, ns: string): object {
  return {
    'backup-type': ref.type,
    'backup-id': ref.id,
    'backup-time': ref.time,
    keep: kept,
    protected: isProtected,
    ...(ns === '' ? {} : { ns }),
  }
}
