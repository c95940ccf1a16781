/** Claims a bucket for a new datastore and gives it back (formats.md 10.3, races.md R-39). */
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { Progress } from '../../base/progress.ts'
import type { Ledger } from '../../storage/ledger.ts'
import type { OpenedObjects } from './store-bucket.ts'

export interface BucketPlace {
  readonly opened: OpenedObjects
  /** The datastore's name. */
  readonly prefix: string
  readonly progress: Progress
}

export interface ClaimBucketOptions extends BucketPlace {
  /** Host name as stock writes it into `.in-use`. */
  readonly hostname: string
  /** Take it although it is in use. */
  readonly overwriteInUse: boolean
  /** The datastore's folder, made before (createDatastore with its backend). */
  readonly path: string
  /** As of the registry: `<state>/datastores/<name>`. */
  readonly stateFolder: string
  /** Default: the SQLite file. */
  readonly openLedger?: (path: string) => Promise<Ledger>
}

/**
 * Makes us the holder. Throws DATASTORE_CREATE_FAILED with stock's text `Bucket already contains datastore in use by
 * host …`, the errors of ObjectStore. What is in the bucket stays; `refreshStore` brings it here.
 */
export async function claimBucket(fs: FileSystem, options: ClaimBucketOptions): Promise<void> {
  await fs.stat(options.path)
  throw new Error(`not yet: ${options.prefix}`)
}

/** Removes `.cairn-holder` and `.in-use`, and nothing else: the datastore goes from our configuration, its data stay. */
export async function giveBackBucket(place: BucketPlace): Promise<void> {
  await Promise.resolve()
  throw new Error(`not yet: ${place.prefix}`)
}

/** Removes every object below `<prefix>/`, the holder last. Its protected snapshots, too. */
export async function destroyBucket(place: BucketPlace): Promise<void> {
  await Promise.resolve()
  throw new Error(`not yet: ${place.prefix}`)
}
