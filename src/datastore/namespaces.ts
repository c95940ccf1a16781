/** Namespaces: plain folders `ns/<name>` inside each other (datastore-semantics.md 6, 9.3). */
import { isSystemError } from '../base/errors.ts'
import {
  joinNamespace,
  NAMESPACE_DEPTH_MAX,
  type NamespacePath,
  namespaceDepth,
  ROOT_NAMESPACE,
} from '../formats/namespace.ts'
import { BACKUP_TYPES } from '../formats/names.ts'
import { SAFE_ID } from '../formats/safe-id.ts'
import { errnoText } from '../storage/os-error-text.ts'
import { NAMESPACE_OBJECT } from './bucket/keys.ts'
import type { Datastore } from './datastore.ts'
import { errors } from './errors.ts'
import { deleteGroup, listGroups } from './groups.ts'
import { namespacePath, NAMESPACES_FOLDER, relativeNamespacePath } from './layout.ts'

export interface ListNamespacesOptions {
  /** Root by default. */
  readonly parent?: NamespacePath
  /** Levels below the parent; all by default. */
  readonly maxDepth?: number
}

export interface DeleteNamespaceResult {
  readonly removedGroups: number
  readonly removedSnapshots: number
  readonly protectedSnapshots: number
}

/** The parent itself, then all below it down to `maxDepth`, depth first, by name; a missing parent gives just its name. */
export async function listNamespaces(
  store: Datastore,
  options: ListNamespacesOptions = {},
): Promise<NamespacePath[]> {
  const { parent = ROOT_NAMESPACE, maxDepth = NAMESPACE_DEPTH_MAX } = options
  const found: NamespacePath[] = [parent]
  if (maxDepth === 0 || namespaceDepth(parent) >= NAMESPACE_DEPTH_MAX) return found
  for (const name of await childNames(store, parent)) {
    const child = joinNamespace(parent, name)
    found.push(...(await listNamespaces(store, { parent: child, maxDepth: maxDepth - 1 })))
  }
  return found
}

export async function namespaceExists(store: Datastore, ns: NamespacePath): Promise<boolean> {
  return await store.files.exists(namespacePath(store.path, ns))
}

/** Makes `name` below `parent`, its marker in the bucket first; an existing one is no error. Throws NAMESPACE_PARENT_MISSING, NAMESPACE_TOO_DEEP. */
export async function createNamespace(
  store: Datastore,
  parent: NamespacePath,
  name: string,
): Promise<NamespacePath> {
  const ns = joinNamespace(parent, name)
  const parentPath = namespacePath(store.path, parent)
  if (!(await store.files.exists(parentPath))) throw errors.NAMESPACE_PARENT_MISSING({ parent })
  await store.bucket?.tree.mark(markerPath(ns))
  const folder = `${parentPath}/${NAMESPACES_FOLDER}`
  try {
    // One by one and never the parent: one that was removed meanwhile must not come back (races.md R-41).
    await store.files.createFolder(folder)
    if (await store.files.createFolder(`${folder}/${name}`)) {
      await store.files.syncNames(folder)
      await store.files.syncNames(parentPath)
    }
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    await store.bucket?.tree.remove(markerPath(ns))
    throw errors.NAMESPACE_PARENT_MISSING({ parent }, { cause: error })
  }
  return ns
}

/**
 * Removes a namespace with all below it: groups only with `deleteGroups`, protected snapshots never. What could not be
 * removed makes it throw NAMESPACE_NOT_EMPTY, NAMESPACE_LEFT (something came meanwhile) or GROUP_HAS_PROTECTED, after
 * the rest is gone; a group in use throws LOCKED and ends it. Without `errorOnProtected` protected snapshots are only
 * counted.
 */
export async function deleteNamespace(
  store: Datastore,
  ns: NamespacePath,
  options: { readonly deleteGroups: boolean; readonly errorOnProtected: boolean },
): Promise<DeleteNamespaceResult> {
  if (ns === '') throw errors.NAMESPACE_IS_ROOT({})
  const result = { removedGroups: 0, removedSnapshots: 0, protectedSnapshots: 0 }
  if (!(await namespaceExists(store, ns))) {
    if (!options.deleteGroups) return result
    throw errors.GROUP_MISSING({ text: 'ENOENT: No such file or directory' })
  }
  const namespaces = await listNamespaces(store, { parent: ns })
  if (options.deleteGroups) {
    for (const namespace of namespaces) await deleteGroupsOf(store, namespace, result)
  }
  let isAllGone = true
  for (const namespace of namespaces.toReversed()) {
    isAllGone = (await removeEmptyNamespace(store, namespace)) && isAllGone
  }
  await store.files.syncNames(store.path)
  if (!isAllGone && !options.deleteGroups) throw errors.NAMESPACE_NOT_EMPTY({})
  if (result.protectedSnapshots > 0 && options.errorOnProtected) {
    throw errors.GROUP_HAS_PROTECTED({})
  }
  if (!isAllGone && result.protectedSnapshots === 0) throw errors.NAMESPACE_LEFT({ ns })
  return result
}

async function deleteGroupsOf(
  store: Datastore,
  ns: NamespacePath,
  result: { -readonly [Key in keyof DeleteNamespaceResult]: number },
): Promise<void> {
  for (const group of await listGroups(store, ns)) {
    const removed = await deleteGroup(store, ns, group, { errorOnProtected: false })
    result.removedGroups += removed.removedGroups
    result.removedSnapshots += removed.removedSnapshots
    result.protectedSnapshots += removed.protectedSnapshots
  }
}

/** Removes a namespace that has neither groups nor namespaces; true if its folder is gone. Only empty folders go. */
export async function removeEmptyNamespace(store: Datastore, ns: NamespacePath): Promise<boolean> {
  const path = namespacePath(store.path, ns)
  for (const type of BACKUP_TYPES) await store.files.removeEmptyFolder(`${path}/${type}`)
  await store.files.removeEmptyFolder(`${path}/${NAMESPACES_FOLDER}`)
  const isMarkerGone = await removeMarker(store, ns)
  await store.files.removeEmptyFolder(path)
  const isGone = !(await store.files.exists(path))
  // Something came in between: it is a namespace still.
  if (!isGone && isMarkerGone) await store.bucket?.tree.mark(markerPath(ns))
  return isGone
}

/** Only of one that is about to go: nothing is left in its folder. */
async function removeMarker(store: Datastore, ns: NamespacePath): Promise<boolean> {
  if (store.bucket === null) return false
  try {
    const isEmpty = (await store.fs.readDir(namespacePath(store.path, ns))).length === 0
    if (isEmpty) await store.bucket.tree.remove(markerPath(ns))
    return isEmpty
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}

function markerPath(ns: NamespacePath): string {
  return `${relativeNamespacePath(ns)}/${NAMESPACE_OBJECT}`
}

async function childNames(store: Datastore, ns: NamespacePath): Promise<string[]> {
  const folder = `${namespacePath(store.path, ns)}/${NAMESPACES_FOLDER}`
  try {
    const entries = await store.fs.readDir(folder)
    return entries
      .filter((entry) => entry.kind === 'folder' && SAFE_ID.test(entry.name))
      .map((entry) => entry.name)
      .toSorted()
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return []
    throw errors.FILE_OPEN_FAILED({ path: folder, reason: errnoText(error) }, { cause: error })
  }
}
