/**
 * Who may do what to the content of a datastore (rest-api §3.3): a privilege on the namespace, or
 * a lesser one there together with owning the group.
 */
import { permissionsOf } from '../../../../config/acl.ts'
import type { PrivilegeName } from '../../../../config/privileges.ts'
import type { OperationKind } from '../../../../datastore/active-operations.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { checkBackupOwner, ownerMatches, readOwner } from '../../../../datastore/groups.ts'
import { namespaceExists } from '../../../../datastore/namespaces.ts'
import { type NamespacePath, parseNamespace } from '../../../../formats/namespace.ts'
import type { GroupRef } from '../../../../formats/names.ts'
import { hasPrivilege } from '../../../auth/permissions.ts'
import { errors, refused } from '../../../errors.ts'
import type { Call } from '../../../route.ts'

/** What a call needs: one of `full`, or `owner` and the group's ownership. */
export interface Requirement {
  readonly full: readonly PrivilegeName[]
  readonly owner: PrivilegeName
}

/** Where a call works. */
export interface Place {
  readonly store: string
  readonly ns?: string | undefined
}

/** A place that was permitted; `ownedOnly` when the caller only has the lesser privilege. */
export interface PermittedPlace {
  readonly store: string
  readonly ns: NamespacePath
  readonly ownedOnly: boolean
}

/** Privileges of which any makes a namespace visible. */
const VISIBLE: readonly PrivilegeName[] = [
  'Datastore.Modify',
  'Datastore.Read',
  'Datastore.Backup',
  'Datastore.Audit',
]

/** ACL path of a namespace: `/datastore/store/a/b`. */
export function aclPathOf(store: string, ns: string): string {
  return ns === '' ? `/datastore/${store}` : `/datastore/${store}/${ns}`
}

/** Errors: NAMESPACE_DENIED (403) when neither privilege is there. Looks at no disk. */
export async function permit(
  { context, caller }: Call,
  place: Place,
  requirement: Requirement,
): Promise<PermittedPlace> {
  const ns = parseNamespace(place.ns ?? '')
  const path = aclPathOf(place.store, ns)
  const has = async (names: readonly PrivilegeName[]): Promise<boolean> =>
    await hasPrivilege(context.auth, caller, path, names, { any: true })
  const { full, owner } = requirement
  if (await has(full)) return { store: place.store, ns, ownedOnly: false }
  if (await has([owner])) return { store: place.store, ns, ownedOnly: true }
  throw errors.NAMESPACE_DENIED({ privileges: [...full, owner], path })
}

/** The datastore of a permitted place, open for `operation`. */
export async function openStore(
  call: Call,
  { store }: { readonly store: string },
  operation: OperationKind,
): Promise<Datastore> {
  return await call.use(store, operation)
}

/** The datastore of a list. Errors: those of the lookup, the text of a missing namespace (400). */
export async function openNamespace(call: Call, place: PermittedPlace): Promise<Datastore> {
  const datastore = await openStore(call, place, 'read')
  if (!(await namespaceExists(datastore, place.ns))) {
    throw refused('ENOENT: No such file or directory')
  }
  return datastore
}

/**
 * Opens the datastore and checks that the caller owns the group where that is needed.
 * Errors: those of the lookup, the owner's text (400).
 */
export async function openOwned(
  call: Call,
  place: PermittedPlace,
  target: { readonly group: GroupRef; readonly operation: OperationKind },
): Promise<Datastore> {
  const datastore = await openStore(call, place, target.operation)
  if (place.ownedOnly) {
    checkBackupOwner(await readOwner(datastore, place.ns, target.group), call.caller.authId)
  }
  return datastore
}

/** Whether a list shows a group to the caller. A group without readable owner shows to nobody. */
export async function isListed(
  datastore: Datastore,
  place: PermittedPlace,
  target: { readonly group: GroupRef; readonly authId: string },
): Promise<boolean> {
  if (!place.ownedOnly) return true
  const owner = await readOwner(datastore, place.ns, target.group).catch(() => null)
  return owner !== null && ownerMatches(owner, target.authId)
}

/** Whether the caller sees the namespace whose ACL path this is. */
export async function seesNamespace({ context, caller }: Call, path: string): Promise<boolean> {
  return await hasPrivilege(context.auth, caller, path, VISIBLE, { any: true })
}

/** Whether the caller sees anything on or below the datastore. */
export async function seesStore(call: Call, store: string): Promise<boolean> {
  const path = `/datastore/${store}`
  if (await seesNamespace(call, path)) return true
  const permissions = await permissionsOf(call.context.files, call.caller.authId)
  return Object.entries(permissions).some(
    ([other, privileges]) =>
      other.startsWith(`${path}/`) && VISIBLE.some((name) => privileges[name] !== undefined),
  )
}
