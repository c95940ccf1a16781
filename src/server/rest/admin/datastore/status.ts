/** `status` and `active-operations` of a datastore (rest-api §4.3). */
import type { Static } from 'typebox'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { listGroups } from '../../../../datastore/groups.ts'
import { listNamespaces } from '../../../../datastore/namespaces.ts'
import { listSnapshotRefs } from '../../../../datastore/snapshot-refs.ts'
import { usage } from '../../../../datastore/usage.ts'
import {
  ActiveOperationsShape,
  StatusParameters,
  StatusShape,
  StoreParameters,
} from '../../../../protocol/datastore.ts'
import { anyPrivilege, AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { hasPrivilege } from '../../../auth/permissions.ts'
import { errors } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { shownCounts } from '../../../s3/bucket-usage.ts'
import { isListed, seesStore } from './access.ts'
import { readGcStatus } from './gc-status.ts'

export const statusRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/admin/datastore/{store}/status',
    summary: 'Size and free space of a datastore, and what it holds',
    parameters: StatusParameters,
    returns: StatusShape,
    permission: AUTHENTICATED,
    run: readStatus,
  }),
  route({
    method: 'GET',
    path: '/admin/datastore/{store}/active-operations',
    summary: 'How many sessions and tasks read and write a datastore',
    parameters: StoreParameters,
    returns: ActiveOperationsShape,
    permission: anyPrivilege('/datastore/{store}', 'Datastore.Audit'),
    run: async ({ store }, { context }) => await context.operations.totals(store),
  }),
]

async function readStatus(
  { store, verbose }: Static<typeof StatusParameters>,
  call: Call,
): Promise<object> {
  const { context, caller } = call
  const has = async (name: 'Datastore.Audit' | 'Datastore.Backup'): Promise<boolean> =>
    await hasPrivilege(context.auth, caller, `/datastore/${store}`, [name])
  const audit = await has('Datastore.Audit')
  const open = audit || (await has('Datastore.Backup'))
  if (!open && !(await seesStore(call, store))) throw errors.PERMISSION_DENIED({})
  const datastore = await call.use(store, 'read')
  const backend = { 'backend-type': datastore.settings.backend.kind }
  if (!open) {
    const counts = { ct: null, host: null, vm: null, other: null }
    return { total: 0, used: 0, avail: 0, ...backend, ...(verbose === true ? { counts } : {}) }
  }
  const { total, used, available } = await usage(datastore)
  const figures = {
    total,
    used,
    avail: available,
    ...backend,
    ...(await statistics(call, datastore)),
  }
  if (verbose !== true) return figures
  const counts = await countContent(datastore, { ownedOnly: !audit, authId: caller.authId })
  return { ...figures, 'gc-status': await readGcStatus(datastore), counts }
}

/** What was asked of its bucket, if it has one. */
async function statistics({ context }: Call, { name, settings }: Datastore): Promise<object> {
  const { backend } = settings
  if (backend.kind !== 's3') return {}
  const counts = await context.s3.counters.read({ ...backend, prefix: name })
  return { 's3-statistics': shownCounts(counts) }
}

/** Groups and snapshots by type, over all namespaces. */
async function countContent(
  datastore: Datastore,
  { ownedOnly, authId }: { readonly ownedOnly: boolean; readonly authId: string },
): Promise<object> {
  const counts: Record<string, { groups: number; snapshots: number } | null> = {
    ct: null,
    host: null,
    vm: null,
    other: null,
  }
  for (const ns of await listNamespaces(datastore, {})) {
    for (const group of await listGroups(datastore, ns)) {
      const place = { store: datastore.name, ns, ownedOnly }
      if (!(await isListed(datastore, place, { group, authId }))) continue
      const count = (counts[group.type] ??= { groups: 0, snapshots: 0 })
      count.groups += 1
      count.snapshots += (await listSnapshotRefs(datastore, ns, group)).length
    }
  }
  return counts
}
