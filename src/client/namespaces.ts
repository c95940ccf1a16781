/** REST calls about namespaces (spec cli 4.15). */
import { parseNamespace, parentNamespace } from '../formats/namespace.ts'
import type { Envelope } from './answer.ts'
import type { Connection } from './connection.ts'
import { errors } from './errors.ts'
import { storePath, upidOf } from './snapshots.ts'

export interface ListedNamespace {
  readonly ns: string
  readonly comment?: string
}

/** The namespaces below `parent` and itself, as the whole answer and as its list. */
export async function listNamespaces(
  connection: Connection,
  { parent, maxDepth }: { readonly parent: string; readonly maxDepth: number | undefined },
): Promise<{ readonly envelope: Envelope; readonly namespaces: readonly ListedNamespace[] }> {
  const query = { parent: parent === '' ? undefined : parent, 'max-depth': maxDepth }
  const envelope = await connection.get(storePath(connection, 'namespace'), query)
  const { data } = envelope
  const namespaces = Array.isArray(data) ? (data as readonly ListedNamespace[]) : []
  return { envelope, namespaces }
}

/** @throws NAMESPACE_ROOT_PRESENT, namespace errors */
export async function createNamespace(connection: Connection, namespace: string): Promise<void> {
  const path = parseNamespace(namespace)
  const parent = parentNamespace(path)
  if (parent === null) throw errors.NAMESPACE_ROOT_PRESENT({})
  const name = path.slice(parent === '' ? 0 : parent.length + 1)
  await connection.post(storePath(connection, 'namespace'), { name, parent })
}

/** @throws NAMESPACE_ROOT_DELETE */
export async function deleteNamespace(
  connection: Connection,
  namespace: string,
  { deleteGroups }: { readonly deleteGroups: boolean | undefined },
): Promise<void> {
  if (namespace === '') throw errors.NAMESPACE_ROOT_DELETE({})
  const query = { ns: namespace, 'delete-groups': deleteGroups }
  await connection.delete(storePath(connection, 'namespace'), query)
}

export interface NamespaceMove {
  readonly namespace: string
  /** The complete new name. */
  readonly targetNamespace: string
  readonly maxDepth: number | undefined
  readonly deleteSource: boolean | undefined
  readonly mergeGroups: boolean | undefined
}

/** Starts the move of a namespace with all below it; the UPID of its task. @throws NAMESPACE_ROOT_MOVE */
export async function moveNamespace(connection: Connection, move: NamespaceMove): Promise<string> {
  if (move.namespace === '') throw errors.NAMESPACE_ROOT_MOVE({})
  const { data } = await connection.post(storePath(connection, 'move-namespace'), {
    ns: move.namespace,
    'target-ns': move.targetNamespace,
    'max-depth': move.maxDepth,
    'delete-source': move.deleteSource,
    'merge-groups': move.mergeGroups,
  })
  return upidOf(data)
}
