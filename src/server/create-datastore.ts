/**
 * Creation of a datastore, for the call and for the command (rest-api §4.9, datastore-semantics.md 19.3).
 *
 * Order for one in a bucket: what the store does is probed and its `.in-use` looked at before anything is made; then the
 * folder, then the claim, then the configuration. What is taken over is brought here last, as a refresh: if that is
 * interrupted, the datastore is there, in maintenance mode `s3-refresh`, and another refresh goes on.
 */
import type { FileSystem } from '../base/fs/file-system.ts'
import type { Log } from '../base/log.ts'
import type { Progress } from '../base/progress.ts'
import type { ConfigFiles } from '../config/config-files.ts'
import { addDatastore } from '../config/datastores.ts'
import { parseBackend, type S3Backend } from '../config/datastore-backend.ts'
import type { ActiveOperations } from '../datastore/active-operations.ts'
import { claimBucket, isHeldFromHere } from '../datastore/bucket/claim.ts'
import { parseInUse } from '../datastore/bucket/holder-object.ts'
import { IN_USE_OBJECT } from '../datastore/bucket/keys.ts'
import type { OpenedObjects } from '../datastore/bucket/store-bucket.ts'
import { createDatastore, type CreateDatastoreOptions } from '../datastore/create.ts'
import { errors as datastoreErrors } from '../datastore/errors.ts'
import type { DatastoreRegistry } from '../datastore/registry.ts'
import { refreshDatastore } from './s3/refresh-datastore.ts'
import type { S3Access } from './s3/s3-access.ts'

export interface CreationParts {
  readonly fs: FileSystem
  readonly files: ConfigFiles
  readonly log: Log
  readonly s3: S3Access
  readonly datastores: DatastoreRegistry
  readonly operations: ActiveOperations
  /** Host name as others read it in the bucket. */
  readonly node: string
}

export interface NewDatastore {
  readonly name: string
  /** Absolute. */
  readonly path: string
  /** Take over what lies in the folder, or in the bucket. */
  readonly reuse: boolean
  /** Take a bucket that is in use. */
  readonly overwriteInUse: boolean
  /** What is stored, without `path`. */
  readonly properties: ReadonlyMap<string, string>
}

const MODE_KEY = 'maintenance-mode'

/**
 * Makes the folder and adds the section, under the lock of the configuration. Errors: those of addDatastore,
 * DATASTORE_CREATE_FAILED, BACKEND_INVALID, S3_ENDPOINT_UNKNOWN, S3_UNUSABLE, the errors of ObjectStore.
 */
export async function runCreation(
  parts: CreationParts,
  datastore: NewDatastore,
  progress: Progress,
): Promise<void> {
  const { files, fs } = parts
  const { name, path, reuse, properties } = datastore
  const backend = parseBackend(properties.get('backend') ?? '')
  if (backend.kind === 's3') {
    await createInBucket(parts, datastore, { backend, progress })
    return
  }
  // A folder that is taken over keeps its owner.
  const owner = reuse ? undefined : await files.newFileOwner()
  await addDatastore(files, { name, path, properties }, async () => {
    await createDatastore(fs, { name, path, reuse, progress, owner })
  })
}

async function createInBucket(
  parts: CreationParts,
  datastore: NewDatastore,
  { backend, progress }: { readonly backend: S3Backend; readonly progress: Progress },
): Promise<void> {
  const { files, fs, s3, log } = parts
  const { clock, paths } = files
  const { name, path, reuse, overwriteInUse } = datastore
  const wantedMode = datastore.properties.get(MODE_KEY)
  const properties = new Map(datastore.properties)
  if (reuse) properties.set(MODE_KEY, 's3-refresh')
  await addDatastore(files, { name, path, properties }, async () => {
    const opened = await s3.openStore({ ...backend, prefix: name })
    try {
      const isOurs = await isHeldFromHere(fs, { opened, prefix: name, path })
      if (!overwriteInUse && !isOurs) await checkNotInUse(opened, name)
      const owner = await files.newFileOwner()
      const folder: CreateDatastoreOptions = { name, path, reuse, progress, owner }
      await createDatastore(fs, { ...folder, isInBucket: true, nowMs: clock.now() })
      const stateFolder = `${paths.state}/datastores/${name}`
      const place = { opened, prefix: name, path, stateFolder, owner, progress, clock, log }
      await claimBucket(fs, { ...place, hostname: parts.node, overwriteInUse })
    } finally {
      await opened.close?.()
    }
  })
  if (reuse) await refreshDatastore(parts, { name, takesOver: false, wantedMode }, progress)
}

/** Early, before 65,536 folders are made; the claim asks again, in a way that two cannot pass. */
async function checkNotInUse({ objects }: OpenedObjects, name: string): Promise<void> {
  const found = await objects.get(`${name}/${IN_USE_OBJECT}`)
  if (found === null) return
  const host = parseInUse(found.body)
  const text = 'Bucket already contains datastore in use'
  throw datastoreErrors.DATASTORE_CREATE_FAILED({
    text: host === null ? text : `${text} by host ${host}`,
  })
}
