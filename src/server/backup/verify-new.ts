/** The verification that follows a backup if the datastore wants it (backup-protocol.md 6.9). */
import type { Datastore } from '../../datastore/datastore.ts'
import { verifySnapshot } from '../../datastore/verify/verify-snapshot.ts'
import type { SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import type { ServerContext } from '../context.ts'
import { refused } from '../errors.ts'

export interface VerificationRequest {
  readonly store: Datastore
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
  readonly authId: string
}

/** Starts the task and returns; its result goes into the manifest. Throws when it cannot start. */
export async function startVerification(
  context: ServerContext,
  { store, ns, ref, authId }: VerificationRequest,
): Promise<void> {
  const time = ref.time.toString(16).toUpperCase().padStart(8, '0')
  const id = `${store.name}:${ref.type}/${ref.id}/${time}`
  await context.tasks.start({ type: 'verify', id, authId }, async (task) => {
    using _operation = context.operations.begin(store.name, 'read')
    task.log('Automatically verifying newly added snapshot')
    const { ok } = await verifySnapshot(store, ns, ref, { progress: task, upid: task.upid })
    if (!ok) throw refused('verification failed - please check the log for details')
  })
}
