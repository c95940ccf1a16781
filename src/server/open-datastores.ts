/** The datastores of a configuration, for the server and for commands that work beside it. */
import type { Log } from '../base/log.ts'
import { unixSeconds } from '../base/time/clock.ts'
import type { ConfigFiles } from '../config/config-files.ts'
import { type DatastoreConfig, findDatastore } from '../config/datastores.ts'
import { errors as configErrors } from '../config/errors.ts'
import { ActiveOperations } from '../datastore/active-operations.ts'
import { DatastoreRegistry } from '../datastore/registry.ts'
import type { DatastoreSettings } from '../datastore/settings.ts'
import { procTable, readStartTime } from '../tasks/process-table.ts'
import { errors } from './errors.ts'

export interface OpenDatastoresOptions {
  readonly log: Log
  /** Overrides what the datastores say; null does not. */
  readonly knownChunkWaitMs?: number | null
  /** Pretends that a look at a chunk takes this long, for measurements. */
  readonly lookDelayMs?: number
}

export interface OpenDatastores {
  readonly datastores: DatastoreRegistry
  /** To be flushed after the datastores were closed. */
  readonly operations: ActiveOperations
}

/** The registry of the datastores that `files` name; each is opened when it is first asked for. */
export async function openDatastores(
  files: ConfigFiles,
  { log, knownChunkWaitMs = null, lookDelayMs = 0 }: OpenDatastoresOptions,
): Promise<OpenDatastores> {
  const { fs, clock, paths } = files
  const settingsOf = async (name: string): Promise<DatastoreSettings | null> =>
    settingsFrom(await findDatastore(files, name), knownChunkWaitMs)
  const operations = await openOperations(files, log)
  const options = { fs, clock, log, paths, settingsOf, operations, lookDelayMs }
  return { datastores: new DatastoreRegistry(options), operations }
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
  const { name, path, verifyNew, maintenance, tuning, backend } = config
  if (backend.kind === 'invalid') throw configErrors.BACKEND_INVALID({ reason: backend.reason })
  if (backend.kind === 's3') {
    throw errors.NOT_BUILT_YET({ what: `S3 (datastore '${name}')`, status: 501 })
  }
  return {
    path,
    backend: { kind: 'filesystem' },
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
