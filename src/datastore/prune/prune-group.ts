/**
 * Prune of one group: plan, then apply (datastore-semantics.md 10.2). The plan is made without a lock and may be
 * stale when it is applied: each removal looks again under the snapshot's locks, so a running backup, its base, a
 * snapshot that is read or was protected meanwhile stays (races.md ). Listing caches take no part.
 */
import { toError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import {
  formatSnapshot,
  formatGroup,
  type GroupRef,
  type SnapshotRef,
} from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { groupExists } from '../groups.ts'
import { relativeSnapshotPath, snapshotPath } from '../layout.ts'
import { removeSnapshot } from '../remove-snapshot.ts'
import { listSnapshots, readListing } from '../snapshots.ts'
import {
  formatKeepOptions,
  type KeepOptions,
  keepsSomething,
  type PruneMark,
  selectKept,
} from './keep-rules.ts'

export interface PlannedSnapshot {
  readonly ref: SnapshotRef
  readonly mark: PruneMark
  readonly protected: boolean
  /** Whether it had a manifest when the plan was made. */
  readonly finished: boolean
}

/** What a prune decided about a snapshot; `kept` is also true for all if no option keeps something. */
export interface PrunedSnapshot extends PlannedSnapshot {
  readonly kept: boolean
}

export interface PruneOptions {
  readonly keep: KeepOptions
  /** Says what it would do and removes nothing. */
  readonly dryRun: boolean
  readonly progress: Progress
}

/** What the rules say about the snapshots of a group, oldest first. Throws GROUP_MISSING with stock's text. */
export async function planPrune(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
  keep: KeepOptions,
): Promise<PrunedSnapshot[]> {
  const listed = await listSnapshots(store, ns, group)
  if (listed.length === 0 && !(await groupExists(store, ns, group))) {
    throw errors.GROUP_MISSING({ text: 'ENOENT: No such file or directory' })
  }
  const candidates = listed.map(({ ref, finished, protected: isProtected }) => ({
    time: ref.time,
    finished,
    protected: isProtected,
  }))
  const marks = new Map(selectKept(candidates, keep).map(({ time, mark }) => [time, mark]))
  const keepsAll = !keepsSomething(keep)
  return listed.map(({ ref, finished, protected: isProtected }) => {
    const mark = marks.get(ref.time) ?? 'keep'
    return { ref, mark, finished, protected: isProtected, kept: keepsAll || mark !== 'remove' }
  })
}

/** Prunes one group with the log lines of stock's group prune. Errors as `planPrune`. */
export async function pruneGroup(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
  options: PruneOptions,
): Promise<PrunedSnapshot[]> {
  const plan = await planPrune(store, ns, group, options.keep)
  await pruneGroupPlanned(store, ns, group, { ...options, plan })
  return plan
}

/** Carries out a plan that `planPrune` made a moment ago. */
export async function pruneGroupPlanned(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
  options: PruneOptions & { readonly plan: readonly PrunedSnapshot[] },
): Promise<void> {
  const { progress, keep } = options
  using _use = store.core.enter()
  logKeepOptions(progress, keep)
  const place = `datastore '${store.name}', ${namespaceText(ns)}`
  progress.log(`Starting prune on ${place} group ${quote(formatGroup(group))}`)
  await applyPlan(store, ns, { ...options, describe: lineOfGroupPrune })
}

/** `root namespace`, or `namespace 'a/b'`, as task logs say. */
export function namespaceText(ns: NamespacePath): string {
  return ns === '' ? 'root namespace' : `namespace '${ns}'`
}

/** The line with the options; `scope` (`--ns a`) stands in front of them. A warning if nothing is selected. */
export function logKeepOptions(progress: Progress, keep: KeepOptions, scope = ''): void {
  if (!keepsSomething(keep)) return progress.warn('No prune selection - keeping all files.')
  progress.log(`retention options: ${scope}${formatKeepOptions(keep)}`)
}

/** Logs and removes, oldest first; a snapshot that cannot be removed is a warning. Throws only when aborted. */
export async function applyPlan(
  store: Datastore,
  ns: NamespacePath,
  options: {
    readonly plan: readonly PrunedSnapshot[]
    readonly dryRun: boolean
    readonly progress: Progress
    readonly describe: (planned: PlannedSnapshot) => string
  },
): Promise<void> {
  const { plan, dryRun, progress, describe } = options
  for (const planned of plan) {
    progress.signal.throwIfAborted()
    progress.log(describe(planned))
    if (planned.kept || dryRun) continue
    try {
      await removePlanned(store, ns, planned, progress)
    } catch (error) {
      const path = quote(relativeSnapshotPath(ns, planned.ref))
      progress.warn(`failed to remove dir ${path}: ${toError(error).message}`)
    }
  }
}

async function removePlanned(
  store: Datastore,
  ns: NamespacePath,
  planned: PlannedSnapshot,
  progress: Progress,
): Promise<void> {
  const { ref, finished } = planned
  const path = quote(snapshotPath(store.path, ns, ref))
  const outcome = await removeSnapshot(store, ns, ref, {
    removesGroup: true,
    // What was unfinished in the plan and is finished now was judged by a state that is over.
    confirm: async () => {
      const listing = await readListing(store, ns, ref)
      if (listing === null) return true
      if (listing.finished === finished) progress.log(`removing backup snapshot ${path}`)
      return listing.finished === finished
    },
  })
  switch (outcome) {
    case 'removed':
      return
    case 'missing':
      throw errors.SNAPSHOT_MISSING({
        text: `removing backup snapshot ${path} failed - No such file or directory (os error 2)`,
      })
    case 'protected':
      throw errors.SNAPSHOT_PROTECTED({ text: 'cannot remove protected snapshot' })
    case 'spared':
      throw errors.SNAPSHOT_CHANGED({ path: snapshotPath(store.path, ns, ref) })
    default:
      return outcome satisfies never
  }
}

function lineOfGroupPrune({ ref, mark }: PlannedSnapshot): string {
  return `${formatSnapshot(ref)} ${mark}`
}
