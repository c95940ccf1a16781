/** `namespace` of a datastore: list, create, remove (rest-api §4.3). */
import type { Static } from 'typebox'
import {
  createNamespace,
  deleteNamespace,
  listNamespaces,
} from '../../../../datastore/namespaces.ts'
import { parentNamespace, parseNamespace } from '../../../../formats/namespace.ts'
import {
  NamespaceCreateParameters,
  NamespaceListParameters,
  NamespaceListShape,
  NamespaceRemoveParameters,
  RemovalShape,
} from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { checkPrivilege } from '../../../auth/permissions.ts'
import { errors, refused } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { removalReport } from './removal-report.ts'
import { Type } from '../../../../base/schema.ts'
import { aclPathOf, seesNamespace } from './access.ts'

const PATH = '/admin/datastore/{store}/namespace'

export const namespaceRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: PATH,
    summary: 'Lists namespaces',
    parameters: NamespaceListParameters,
    returns: NamespaceListShape,
    permission: AUTHENTICATED,
    run: list,
  }),
  route({
    method: 'POST',
    path: PATH,
    summary: 'Creates a namespace; one that exists is fine',
    parameters: NamespaceCreateParameters,
    returns: Type.String(),
    permission: AUTHENTICATED,
    run: create,
  }),
  route({
    method: 'DELETE',
    path: PATH,
    summary: 'Removes a namespace',
    parameters: NamespaceRemoveParameters,
    returns: RemovalShape,
    permission: AUTHENTICATED,
    run: remove,
  }),
]

async function list(
  { store, parent, 'max-depth': maxDepth }: Static<typeof NamespaceListParameters>,
  call: Call,
): Promise<readonly object[]> {
  const root = parseNamespace(parent ?? '')
  const datastore = await call.use(store, 'read')
  const depth = maxDepth === undefined ? {} : { maxDepth }
  const entries: object[] = []
  for (const ns of await listNamespaces(datastore, { parent: root, ...depth })) {
    if (await seesNamespace(call, aclPathOf(store, ns))) entries.push({ ns })
  }
  if (entries.length === 0 && !(await seesNamespace(call, aclPathOf(store, root)))) {
    throw errors.PERMISSION_DENIED({})
  }
  return entries
}

async function create(
  { store, name, parent }: Static<typeof NamespaceCreateParameters>,
  { context, caller, use }: Call,
): Promise<string> {
  const above = parseNamespace(parent ?? '')
  await checkPrivilege(context.auth, caller, aclPathOf(store, above), ['Datastore.Modify'])
  const datastore = await use(store, 'write')
  return await createNamespace(datastore, above, name)
}

async function remove(
  parameters: Static<typeof NamespaceRemoveParameters>,
  { context, caller, use }: Call,
): Promise<object> {
  const { store } = parameters
  const ns = parseNamespace(parameters.ns)
  if (ns === '') throw refused('Cannot create/delete root namespace!')
  const path = aclPathOf(store, parentNamespace(ns) ?? '')
  await checkPrivilege(context.auth, caller, path, ['Datastore.Modify'])
  const datastore = await use(store, 'write')
  const removed = await deleteNamespace(datastore, ns, {
    deleteGroups: parameters['delete-groups'] ?? false,
    errorOnProtected: parameters['error-on-protected'] ?? true,
  })
  return removalReport(removed)
}
