/** Verification of a group, newest snapshot first, with stock's log lines (datastore-semantics.md 11.1, 11.3). */
import { toError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import {
  formatGroup,
  formatSnapshot,
  type GroupRef,
  type SnapshotRef,
} from '../../formats/names.ts'
import { namespaceFolder, type NamespacePath } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { groupExists } from '../groups.ts'
import { relativeSnapshotPath } from '../layout.ts'
import { listSnapshotRefs } from '../snapshot-refs.ts'
import type { SkipRule } from './skip-rule.ts'
import type { VerifyRun } from './verify-run.ts'
import { verifySnapshot } from './verify-snapshot.ts'

export interface VerifyGroupOptions {
  readonly progress: Progress
  readonly upid: string
  readonly run: VerifyRun
  readonly skip: SkipRule
  /** How many groups the run has, and which this is, from 0; a group alone by default. */
  readonly place?: GroupPlace | undefined
}

export interface GroupPlace {
  readonly index: number
  readonly count: number
}

const ALONE: GroupPlace = { index: 0, count: 1 }

/** Verifies all snapshots of a group; what failed, as the task log names it. A group that is gone is a line. */
export async function verifyGroup(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
  options: VerifyGroupOptions,
): Promise<string[]> {
  const { progress, place = ALONE } = options
  const name = `${store.name}:${formatGroup(group)}`
  let refs: SnapshotRef[]
  try {
    if (!(await groupExists(store, ns, group))) {
      progress.log(`SKIPPED: verify group ${name} - group does not exist (anymore).`)
      return []
    }
    refs = (await listSnapshotRefs(store, ns, group)).toReversed()
  } catch (error) {
    progress.log(`verify group ${name} - unable to list snapshots: ${toError(error).message}`)
    return [ns === '' ? formatGroup(group) : `${namespaceFolder(ns)}/${formatGroup(group)}`]
  }
  progress.log(`verify group ${name} (${refs.length} snapshots)`)
  const failed: string[] = []
  for (const [index, ref] of refs.entries()) {
    progress.signal.throwIfAborted()
    const { ok } = await verifySnapshot(store, ns, ref, options)
    if (!ok) failed.push(relativeSnapshotPath(ns, ref))
    progress.advance(formatSnapshot(ref), index + 1, refs.length)
    progress.log(percentLine(place, { done: index + 1, total: refs.length }))
  }
  return failed
}

/** `percentage done: 33.33% (1/4 groups, 1/3 snapshots in group #2)`; see the recordings in `tasks/`. */
export function percentLine(
  { index, count }: GroupPlace,
  snapshots: { readonly done: number; readonly total: number },
): string {
  const { done, total } = snapshots
  const percent = ((100 * (index + done / total)) / count).toFixed(2)
  const head = `percentage done: ${percent}%`
  if (count === 1) return `${head} (${done}/${total} snapshots)`
  if (done === total) return `${head} (${index + 1}/${count} groups)`
  return `${head} (${index}/${count} groups, ${done}/${total} snapshots in group #${index + 1})`
}
