/** `verify` of a snapshot; groups and whole datastores come later (rest-api §4.3). */
import type { Static } from 'typebox'
import { CairnError } from '../../../../base/errors.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { verifySnapshot } from '../../../../datastore/verify/verify-snapshot.ts'
import type { SnapshotRef } from '../../../../formats/names.ts'
import { type NamespacePath, namespaceFolder } from '../../../../formats/namespace.ts'
import { TaskStartedShape, VerifyParameters } from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { errors, refused } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { openOwned, openStore, permit } from './access.ts'
import { snapshotOf } from './refs.ts'
import { VERIFY } from './requirements.ts'

export const verifyRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/admin/datastore/{store}/verify',
    summary: 'Starts a task that reads every chunk of a snapshot and checks its digest',
    parameters: VerifyParameters,
    returns: TaskStartedShape,
    permission: AUTHENTICATED,
    run: verify,
  }),
]

async function verify(parameters: Static<typeof VerifyParameters>, call: Call): Promise<string> {
  const place = await permit(call, parameters, VERIFY)
  const { 'backup-type': type, 'backup-id': id, 'backup-time': time } = parameters
  const given = [type, id, time].filter((member) => member !== undefined).length
  if (type === undefined || id === undefined || time === undefined) {
    if (given !== 0 && (time !== undefined || given !== 2)) {
      throw refused('parameters do not specify a backup group or snapshot')
    }
    await openStore(call, place, 'write')
    throw errors.NOT_BUILT_YET({ what: 'Verification of more than one snapshot', status: 501 })
  }
  const ref = snapshotOf({ 'backup-type': type, 'backup-id': id, 'backup-time': time })
  const datastore = await openOwned(call, place, { group: ref, operation: 'write' })
  return await startVerification(call, datastore, { ns: place.ns, ref })
}

async function startVerification(
  { context, caller }: Call,
  datastore: Datastore,
  { ns, ref }: { readonly ns: NamespacePath; readonly ref: SnapshotRef },
): Promise<string> {
  const time = ref.time.toString(16).toUpperCase().padStart(8, '0')
  const id = `${datastore.name}:${namespaceFolder(ns)}/${ref.type}/${ref.id}/${time}`
  const start = { type: 'verify_snapshot', id, authId: caller.authId }
  const { upid } = await context.tasks.start(start, async (task) => {
    using _operation = context.operations.begin(datastore.name, 'read')
    const { ok } = await verifySnapshot(datastore, ns, ref, { progress: task, upid: task.upid })
    if (!ok) throw verificationFailed()
  })
  return upid
}

/** The closing line that stock's tools look for. */
function verificationFailed(): CairnError {
  return new CairnError('verification failed - please check the log for details', {
    kind: 'Corrupt',
    code: 'VERIFICATION_FAILED',
  })
}
