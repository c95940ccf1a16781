/** The datastores of a configuration, for the server and for commands that work beside it. */
import { assert } from '../base/assert.ts'
import type { Log } from '../base/log.ts'
import { unixSeconds } from '../base/time/clock.ts'
import type { ConfigFiles } from '../config/config-files.ts'
import { type DatastoreConfig, findDatastore } from '../config/datastores.ts'
import { errors as configErrors } from '../config/errors.ts'
import { ActiveOperations } from '../datastore/active-operations.ts'
import { DatastoreRegistry } from '../datastore/registry.ts'
import type { DatastoreSettings } from '../datastore/settings.ts'
import { procTable, readBootId, readStartTime } from '../tasks/process-table.ts'
import { loadRealBuckets } from './s3/load-buckets.ts'
import { S3Access } from './s3/s3-access.ts'

export interface OpenDatastoresOptions {
  readonly log: Log
  /** Where buckets come from; by default one of its own, which probes only what was never probed. */
  readonly s3?: S3Access
  /** Overrides what the datastores say; null does not. */
  readonly knownChunkWaitMs?: number | null
  /** Pretends that a look at a chunk takes this long, for measurements. */
  readonly lookDelayMs?: number
}

export interface OpenDatastores {
  readonly datastores: DatastoreRegistry
  readonly operations: ActiveOperations
  readonly s3: S3Access
  /** Closes all of them; sessions and tasks must have ended. */
  close(): Promise<void>
}

/** The registry of the datastores that `files` name; each is opened when it is first asked for. */
export async function openDatastores(
  files: ConfigFiles,
  {
    log,
    s3 = realAccess(files, log),
    knownChunkWaitMs = null,
    lookDelayMs = 0,
  }: OpenDatastoresOptions,
): Promise<OpenDatastores> {
  const { fs, clock, paths } = files
  const settingsOf = async (name: string): Promise<DatastoreSettings | null> =>
    settingsFrom(await findDatastore(files, name), knownChunkWaitMs)
  const operations = await openOperations(files, log)
  const openObjects = async ({ backend }: DatastoreSettings, name: string) => {
    assert(backend.kind === 's3', 'a datastore in a folder has no bucket')
    const bucket = { ...backend, prefix: name }
    const config = await findDatastore(files, name)
    s3.counters.configure(bucket, config?.raw)
    return await s3.openStore(bucket)
  }
  const bootId = await readBootId(fs)
  const options = {
    fs,
    clock,
    log,
    paths,
    settingsOf,
    operations,
    lookDelayMs,
    bootId,
    openObjects,
  }
  const datastores = new DatastoreRegistry(options)
  const close = async (): Promise<void> => {
    // The first error is told, and all is closed.
    await using stack = new AsyncDisposableStack()
    stack.use(s3)
    stack.defer(async () => await operations.flush())
    stack.defer(async () => await datastores.close())
  }
  return { datastores, operations, s3, close }
}

function realAccess(files: ConfigFiles, log: Log): S3Access {
  return new S3Access({ files, log, loadOpener: loadRealBuckets, probes: 'once' })
}

/** Where stock counts them, too. */
async function openOperations(files: ConfigFiles, log: Log): Promise<ActiveOperations> {
  const { fs, clock, paths } = files
  const starttime = (await readStartTime(fs, process.pid)) ?? unixSeconds(clock)
  return new ActiveOperations({
    fs,
    clock,
    log,
    folder: `${paths.run}/active-operations`,
    self: { pid: process.pid, starttime },
    isAlive: async (pid, started) => await procTable(fs).isAlive(pid, started),
    owner: await files.newFileOwner(),
  })
}

function settingsFrom(
  config: DatastoreConfig | null,
  knownChunkWaitMs: number | null,
): DatastoreSettings | null {
  if (config === null) return null
  const { path, verifyNew, maintenance, tuning, backend } = config
  if (backend.kind === 'invalid') throw configErrors.BACKEND_INVALID({ reason: backend.reason })
  return {
    path,
    backend,
    verifyNew,
    syncLevel: tuning.syncLevel,
    knownChunkCheck: tuning.knownChunkCheck,
    knownChunkWaitMs: knownChunkWaitMs ?? tuning.knownChunkWaitMs,
    gcGraceMs: tuning.gcGraceMs,
    gcMemoryMax: tuning.gcMemoryMax,
    verification: {
      chunkOrder: tuning.chunkOrder,
      readThreads: tuning.verifyReadThreads,
      verifyThreads: tuning.verifyThreads,
      rateLimit: tuning.verifyRateLimit,
    },
    maintenance:
      maintenance === null ? null : { type: maintenance.type, message: maintenance.message ?? '' },
  }
}
