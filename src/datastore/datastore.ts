/** An open datastore: the object that every operation receives. Made by the registry. */
import { isSystemError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import type { Log } from '../base/log.ts'
import type { Clock } from '../base/time/clock.ts'
import type { ChunkBackend } from '../storage/chunk-backend.ts'
import type { ChunkLooker } from '../storage/chunk-looker.ts'
import { FilesystemBackend } from '../storage/filesystem-backend.ts'
import { errnoText } from '../storage/os-error-text.ts'
import type { BucketDoors } from './bucket/open-bucket.ts'
import type { StoreBucket } from './bucket/store-bucket.ts'
import { ChunkStore } from './chunk-store.ts'
import { errors } from './errors.ts'
import { CHUNKS_FOLDER, PROCESS_LOCK_FILE } from './layout.ts'
import type { LockBook } from './lock-book.ts'
import { LockTable } from './locks.ts'
import type { DatastoreSettings } from './settings.ts'
import { StoreCore } from './store-core.ts'
import { type Owner, StoreFiles } from './store-files.ts'

export interface Datastore {
  readonly name: string
  readonly path: string
  readonly settings: DatastoreSettings
  readonly fs: FileSystem
  readonly clock: Clock
  readonly log: Log
  /** Owner of new files; undefined leaves the process's. */
  readonly owner: Owner | undefined
  readonly locks: LockTable
  readonly files: StoreFiles
  readonly chunks: ChunkStore
  /** What belongs to the store's identity: process lock, gate, sessions, syncs, doubt, journal. */
  readonly core: StoreCore
  /** Null for a datastore in a folder. */
  readonly bucket: StoreBucket | null
}

export interface OpenDatastoreOptions {
  readonly name: string
  readonly settings: DatastoreSettings
  readonly clock: Clock
  readonly log: Log
  /** Folder of the lock files of all datastores. */
  readonly locks: string
  /** Who holds them in this process. */
  readonly book?: LockBook | undefined
  /** Folder for what we remember of this datastore between runs. */
  readonly stateFolder: string
  readonly looker: ChunkLooker
  /** The doors to its bucket, if its settings name one. */
  readonly bucket?: BucketDoors | null
}

/** Opens a datastore's folder; throws DATASTORE_OPEN_FAILED. Close its `core` once. */
export async function openDatastore(
  fs: FileSystem,
  options: OpenDatastoreOptions,
): Promise<Datastore> {
  const { settings, clock, log, stateFolder, bucket = null } = options
  const owner = await ownerOfFolder(fs, settings.path)
  await giveProcessLock(fs, settings.path, owner)
  const { path } = settings
  const core = await StoreCore.open(fs, { path, stateFolder, clock, log, owner, bucket })
  return makeDatastore(fs, options, { core, owner })
}

/** The same open store with other settings: what belongs to its identity stays (races.md R-66). */
export function withSettings(store: Datastore, options: OpenDatastoreOptions): Datastore {
  return makeDatastore(store.fs, options, { core: store.core, owner: store.owner })
}

function makeDatastore(
  fs: FileSystem,
  options: OpenDatastoreOptions,
  opened: { readonly core: StoreCore; readonly owner: Owner | undefined },
): Datastore {
  const { name, settings, clock, log, locks: folder, book } = options
  const { core, owner } = opened
  return Object.freeze({
    name,
    path: settings.path,
    settings,
    fs,
    clock,
    log,
    owner,
    locks: new LockTable(fs, { clock, folder, store: name, owner, book, names: core.names, log }),
    files: new StoreFiles(fs, { owner, durable: settings.syncLevel !== 'none' }),
    chunks: new ChunkStore(core.bucket?.chunks ?? folderBackend(fs, options, opened), core),
    core,
    bucket: core.bucket,
  })
}

function folderBackend(
  fs: FileSystem,
  { name, settings, looker, log }: OpenDatastoreOptions,
  { core, owner }: { readonly core: StoreCore; readonly owner: Owner | undefined },
): ChunkBackend {
  return new FilesystemBackend(fs, {
    folder: `${settings.path}/${CHUNKS_FOLDER}`,
    store: name,
    owner,
    durable: settings.syncLevel === 'file',
    looker,
    doubt: core.doubt,
    log,
  })
}

/** A lock file that is missing is made with the store's owner: stock could not open one of root's. */
async function giveProcessLock(
  fs: FileSystem,
  path: string,
  owner: Owner | undefined,
): Promise<void> {
  if (owner === undefined) return
  const files = new StoreFiles(fs, { owner, durable: false })
  const lockPath = `${path}/${PROCESS_LOCK_FILE}`
  if (await files.exists(lockPath)) return
  try {
    await files.createNew(lockPath, new Uint8Array())
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error
  }
}

/** Only root can give files away; they get the owner of the folder, so that stock can have it back. */
async function ownerOfFolder(fs: FileSystem, path: string): Promise<Owner | undefined> {
  const chunks = `${path}/${CHUNKS_FOLDER}`
  try {
    await fs.stat(chunks)
    const { uid, gid } = await fs.stat(path)
    const isRoot = process.getuid?.() === 0
    return isRoot && (uid !== 0 || gid !== 0) ? { uid, gid } : undefined
  } catch (error) {
    throw errors.DATASTORE_OPEN_FAILED({ path: chunks, reason: errnoText(error) }, { cause: error })
  }
}
