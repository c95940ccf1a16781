/**
 * Move of a namespace with all below it, group by group (datastore-semantics.md 17). Namespaces have no lock of their
 * own: groups that are in use are tried again once at the end; what cannot be moved stays, with its namespaces.
 */
import { hasCode, toError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import type { GroupRef } from '../../formats/names.ts'
import {
  isInNamespace,
  type NamespacePath,
  namespaceComponents,
  parentNamespace,
  parseNamespace,
} from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { listGroups } from '../groups.ts'
import {
  createNamespace,
  listNamespaces,
  namespaceExists,
  removeEmptyNamespace,
} from '../namespaces.ts'
import { takeSharedProcessLock } from '../shared-process-lock.ts'
import { groupInText, moveRefused } from './move-errors.ts'
import { moveGroupAsWriter } from './move-group.ts'

export interface MoveNamespaceOptions {
  readonly source: NamespacePath
  /** The complete new name; its parent must exist. */
  readonly target: NamespacePath
  /** Levels below the source; all by default. */
  readonly maxDepth?: number | undefined
  /** Whether emptied source namespaces are removed. */
  readonly deleteSource: boolean
  readonly mergeGroups: boolean
}

interface MovingGroup {
  readonly group: GroupRef
  readonly ns: NamespacePath
}

/** Throws MOVE_REFUSED, NAMESPACE_TOO_DEEP if the move cannot begin as things are. */
export async function checkMoveNamespace(
  store: Datastore,
  options: MoveNamespaceOptions,
): Promise<void> {
  const { source, target } = options
  if (source === '' || target === '') throw moveRefused('cannot move root namespace')
  if (source === target) throw moveRefused('source and target namespace must be different')
  if (!(await namespaceExists(store, source))) {
    throw moveRefused(`source namespace '${source}' does not exist`)
  }
  if (isInNamespace(target, source)) {
    throw moveRefused(
      `cannot move namespace '${source}' into its own subtree (target: '${target}')`,
    )
  }
  const parent = parentNamespace(target) ?? parseNamespace('')
  if (!(await namespaceExists(store, parent))) {
    throw moveRefused(`target parent namespace '${parent}' does not exist`)
  }
  for (const ns of await movedNamespaces(store, options)) movedName(options, ns)
}

/** Moves the namespace. Throws as checkMoveNamespace, MOVE_INCOMPLETE with what stays, PROCESS_LOCK_BUSY. */
export async function moveNamespace(
  store: Datastore,
  options: MoveNamespaceOptions & { readonly progress: Progress },
): Promise<void> {
  const { source, target, progress } = options
  using _use = store.core.enter()
  using _processLock = await takeSharedProcessLock(store)
  await checkMoveNamespace(store, options)
  const namespaces = await movedNamespaces(store, options)
  progress.log(`moving namespace '${source}' -> '${target}': ${namespaces.length} namespace(s)`)
  const run = new NamespaceMove(store, options)
  for (const ns of namespaces) await createMoved(store, movedName(options, ns))
  for (const ns of namespaces) {
    for (const group of await listGroups(store, ns)) await run.move({ group, ns })
  }
  await run.retryBusy()
  if (options.deleteSource) {
    for (const ns of namespaces.toReversed()) await removeEmptyNamespace(store, ns)
    await store.files.syncNames(store.path)
  }
  run.throwIfIncomplete()
}

class NamespaceMove {
  readonly #store: Datastore
  readonly #options: MoveNamespaceOptions & { readonly progress: Progress }
  #busy: MovingGroup[] = []
  readonly #failed: MovingGroup[] = []
  #movedCount = 0

  constructor(store: Datastore, options: MoveNamespaceOptions & { readonly progress: Progress }) {
    this.#store = store
    this.#options = options
  }

  /** Moves one group, or notes that it could not be. Throws only when aborted. */
  async move(moving: MovingGroup): Promise<void> {
    const { progress, mergeGroups } = this.#options
    progress.signal.throwIfAborted()
    const { group, ns: source } = moving
    const target = movedName(this.#options, source)
    const what = groupInText(group, source)
    try {
      const places = { source, target, group }
      await moveGroupAsWriter(this.#store, { ...places, mergeGroup: mergeGroups, progress })
      this.#movedCount += 1
      progress.log(`moved group ${this.#movedCount} (${what})`)
    } catch (error) {
      progress.signal.throwIfAborted()
      if (hasCode(error, 'LOCKED')) {
        progress.log(`group ${what} is in use: ${error.message}`)
        this.#busy.push(moving)
      } else {
        progress.warn(`failed to move group ${what}: ${toError(error).message}`)
        this.#failed.push(moving)
      }
    }
  }

  /** Tries those once more that were in use. */
  async retryBusy(): Promise<void> {
    for (const moving of this.#busy.splice(0)) await this.move(moving)
  }

  throwIfIncomplete(): void {
    const [busy, failed] = [this.#busy, this.#failed]
    const left = [...failed, ...busy]
    if (left.length === 0) return
    const isBusy =
      busy.length === 0
        ? ''
        : `; ${busy.length} still lock-conflicted (rerun move-namespace or move-group may succeed)`
    const names = left.map(({ group, ns }) => groupInText(group, ns)).join(', ')
    throw moveRefused(
      `namespace move partially completed; ${left.length} group(s) could not be moved and remain at source` +
        `${isBusy}: ${names}`,
    )
  }
}

async function movedNamespaces(
  store: Datastore,
  { source, maxDepth }: MoveNamespaceOptions,
): Promise<NamespacePath[]> {
  return await listNamespaces(store, {
    parent: source,
    ...(maxDepth === undefined ? {} : { maxDepth }),
  })
}

/** The new name of `ns`, which is the source or below it. Throws NAMESPACE_TOO_DEEP, NAMESPACE_TOO_LONG. */
function movedName({ source, target }: MoveNamespaceOptions, ns: NamespacePath): NamespacePath {
  return parseNamespace(`${target}${ns.slice(source.length)}`)
}

async function createMoved(store: Datastore, ns: NamespacePath): Promise<void> {
  const name = namespaceComponents(ns).at(-1) ?? ''
  await createNamespace(store, parentNamespace(ns) ?? parseNamespace(''), name)
}
