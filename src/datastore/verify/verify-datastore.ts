/** Verification of a namespace with all below it, or of a whole datastore (datastore-semantics.md 11.1). */
import { toError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import { compareGroups, type GroupRef } from '../../formats/names.ts'
import { namespaceFolder, type NamespacePath, ROOT_NAMESPACE } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { listGroups } from '../groups.ts'
import { listNamespaces, namespaceExists } from '../namespaces.ts'
import { verifyGroup } from './verify-group.ts'
import { openVerifyRun, type VerifyRunOptions } from './verify-run.ts'
import type { SkipRule } from './skip-rule.ts'

export interface VerifyDatastoreOptions extends VerifyRunOptions, SkipRule {
  readonly progress: Progress
  /** The task that verifies, for the states in the manifests. */
  readonly upid: string
  /** Root by default. */
  readonly ns?: NamespacePath | undefined
  /** Levels below `ns`; all by default. */
  readonly maxDepth?: number | undefined
  /** Which groups the caller may verify; all by default. */
  readonly isAllowed?: ((ns: NamespacePath, group: GroupRef) => Promise<boolean>) | undefined
}

interface FoundGroup {
  readonly ns: NamespacePath
  readonly group: GroupRef
}

/**
 * Verifies all groups that the caller may, each chunk once; what failed, as the task log names it. Throws the reason of
 * `progress.signal` when that is aborted: snapshots that were done keep their states, the others theirs of before.
 */
export async function verifyDatastore(
  store: Datastore,
  options: VerifyDatastoreOptions,
): Promise<{ readonly failed: readonly string[] }> {
  const { progress, upid, ignoreVerified, outdatedAfterDays } = options
  await using run = openVerifyRun(store, options)
  progress.log(`verify datastore ${store.name}`)
  const { groups, failed } = await findGroups(store, options)
  progress.log(`found ${groups.length} groups`)
  progress.log(`using ${run.readThreads} read and ${run.verifyThreads} verify thread(s)`)
  const skip = { ignoreVerified, outdatedAfterDays }
  for (const [index, { ns, group }] of groups.entries()) {
    progress.signal.throwIfAborted()
    const place = { index, count: groups.length }
    failed.push(...(await verifyGroup(store, ns, group, { progress, upid, run, skip, place })))
  }
  return { failed }
}

/** Groups in stock's order, and what could not be listed. Benchmarks are nobody's data. */
async function findGroups(
  store: Datastore,
  options: VerifyDatastoreOptions,
): Promise<{ readonly groups: readonly FoundGroup[]; readonly failed: string[] }> {
  const { ns: parent = ROOT_NAMESPACE, maxDepth, progress, isAllowed = async () => true } = options
  const groups: FoundGroup[] = []
  const failed: string[] = []
  if (!(await namespaceExists(store, parent))) {
    progress.log(`namespace '${parent}' does not exist`)
    return { groups, failed: [namespaceFolder(parent)] }
  }
  const depth = maxDepth === undefined ? {} : { maxDepth }
  for (const ns of await listNamespaces(store, { parent, ...depth })) {
    progress.signal.throwIfAborted()
    try {
      for (const group of await listGroups(store, ns)) {
        const isBenchmark = group.type === 'host' && group.id === 'benchmark'
        if (!isBenchmark && (await isAllowed(ns, group))) groups.push({ ns, group })
      }
    } catch (error) {
      progress.log(`unable to list groups of namespace '${ns}' - ${toError(error).message}`)
      failed.push(namespaceFolder(ns))
    }
  }
  return { groups: groups.toSorted((a, b) => compareGroups(a.group, b.group)), failed }
}
