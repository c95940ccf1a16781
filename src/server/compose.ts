/** Puts together what handlers receive: configuration, authentication, datastores, tasks. */
import os from 'node:os'
import { toError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { type Log, silentLog } from '../base/log.ts'
import { type Clock, systemClock } from '../base/time/clock.ts'
import { ConfigFiles } from '../config/config-files.ts'
import { listDatastores } from '../config/datastores.ts'
import { ensurePlaces, type Paths } from '../config/paths.ts'
import { READ_AHEAD_COUNT } from '../datastore/sessions/read-ahead.ts'
import { TaskRegistry } from '../tasks/task-registry.ts'
import { openAuth } from './auth/auth-context.ts'
import { FileAuthLog } from './auth/auth-log.ts'
import type { ServerContext, ServerVersion, SessionSettings } from './context.ts'
import { finishRemovals } from './finish-removals.ts'
import { openDatastores } from './open-datastores.ts'
import type { BucketOpener } from './s3/bucket-opener.ts'
import { loadRealBuckets } from './s3/load-buckets.ts'
import { S3Access } from './s3/s3-access.ts'
import { SnapshotLists } from './snapshot-lists.ts'

/** What peers are told: the calls of stock 4.2.3 are those we know. */
export const SERVER_VERSION: ServerVersion = Object.freeze({
  version: '4.2',
  release: '3',
  // "cairn" and zeros: nobody's commit, and always the same.
  repoid: '636169726e'.padEnd(40, '0'),
})

export interface ComposeOptions {
  readonly paths: Paths
  readonly fs?: FileSystem
  readonly clock?: Clock
  readonly log?: Log
  /** Host name in UPIDs; the machine's by default. */
  readonly node?: string
  readonly version?: ServerVersion
  readonly sessions?: Partial<SessionSettings>
  /** Pretends that a look at a chunk takes this long, for measurements. */
  readonly lookDelayMs?: number
  /** Of the certificate. */
  readonly fingerprint: string
  /** How buckets are reached; tests have one in memory. */
  readonly buckets?: BucketOpener
}

export interface Composition {
  readonly context: ServerContext
  /** Writes out what is waiting and closes the datastores; sessions and tasks must have ended. */
  close(): Promise<void>
}

/**
 * Opens everything below `paths`. Each line of `report` is something that the administrator
 * should read: snapshots that nobody finished, datastores that do not open.
 */
export async function compose(
  options: ComposeOptions,
  report: (line: string) => void,
): Promise<Composition> {
  const { paths, fs = nodeFileSystem, clock = systemClock, log = silentLog } = options
  const { lookDelayMs = 0 } = options
  await ensurePlaces(fs, paths)
  const files = new ConfigFiles({ fs, clock, paths })
  const authLog = new FileAuthLog(files, log)
  const auth = await openAuth({ files, clock, log: authLog })
  const sessions: SessionSettings = {
    knownChunkWaitMs: null,
    readAheadCount: READ_AHEAD_COUNT,
    ...options.sessions,
  }
  const { buckets } = options
  const loadOpener = buckets === undefined ? loadRealBuckets : async () => buckets
  const s3 = new S3Access({ files, log, loadOpener, probes: 'start' })
  const stores = { log, s3, knownChunkWaitMs: sessions.knownChunkWaitMs, lookDelayMs }
  const opened = await openDatastores(files, stores)
  const { datastores, operations } = opened
  const node = options.node ?? nodeName(os.hostname())
  const tasks = await TaskRegistry.open({ fs, clock, paths, node, log })
  const known = await listDatastores(files)
  const usable = known.datastores.filter(({ maintenance }) => maintenance === null)
  await datastores.recover(
    usable.map(({ name }) => name),
    report,
  )
  const removals = finishRemovals({ fs, files, operations, datastores, paths, s3 }, tasks, report)
  await removals.catch((thrown: unknown) => {
    report(`removals that did not end cannot be finished: ${toError(thrown).message}`)
  })
  const lists = new SnapshotLists(clock)
  const context: ServerContext = Object.freeze({
    fs,
    clock,
    log,
    paths,
    files,
    auth,
    tasks,
    datastores,
    operations,
    s3,
    lists,
    node,
    version: options.version ?? SERVER_VERSION,
    fingerprint: options.fingerprint,
    sessions,
  })
  const close = async (): Promise<void> => {
    await tasks.idle()
    await lists[Symbol.asyncDispose]()
    await opened.close()
    await authLog.flush()
  }
  return { context, close }
}

/** The host's first label, as far as it may stand in a UPID. */
export function nodeName(hostname: string): string {
  const label = hostname.split('.', 1)[0] ?? ''
  return label.replace(/[^A-Za-z0-9-]/g, '-').replace(/^-+|-+$/g, '') || 'localhost'
}
