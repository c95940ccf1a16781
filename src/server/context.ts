/** What a handler receives: the whole server, put together once in `server.ts`. */
import type { FileSystem } from '../base/fs/file-system.ts'
import type { Log } from '../base/log.ts'
import type { Clock } from '../base/time/clock.ts'
import type { ConfigFiles } from '../config/config-files.ts'
import type { Paths } from '../config/paths.ts'
import type { ActiveOperations } from '../datastore/active-operations.ts'
import type { DatastoreRegistry } from '../datastore/registry.ts'
import type { TaskRegistry } from '../tasks/task-registry.ts'
import type { AuthContext } from './auth/auth-context.ts'
import type { S3Access } from './s3/s3-access.ts'
import type { SnapshotLists } from './snapshot-lists.ts'

/** The version that peers read to know what we can (rest-api §4.1). */
export interface ServerVersion {
  /** Major and minor: `4.2`. */
  readonly version: string
  readonly release: string
  /** 40 hex digits. */
  readonly repoid: string
}

/** How sessions behave; each has a default in `server.ts`. */
export interface SessionSettings {
  /** How long `GET /previous` waits for the look at known chunks; null: as the datastore says. */
  readonly knownChunkWaitMs: number | null
  /** Chunks read ahead of a reader session along the index it opened. */
  readonly readAheadCount: number
}

export interface ServerContext {
  readonly fs: FileSystem
  readonly clock: Clock
  readonly log: Log
  readonly paths: Paths
  readonly files: ConfigFiles
  readonly auth: AuthContext
  readonly tasks: TaskRegistry
  readonly datastores: DatastoreRegistry
  /** Whoever works on a datastore for longer than a call begins an operation here. */
  readonly operations: ActiveOperations
  /** Buckets of S3 stores. */
  readonly s3: S3Access
  readonly lists: SnapshotLists
  /** Host name as it stands in UPIDs. */
  readonly node: string
  readonly version: ServerVersion
  /** SHA-256 of the certificate, lower-case hex with colons. */
  readonly fingerprint: string
  readonly sessions: SessionSettings
}
