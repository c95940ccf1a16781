/**
 * `s3-refresh` of a datastore, for the call, the command and the takeover (datastore-semantics.md 19.6): its maintenance
 * mode keeps everybody out from before the first change until all is there. What ends it in between leaves the mode, and
 * another refresh goes on; what refuses it before it has begun does not.
 */
import { hasCode } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import type { ConfigFiles } from '../../config/config-files.ts'
import { changeDatastore, type DatastoreConfig, findDatastore } from '../../config/datastores.ts'
import { errors as configErrors } from '../../config/errors.ts'
import type { ActiveOperations } from '../../datastore/active-operations.ts'
import { refreshStore } from '../../datastore/bucket/refresh.ts'
import type { DatastoreRegistry } from '../../datastore/registry.ts'
import { refused } from '../errors.ts'

export interface RefreshParts {
  readonly files: ConfigFiles
  readonly datastores: DatastoreRegistry
  readonly operations: ActiveOperations
  /** Name of this host for `.in-use`, where the bucket is taken over. */
  readonly node?: string
}

export interface DatastoreRefresh {
  readonly name: string
  /** Become the holder of the bucket although another server is. */
  readonly takesOver: boolean
  /** The maintenance mode that the datastore is to have then; none by default. */
  readonly wantedMode?: string | undefined
}

const MODE_KEY = 'maintenance-mode'
const MODE = 's3-refresh'
/** As for a collection: what ends meanwhile makes room. */
const BUSY_WAIT_MS = 10_000
const BUSY_RETRY_MS = 100
/** Nothing was changed before these. */
const NOT_BEGUN = ['BUCKET_BUSY', 'BUCKET_HELD', 'BUCKET_IN_USE'] as const

/** Errors: `store '…' not backed by S3`, `datastore is currently in use`, those of refreshStore. */
export async function refreshDatastore(
  parts: RefreshParts,
  { name, takesOver, wantedMode }: DatastoreRefresh,
  progress: Progress,
): Promise<void> {
  const { files, datastores, operations } = parts
  const config = await checkRefreshable(files, name)
  const isGoingOn = config.maintenance?.type === MODE
  await whileIdle(parts, name, async () => await setMode(files, name, MODE))
  try {
    using _operation = operations.begin(name, 'write')
    await operations.published(name)
    const store = await datastores.lookup(name, 'lookup')
    const host = parts.node === undefined ? {} : { hostname: parts.node }
    await refreshStore(store, { progress, takesOver, ...host })
  } catch (error) {
    if (!isGoingOn && hasCode(error, ...NOT_BEGUN)) await setMode(files, name, wantedMode ?? null)
    throw error
  }
  await setMode(files, name, wantedMode ?? null)
}

/** Errors: DATASTORE_UNKNOWN, `store '…' not backed by S3`, another maintenance mode. */
export async function checkRefreshable(files: ConfigFiles, name: string): Promise<DatastoreConfig> {
  const config = await findDatastore(files, name)
  if (config === null) throw configErrors.DATASTORE_UNKNOWN({ name, status: 400 })
  if (config.backend.kind !== 's3') throw refused(`store '${name}' not backed by S3`)
  const { maintenance } = config
  if (maintenance !== null && maintenance.type !== MODE) {
    throw refused(`datastore '${name}' is in maintenance mode '${maintenance.type}'`)
  }
  return config
}

async function whileIdle(
  { files, operations }: RefreshParts,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  const { clock } = files
  const deadline = clock.monotonic() + BUSY_WAIT_MS
  while (!(await operations.whileIdle(name, work))) {
    if (clock.monotonic() >= deadline) throw refused('datastore is currently in use')
    await clock.sleep(BUSY_RETRY_MS)
  }
}

async function setMode(files: ConfigFiles, name: string, mode: string | null): Promise<void> {
  await changeDatastore(
    files,
    name,
    mode === null ? { delete: [MODE_KEY] } : { set: new Map([[MODE_KEY, mode]]) },
  )
}
