/** Prune of all groups of a namespace and those below it (datastore-semantics.md 10.2, "datastore prune, job"). */
import { hasCode, toError } from '../../base/errors.ts'
import { formatGroup, formatSnapshot, type GroupRef } from '../../formats/names.ts'
import { NAMESPACE_DEPTH_MAX, type NamespacePath } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { listGroups } from '../groups.ts'
import { listNamespaces, namespaceExists } from '../namespaces.ts'
import type { PruneMark } from './keep-rules.ts'
import {
  applyPlan,
  logKeepOptions,
  namespaceText,
  planPrune,
  type PlannedSnapshot,
  type PruneOptions,
} from './prune-group.ts'

export interface PruneDatastoreOptions extends PruneOptions {
  readonly ns: NamespacePath
  /** Levels below `ns`: 0 for it alone; all by default. */
  readonly maxDepth?: number | undefined
  /** Groups that the caller may not prune are left out without a word; all may be by default. */
  readonly isAllowed?: (ns: NamespacePath, group: GroupRef) => Promise<boolean>
}

const MARK_TEXTS: Readonly<Record<PruneMark, string>> = {
  keep: 'keep',
  'keep-partial': 'keep partial',
  protected: 'keep protected',
  remove: 'remove',
}

/**
 * Prunes group by group, with stock's lines. Throws GROUP_MISSING if there is no such namespace; what fails in one
 * group is a warning, and the next one follows.
 */
export async function pruneDatastore(
  store: Datastore,
  options: PruneDatastoreOptions,
): Promise<void> {
  const { ns, maxDepth, dryRun, progress, keep } = options
  using _use = store.core.enter()
  const place = `datastore '${store.name}', ${namespaceText(ns)}, ${depthText(maxDepth)}`
  progress.log(`Starting datastore prune on ${place}`)
  if (dryRun) progress.log('(dry test run)')
  logKeepOptions(progress, keep, scopeText(ns, maxDepth))
  if (!(await namespaceExists(store, ns))) {
    throw errors.GROUP_MISSING({ text: 'ENOENT: No such file or directory' })
  }
  const depth = maxDepth === undefined ? {} : { maxDepth }
  for (const namespace of await listNamespaces(store, { parent: ns, ...depth })) {
    await pruneNamespace(store, namespace, options)
  }
}

async function pruneNamespace(
  store: Datastore,
  ns: NamespacePath,
  options: PruneDatastoreOptions,
): Promise<void> {
  const { progress, dryRun, keep, isAllowed } = options
  const describe = (planned: PlannedSnapshot): string =>
    `${dryRun ? 'would ' : ''}${MARK_TEXTS[planned.mark]} ${formatSnapshot(planned.ref)}`
  for (const group of await listGroups(store, ns)) {
    progress.signal.throwIfAborted()
    if (isAllowed !== undefined && !(await isAllowed(ns, group))) continue
    progress.log(`Pruning group ${ns}:${quote(formatGroup(group))}`)
    try {
      const plan = await planPrune(store, ns, group, keep)
      await applyPlan(store, ns, { plan, dryRun, progress, describe })
    } catch (error) {
      progress.signal.throwIfAborted()
      // Removed since it was listed.
      if (hasCode(error, 'GROUP_MISSING')) continue
      progress.warn(`failed to prune group ${formatGroup(group)}: ${toError(error).message}`)
    }
  }
}

function depthText(maxDepth: number | undefined): string {
  const isFull = maxDepth === undefined || maxDepth >= NAMESPACE_DEPTH_MAX
  return isFull ? 'down to full depth' : `to depth ${maxDepth}`
}

/** As stock prints the scope of a prune job in front of its keep options. */
function scopeText(ns: NamespacePath, maxDepth: number | undefined): string {
  const parts = [
    ns === '' ? '' : `--ns ${ns} `,
    maxDepth === undefined ? '' : `--max-depth ${maxDepth} `,
  ]
  return parts.join('')
}
