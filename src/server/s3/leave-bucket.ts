/** The bucket of a datastore that is removed: given back, or emptied (datastore-semantics.md 9.4, 19.3). */
import { CairnError, hasCode, toError } from '../../base/errors.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import { silentLog } from '../../base/log.ts'
import type { Progress } from '../../base/progress.ts'
import type { ConfigFiles } from '../../config/config-files.ts'
import type { DatastoreConfig } from '../../config/datastores.ts'
import { giveBackBucket } from '../../datastore/bucket/claim.ts'
import { destroyBucket } from '../../datastore/bucket/destroy-bucket.ts'
import { CACHE_FOLDER } from '../../datastore/bucket/open-bucket.ts'
import type { S3Access } from './s3-access.ts'

export interface LeavingParts {
  readonly fs: FileSystem
  readonly files: ConfigFiles
  readonly paths: { readonly state: string }
  readonly s3: S3Access
}

/**
 * Ends our hold on the bucket of `config`, if it has one; with `destroyData` all its objects go first. A bucket that does
 * not exist any more is no error, and one that cannot be reached is none either if nothing is to be removed there: a
 * datastore can always be taken out of the configuration. Errors: those of destroyBucket.
 */
export async function leaveBucket(
  { fs, files, paths, s3 }: LeavingParts,
  config: DatastoreConfig,
  { destroyData, progress }: { readonly destroyData: boolean; readonly progress: Progress },
): Promise<void> {
  const { backend, name, path } = config
  if (backend.kind !== 's3') return
  try {
    const opened = await s3.openStore({ ...backend, prefix: name })
    try {
      const { clock } = files
      const stateFolder = `${paths.state}/datastores/${name}`
      const place = { opened, prefix: name, path, stateFolder, progress, clock, log: silentLog }
      await (destroyData ? destroyBucket : giveBackBucket)(fs, place)
    } finally {
      await opened.close?.()
    }
  } catch (error) {
    if (destroyData ? !isGone(error) : !hasCode(error, ...UNREACHABLE)) throw error
    progress.warn(`The bucket was left as it is: ${toError(error).message}`)
  }
  await fs.removeTree(`${path}/${CACHE_FOLDER}`)
}

const UNREACHABLE = [
  'S3_REFUSED',
  'S3_UNAVAILABLE',
  'S3_UNUSABLE',
  'S3_ENDPOINT_UNKNOWN',
  'S3_ENDPOINT_INVALID',
] as const

function isGone(error: unknown): boolean {
  const { reason } = error instanceof CairnError ? error.data : {}
  return hasCode(error, 'S3_REFUSED') && String(reason).startsWith('NoSuchBucket')
}
