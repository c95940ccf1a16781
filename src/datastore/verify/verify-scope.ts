/** A verification as a task: of a datastore, a group or a snapshot, with the lines and the error at its end. */
import type { GroupRef, SnapshotRef } from '../../formats/names.ts'
import { namespaceFolder, type NamespacePath } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { errors } from '../errors.ts'
import { relativeSnapshotPath } from '../layout.ts'
import { verifyDatastore, type VerifyDatastoreOptions } from './verify-datastore.ts'
import { verifyGroup } from './verify-group.ts'
import { openVerifyRun } from './verify-run.ts'
import { verifySnapshot } from './verify-snapshot.ts'

/** What is verified; `all` is the namespace with `maxDepth` levels below. */
export type VerifyScope = { readonly ns: NamespacePath } & (
  | { readonly kind: 'all'; readonly maxDepth?: number | undefined }
  | { readonly kind: 'group'; readonly group: GroupRef }
  | { readonly kind: 'snapshot'; readonly ref: SnapshotRef }
)

export type VerifyScopeOptions = Omit<VerifyDatastoreOptions, 'ns' | 'maxDepth'>

/** Worker type and id of the task, as stock has them (datastore-semantics.md 11.4). */
export function verifyTaskName(
  store: string,
  scope: VerifyScope,
): { readonly type: string; readonly id: string } {
  const folder = namespaceFolder(scope.ns)
  switch (scope.kind) {
    case 'all':
      return { type: 'verify', id: folder === '' ? store : `${store}:${folder}` }
    case 'group':
      return {
        type: 'verify_group',
        id: `${store}:${folder}/${scope.group.type}/${scope.group.id}`,
      }
    case 'snapshot': {
      const { type, id, time } = scope.ref
      const hex = time.toString(16).toUpperCase().padStart(8, '0')
      return { type: 'verify_snapshot', id: `${store}:${folder}/${type}/${id}/${hex}` }
    }
    default:
      return scope satisfies never
  }
}

/** Verifies `scope`; throws VERIFICATION_FAILED if anything in it is not good, after it was named in the log. */
export async function verifyScope(
  store: Datastore,
  scope: VerifyScope,
  options: VerifyScopeOptions,
): Promise<void> {
  const failed = await failedOf(store, scope, options)
  if (failed.length === 0) return
  options.progress.log('Failed to verify the following snapshots/groups:')
  for (const name of failed) options.progress.log(`\t${name}`)
  throw errors.VERIFICATION_FAILED({})
}

async function failedOf(
  store: Datastore,
  scope: VerifyScope,
  options: VerifyScopeOptions,
): Promise<readonly string[]> {
  const { ns } = scope
  if (scope.kind === 'all') {
    const { maxDepth } = scope
    return (await verifyDatastore(store, { ...options, ns, maxDepth })).failed
  }
  await using run = openVerifyRun(store, options)
  const { progress, upid, ignoreVerified, outdatedAfterDays } = options
  const inRun = { progress, upid, run, skip: { ignoreVerified, outdatedAfterDays } }
  if (scope.kind === 'group') return await verifyGroup(store, ns, scope.group, inRun)
  const { ok } = await verifySnapshot(store, ns, scope.ref, inRun)
  return ok ? [] : [relativeSnapshotPath(ns, scope.ref)]
}
