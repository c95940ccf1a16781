/** `move-group` and `move-namespace` (rest-api §4.3, datastore-semantics.md 17). */
import type { Static } from 'typebox'
import { checkBackupOwner, groupExists, readOwner } from '../../../../datastore/groups.ts'
import { checkMoveGroup, moveGroup } from '../../../../datastore/move/move-group.ts'
import { checkMoveNamespace, moveNamespace } from '../../../../datastore/move/move-namespace.ts'
import { formatGroup } from '../../../../formats/names.ts'
import { parentNamespace, parseNamespace } from '../../../../formats/namespace.ts'
import {
  MoveGroupParameters,
  MoveNamespaceParameters,
  TaskStartedShape,
} from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { checkPrivilege } from '../../../auth/permissions.ts'
import { refused } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { aclPathOf, openStore, permit } from './access.ts'
import { groupOf } from './refs.ts'
import { CHANGE, REMOVE } from './requirements.ts'
import { startStoreTask } from './store-task.ts'

export const moveRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/admin/datastore/{store}/move-group',
    summary: 'Moves a group into another namespace of its datastore',
    parameters: MoveGroupParameters,
    returns: TaskStartedShape,
    permission: AUTHENTICATED,
    run: startGroupMove,
  }),
  route({
    method: 'POST',
    path: '/admin/datastore/{store}/move-namespace',
    summary: 'Moves a namespace with all its groups and namespaces',
    parameters: MoveNamespaceParameters,
    returns: TaskStartedShape,
    permission: AUTHENTICATED,
    run: startNamespaceMove,
  }),
]

/** Out of one namespace as for a removal, into the other as for a backup. */
async function startGroupMove(
  parameters: Static<typeof MoveGroupParameters>,
  call: Call,
): Promise<string> {
  const { store } = parameters
  const from = await permit(call, parameters, REMOVE)
  const to = await permit(call, { store, ns: parameters['target-ns'] }, CHANGE)
  const datastore = await openStore(call, from, 'write')
  const group = groupOf(parameters)
  const mergeGroup = parameters['merge-group'] ?? true
  const move = { source: from.ns, target: to.ns, group, mergeGroup }
  // Without a source there is no owner either; the check below says so.
  if ((from.ownedOnly || to.ownedOnly) && (await groupExists(datastore, from.ns, group))) {
    checkBackupOwner(await readOwner(datastore, from.ns, group), call.caller.authId)
  }
  await checkMoveGroup(datastore, move)
  const id = `${store}:${from.ns}/${formatGroup(group)}:${to.ns}`
  const task = { type: 'move-group', id }
  const { upid } = await startStoreTask(call, datastore, task, (progress) =>
    moveGroup(datastore, { ...move, progress }),
  )
  return upid
}

async function startNamespaceMove(
  parameters: Static<typeof MoveNamespaceParameters>,
  call: Call,
): Promise<string> {
  const { context, caller, use } = call
  const { store } = parameters
  const [source, target] = [parseNamespace(parameters.ns), parseNamespace(parameters['target-ns'])]
  if (source === '' || target === '') throw refused('Cannot create/delete root namespace!')
  for (const ns of [source, target]) {
    const path = aclPathOf(store, parentNamespace(ns) ?? '')
    await checkPrivilege(context.auth, caller, path, ['Datastore.Modify'])
  }
  const datastore = await use(store, 'write')
  const move = {
    source,
    target,
    maxDepth: parameters['max-depth'],
    deleteSource: parameters['delete-source'] ?? true,
    mergeGroups: parameters['merge-groups'] ?? true,
  }
  await checkMoveNamespace(datastore, move)
  const task = { type: 'move-namespace', id: `${store}:${source}:${target}` }
  const { upid } = await startStoreTask(call, datastore, task, (progress) =>
    moveNamespace(datastore, { ...move, progress }),
  )
  return upid
}
