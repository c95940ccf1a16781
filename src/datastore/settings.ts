/** What an administrator chose for a datastore, as plain values: `config` reads them, `server` hands them over. */

export type SyncLevel = 'none' | 'filesystem' | 'file'
/** When known chunks are looked at: when registered and at finish, when registered only, never. */
export type KnownChunkCheck = 'full' | 'register' | 'off'
export type MaintenanceType = 'read-only' | 'offline' | 'delete' | 'unmount' | 's3-refresh'

/** How chunks are verified where a run says nothing else. */
export interface VerificationSettings {
  /** By inode, or as the index has them. */
  readonly chunkOrder: 'inode' | 'none'
  /** Files read at a time, 1 … 32. */
  readonly readThreads: number
  /** Chunks decoded at a time, 1 … 32. */
  readonly verifyThreads: number
  /** Stored bytes read per second at most; null for no limit. */
  readonly rateLimit: number | null
}

/** Where the chunks lie. */
export type BackendSettings =
  | { readonly kind: 'filesystem' }
  | {
      readonly kind: 's3'
      /** Name of the endpoint's configuration. */
      readonly endpointId: string
      readonly bucket: string
      /** Bytes of chunk contents kept locally at most; null: as much as there is room for. */
      readonly maxCacheBytes: number | null
    }

export interface DatastoreSettings {
  /** Folder of the datastore, absolute; of one in a bucket the copy of its tree, and its cache. */
  readonly path: string
  readonly backend: BackendSettings
  readonly syncLevel: SyncLevel
  readonly verifyNew: boolean
  readonly knownChunkCheck: KnownChunkCheck
  /** How long `GET /previous` waits for the look at its chunks. */
  readonly knownChunkWaitMs: number
  /** How old an unreferenced chunk must be to be removed. */
  readonly gcGraceMs: number
  /** Bytes that the marks of a collection may take; more passes are made if they would take more. */
  readonly gcMemoryMax: number
  readonly verification: VerificationSettings
  readonly maintenance: { readonly type: MaintenanceType; readonly message: string } | null
}

/** A client waits for this answer; stock clients give up on nothing, people do. */
export const KNOWN_CHUNK_WAIT_MS = 5_000

/** Stock's default: a day, and five minutes for clocks that differ. */
export const GC_GRACE_MS = 86_700_000
/** About 60 million chunks. */
export const GC_MEMORY_MAX = 1 << 30

/** Stock's. */
const VERIFICATION: VerificationSettings = Object.freeze({
  chunkOrder: 'inode',
  readThreads: 1,
  verifyThreads: 4,
  rateLimit: null,
})

/** The settings of a datastore whose configuration says only where it is. */
export function defaultSettings(path: string): DatastoreSettings {
  return Object.freeze({
    path,
    backend: { kind: 'filesystem' } as const,
    syncLevel: 'filesystem',
    verifyNew: false,
    knownChunkCheck: 'full',
    knownChunkWaitMs: KNOWN_CHUNK_WAIT_MS,
    gcGraceMs: GC_GRACE_MS,
    gcMemoryMax: GC_MEMORY_MAX,
    verification: VERIFICATION,
    maintenance: null,
  })
}
