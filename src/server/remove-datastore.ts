/**
 * Removal of a datastore, for the call and for the command (datastore-semantics.md 9.4, rest-api.md 4.9).
 *
 * Order: out of use, only while nobody works on it; then its bucket, emptied or given back; then, if its data goes, the
 * referrers before the chunks; then jobs
 * and rights; then the configuration; the lock file and the folder last. Whatever ends it after the first step leaves
 * the datastore in mode `delete`, and another removal goes on there; with its data, the next start does (see
 * removal-notes.ts).
 */
import type { FileSystem } from '../base/fs/file-system.ts'
import { CairnError, hasCode } from '../base/errors.ts'
import type { Progress } from '../base/progress.ts'
import type { ConfigFiles } from '../config/config-files.ts'
import { closeForRemoval, removeDatastoreConfig } from '../config/datastore-removal.ts'
import { findDatastore } from '../config/datastores.ts'
import { errors as configErrors } from '../config/errors.ts'
import type { ActiveOperations } from '../datastore/active-operations.ts'
import { checkUnused, destroyContent, removeEmptied } from '../datastore/destroy.ts'
import type { DatastoreRegistry } from '../datastore/registry.ts'
import { removeStateFolders } from '../datastore/state-folder.ts'
import { forgetCollections } from './collection-job.ts'
import { leaveBucket } from './s3/leave-bucket.ts'
import type { S3Access } from './s3/s3-access.ts'
import { forgetRemoval, noteRemoval } from './removal-notes.ts'

export interface RemovalParts {
  readonly fs: FileSystem
  readonly files: ConfigFiles
  readonly operations: ActiveOperations
  readonly datastores: DatastoreRegistry
  readonly paths: { readonly state: string }
  readonly s3: S3Access
}

export interface DatastoreRemoval {
  readonly name: string
  readonly destroyData: boolean
  readonly keepJobs: boolean
  /** Refuses if the configuration file has another one. */
  readonly digest?: string | undefined
}

/** Errors: DATASTORE_MISSING, CONFIG_MODIFIED, DATASTORE_IN_USE (it stays as it was); those of the file system. */
export async function removeDatastore(
  parts: RemovalParts,
  removal: DatastoreRemoval,
  progress: Progress,
): Promise<void> {
  const { fs, files, operations, datastores, paths } = parts
  const { name, destroyData, keepJobs, digest } = removal
  const config = await findDatastore(files, name)
  if (config === null) throw configErrors.DATASTORE_MISSING({ name })
  const { path } = config
  const isIdle = await operations.whileIdle(name, async () => {
    await orInUse(name, checkUnused(fs, path))
    await closeForRemoval(files, name, { digest })
  })
  if (!isIdle) throw inUse(name)
  // Nothing goes before the note is durable; what an older one says does not count any more.
  if (destroyData) await noteRemoval(fs, paths.state, { name, path, keepJobs })
  else await forgetRemoval(fs, paths.state, name)
  // What this process holds open of it is closed before it goes.
  await datastores.letGoUnused()
  await leaveBucket(parts, config, { destroyData, progress })
  if (destroyData) await orInUse(name, destroyContent(fs, path, progress))
  progress.log('Removing datastore from config...')
  await forgetCollections(fs, paths.state, name)
  await removeDatastoreConfig(files, name, { keepJobs })
  if (!destroyData) return
  // What is remembered of it must not be taken for another's of this name.
  await removeStateFolders(fs, { folder: `${paths.state}/datastores/${name}`, path })
  await removeEmptied(fs, path, progress)
  await forgetRemoval(fs, paths.state, name)
}

async function orInUse(name: string, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (hasCode(error, 'PROCESS_LOCK_BUSY', 'PROCESS_LOCK_HELD')) throw inUse(name)
    throw error
  }
}

function inUse(store: string): CairnError {
  return new CairnError('datastore is currently in use', {
    kind: 'Conflict',
    code: 'DATASTORE_IN_USE',
    data: { store },
  })
}
