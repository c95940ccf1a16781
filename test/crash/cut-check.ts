/** What the server that was started after a power cut is asked: everything a client can see, over the protocol. */
import { deleteNamespace, listNamespaces } from '../../src/client/namespaces.ts'
import { listSnapshots } from '../../src/client/snapshots.ts'
import { parseNamespace } from '../../src/formats/namespace.ts'
import type { Random } from '../simulator/random.ts'
import type { CairnData } from '../support/cairn-data.ts'
import { checkRestores, type SmallBackup } from '../support/small-backups.ts'
import { type CutCalls, FIRST_GROUP } from './cut-calls.ts'
import { checkNothingHalf } from './cut-files.ts'

/** Backups that stay from round to round. */
export const KEPT_COUNT = 3
/** Of the rounds in which everything is verified; in the others the newest backups are restored and compared. */
const VERIFY_CHANCE = 0.5
const RESTORED_COUNT = 2
const DAY_SECONDS = 86_400

/** Compares what is listed with the model, which has what was found then, and each of it with what was backed up. */
export async function checkSnapshots(
  calls: CutCalls,
  { data, random }: { readonly data: CairnData; readonly random: Random },
): Promise<void> {
  const { connection, model } = calls
  const listed: SmallBackup[] = []
  const { namespaces } = await listNamespaces(connection, { parent: '', maxDepth: undefined })
  for (const { ns: namespace } of namespaces) {
    for (const one of await listSnapshots(connection, { namespace, group: null })) {
      const group = `${one['backup-type']}/${one['backup-id']}`
      const number = numberOf(one['backup-time'])
      listed.push({ number, group, namespace: parseNamespace(namespace) })
    }
  }
  model.settle(listed)
  checkNothingHalf(data, { model, namespaces: namespaces.map(({ ns }) => ns) })
  // Reads every chunk of every snapshot, compares the indexes with the manifests, and changes the manifests.
  if (random.chance(VERIFY_CHANCE)) await calls.verify()
  else
    for (const backup of model.backups.slice(-RESTORED_COUNT))
      await checkRestores(connection, backup)
}

/** `backup` has the content of what was begun last: it meets what is left of its chunks. */
export async function checkWorks(calls: CutCalls, backup: SmallBackup): Promise<void> {
  await calls.backUp(backup)
  await calls.collect()
  await checkRestores(calls.connection, backup)
}

/** Leaves the newest backups of the first group. */
export async function tidy(calls: CutCalls): Promise<void> {
  const { connection, model } = calls
  const { namespaces } = await listNamespaces(connection, { parent: '', maxDepth: undefined })
  for (const { ns } of namespaces) {
    if (ns !== '') await deleteNamespace(connection, ns, { deleteGroups: true })
  }
  for (const backup of model.backups) {
    if ((backup.namespace ?? '') !== '') model.isGone(backup)
  }
  const groups = new Set(model.backups.map(({ group = FIRST_GROUP }) => group))
  for (const group of groups) if (group !== FIRST_GROUP) await calls.forgetGroup(group)
  for (const backup of calls.of(FIRST_GROUP)) await calls.protect(backup, false)
  await calls.prune(FIRST_GROUP, KEPT_COUNT)
}

/** Of the backup that was made at `time`; see `snapshotOf`. */
export function numberOf(time: number): number {
  return (time - Date.UTC(2026, 0, 1) / 1000) / DAY_SECONDS + 1
}
