/**
 * A look at what a power cut left that costs a tenth of a server and its client: everything is opened as a server's start
 * does it, then the datastore's own calls list, verify, back up, collect and compare.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { silentProgress } from '../../src/base/progress.ts'
import { FIRST_DATASTORE, FIRST_USER } from '../../src/config/first-start.ts'
import { findUser } from '../../src/config/users.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { listGroups } from '../../src/datastore/groups.ts'
import { listNamespaces } from '../../src/datastore/namespaces.ts'
import { listSnapshots } from '../../src/datastore/snapshots.ts'
import { verifyDatastore } from '../../src/datastore/verify/verify-datastore.ts'
import { collectAsJob } from '../../src/server/collection-job.ts'
import { compose } from '../../src/server/compose.ts'
import type { ServerContext } from '../../src/server/context.ts'
import type { CairnData } from '../support/cairn-data.ts'
import { backUpDirect, checkNames, checkWhole } from '../support/direct-backups.ts'
import type { SmallBackup } from '../support/small-backups.ts'
import { UPID } from '../support/test-store.ts'
import { unsyncedFileSystem } from '../support/unsynced-file-system.ts'
import { numberOf } from './cut-check.ts'
import { checkNothingHalf, chunkNames } from './cut-files.ts'
import type { CutModel } from './cut-model.ts'

export interface CutLook {
  readonly data: CairnData
  /** What was answered when power went. */
  readonly model: CutModel
  /** The next backup. */
  readonly next: SmallBackup
  /** Whether the datastore is verified as well, which compares the same and costs more than the rest of the look. */
  readonly isVerified: boolean
}

/** Throws if something that was answered is not there or not whole, something half is, or nothing can be done any more. */
export async function lookAt({ data, model, next, isVerified }: CutLook): Promise<void> {
  const reports: string[] = []
  const { paths } = data
  const composition = await compose({ paths, fs: unsyncedFileSystem, fingerprint: '' }, (line) =>
    reports.push(line),
  )
  try {
    const { context } = composition
    assert.deepEqual(reports, [], 'reported at the start')
    model.settleComment((await findUser(context.files, FIRST_USER))?.comment ?? '')
    const store = await context.datastores.lookup(FIRST_DATASTORE, 'write')
    await checkListed(store, { data, model })
    for (const backup of model.backups) await checkWhole(store, backup)
    if (isVerified) await verify(store)
    await backUpDirect(store, next, data.token.id)
    model.isThere(next)
    await collectNow(context, store)
    const present = chunkNames(join(store.path, '.chunks'))
    for (const backup of model.backups) await checkNames(backup, present)
    await checkWhole(store, next)
  } finally {
    await composition.close()
  }
}

async function checkListed(
  store: Datastore,
  { data, model }: Pick<CutLook, 'data' | 'model'>,
): Promise<void> {
  const listed: SmallBackup[] = []
  const namespaces = await listNamespaces(store)
  for (const namespace of namespaces) {
    for (const group of await listGroups(store, namespace)) {
      for (const { ref, finished } of await listSnapshots(store, namespace, group)) {
        assert.ok(finished, `${ref.id} of ${ref.time} has no manifest`)
        const number = numberOf(ref.time)
        listed.push({ number, group: `${ref.type}/${ref.id}`, namespace })
      }
    }
  }
  model.settle(listed)
  checkNothingHalf(data, { model, namespaces })
}

/** Reads every chunk of every snapshot, and compares the indexes with the manifests. */
async function verify(store: Datastore): Promise<void> {
  const lines: string[] = []
  const progress = { ...silentProgress(), log: (line: string) => void lines.push(line) }
  const { failed } = await verifyDatastore(store, { progress, upid: UPID, ignoreVerified: false })
  assert.deepEqual(failed, [], lines.join('\n'))
}

async function collectNow({ files }: ServerContext, store: Datastore): Promise<void> {
  const warnings: string[] = []
  const progress = { ...silentProgress(), warn: (line: string) => void warnings.push(line) }
  await collectAsJob(files, store, { progress, upid: UPID })
  assert.deepEqual(warnings, [], 'warnings of the collection')
}
