/**
 * The folder for what we remember of a datastore. It is named after the datastore, but belongs to the store itself:
 * `store.json` in it says which one. Doubt, journal and known roots follow a store whose entry in the configuration
 * was renamed, and are never taken for those of another store that has its name now (races.md R-66).
 */
import { randomBytes } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { isSystemError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import { lockFile } from '../base/fs/file-lock.ts'
import type { FileHandle, FileSystem } from '../base/fs/file-system.ts'
import type { Clock } from '../base/time/clock.ts'
import { CHUNKS_FOLDER, PROCESS_LOCK_FILE } from './layout.ts'

/** A state folder that nobody renames as long as `handle` is open. */
export interface ClaimedFolder {
  readonly folder: string
  readonly handle: FileHandle
}

export interface StateFolderOptions {
  /** As the datastore is named now: `…/datastores/<name>`. */
  readonly folder: string
  /** The datastore's folder. */
  readonly path: string
  readonly clock: Clock
}

/**
 * What tells a store from another. Device numbers may change with a restart, and the lock file may be made anew: a
 * state that is taken for another store's is lost, one of another store makes us only more careful.
 */
interface StoreIdentity {
  readonly device: string
  /** Of `.lock`. */
  readonly inode: string
  /** Of `.chunks`. */
  readonly chunksInode: string
  readonly path: string
}

const IDENTITY_FILE = 'store.json'
/** Held shared by whoever has the store open. */
const OPEN_LOCK_FILE = 'open.lock'
/** Held while folders are renamed; no name of a datastore begins with a dot. */
const FOLDERS_LOCK_FILE = '.lock'
const FILE_MODE = 0o600
const IDENTITY_SIZE_MAX = 65_536
/** Another process looks and renames within milliseconds. */
const LOCK_WAIT_MS = 30_000

/** Finds or makes the state folder of the store in `path`. One that another process has open stays where it is. */
export async function claimStateFolder(
  fs: FileSystem,
  { folder, path, clock }: StateFolderOptions,
): Promise<ClaimedFolder> {
  const parent = dirname(folder)
  await fs.mkdir(parent, { recursive: true, mode: 0o700 })
  const options = { kind: 'exclusive', timeoutMs: LOCK_WAIT_MS, clock, mode: FILE_MODE } as const
  await using _lock = await lockFile(fs, `${parent}/${FOLDERS_LOCK_FILE}`, options)
  const identity = await identityOf(fs, path)
  const known = await readIdentity(fs, folder)
  if (known === 'none' || (known !== null && isSame(known, identity))) {
    // Without a name in it, it is from a time when folders had none.
    return await openFolder(fs, folder, identity)
  }
  const found = await findFolder(fs, parent, identity)
  const isFree = known === null || (await setAside(fs, folder))
  if (found === null) {
    return await openFolder(fs, isFree ? folder : asideName(folder), identity)
  }
  const isMoved = isFree && (await renameUnused(fs, found, folder))
  return await openFolder(fs, isMoved ? folder : found, identity)
}

/**
 * Whether the `.chunks` that we knew was a file system of its own, and is not mounted: an empty folder stands there now.
 * What would be written into it is hidden as soon as the other one is back.
 */
export async function areChunksHidden(
  fs: FileSystem,
  { folder, path }: Omit<StateFolderOptions, 'clock'>,
): Promise<boolean> {
  const known = await readIdentity(fs, folder)
  if (known === null || known === 'none' || known.path !== path) return false
  const identity = await identityOf(fs, path)
  if (known.inode !== identity.inode || known.chunksInode === identity.chunksInode) return false
  return (await fs.readDir(`${path}/${CHUNKS_FOLDER}`)).length === 0
}

/**
 * Removes what is remembered of the store in `path`, whose data are gone or about to; nobody uses it. `folder` is the
 * one of its name.
 */
export async function removeStateFolders(
  fs: FileSystem,
  { folder, path }: Omit<StateFolderOptions, 'clock'>,
): Promise<void> {
  const parent = dirname(folder)
  if ((await readIdentity(fs, folder)) === 'none') await fs.removeTree(folder)
  for (const candidate of await foldersIn(fs, parent)) {
    const identity = await readIdentity(fs, candidate)
    if (identity === null || identity === 'none' || identity.path !== path) continue
    await fs.removeTree(candidate)
  }
}

/**
 * The folder of another store with the same chunks (its `.chunks` is a link or a mount of ours, or the other way round),
 * or null: of all stores that were ever opened with this state. `folder` is the state folder of the store in `path`.
 */
export async function findSharer(
  fs: FileSystem,
  { folder, path }: Omit<StateFolderOptions, 'clock'>,
): Promise<string | null> {
  const own = await inodesOf(fs, path)
  if (own === null) return null
  for (const candidate of await foldersIn(fs, dirname(folder))) {
    const identity = await readIdentity(fs, candidate)
    if (identity === null || identity === 'none' || identity.path === path) continue
    // Before anything is asked of another store's disk, which may be dead.
    if (!own.chunks.endsWith(`:${identity.chunksInode}`)) continue
    const other = await inodesOf(fs, identity.path)
    // The same lock file is another name of the same store: all its indexes are ours.
    if (other?.chunks === own.chunks && other.lock !== own.lock) return identity.path
  }
  return null
}

/** Device and inode of lock and chunks; null if there is no store. */
async function inodesOf(fs: FileSystem, path: string) {
  try {
    const lock = await fs.stat(`${path}/${PROCESS_LOCK_FILE}`)
    const chunks = await fs.stat(`${path}/${CHUNKS_FOLDER}`)
    return { lock: `${lock.dev}:${lock.ino}`, chunks: `${chunks.dev}:${chunks.ino}` }
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}

async function identityOf(fs: FileSystem, path: string): Promise<StoreIdentity> {
  const lock = await fs.stat(`${path}/${PROCESS_LOCK_FILE}`)
  const chunks = await fs.stat(`${path}/${CHUNKS_FOLDER}`)
  const [device, inode, chunksInode] = [lock.dev, lock.ino, chunks.ino].map(String)
  return { device: device ?? '', inode: inode ?? '', chunksInode: chunksInode ?? '', path }
}

function isSame(a: StoreIdentity, b: StoreIdentity): boolean {
  if (a.path === b.path) return a.inode === b.inode || a.chunksInode === b.chunksInode
  return a.device === b.device && a.inode === b.inode
}

/** Null without a folder, 'none' for one that does not say whose it is. */
async function readIdentity(
  fs: FileSystem,
  folder: string,
): Promise<StoreIdentity | 'none' | null> {
  try {
    const bytes = await fs.readFile(`${folder}/${IDENTITY_FILE}`, IDENTITY_SIZE_MAX)
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return isIdentity(value) ? value : 'none'
  } catch (error) {
    if (error instanceof SyntaxError) return 'none'
    if (isSystemError(error, 'ENOTDIR')) return null
    if (!isSystemError(error, 'ENOENT')) throw error
    return (await exists(fs, folder)) ? 'none' : null
  }
}

async function findFolder(
  fs: FileSystem,
  parent: string,
  identity: StoreIdentity,
): Promise<string | null> {
  for (const folder of await foldersIn(fs, parent)) {
    const known = await readIdentity(fs, folder)
    if (known !== null && known !== 'none' && isSame(known, identity)) return folder
  }
  return null
}

async function foldersIn(fs: FileSystem, parent: string): Promise<string[]> {
  try {
    const entries = await fs.readDir(parent)
    return entries.map(({ name }) => `${parent}/${name}`).filter((path) => !path.endsWith('/.lock'))
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}

/** Gives the name of another store's folder free; false if that is in use. */
async function setAside(fs: FileSystem, folder: string): Promise<boolean> {
  return await renameUnused(fs, folder, asideName(folder))
}

function asideName(folder: string): string {
  return `${dirname(folder)}/.${basename(folder)}-${randomBytes(4).toString('hex')}`
}

/** Renames a folder that nobody has open; true if it did. */
async function renameUnused(fs: FileSystem, from: string, to: string): Promise<boolean> {
  await using handle = await fs.open(`${from}/${OPEN_LOCK_FILE}`, 'read-write-create', FILE_MODE)
  if (!handle.tryLock('flock', 'exclusive')) return false
  await fs.rename(from, to)
  await fs.syncFolder(dirname(to))
  return true
}

async function openFolder(
  fs: FileSystem,
  folder: string,
  identity: StoreIdentity,
): Promise<ClaimedFolder> {
  await fs.mkdir(folder, { recursive: true, mode: 0o700 })
  const handle = await fs.open(`${folder}/${OPEN_LOCK_FILE}`, 'read-write-create', FILE_MODE)
  try {
    // Exclusive only for a moment and under the lock that we hold, too.
    handle.tryLock('flock', 'shared')
    await writeIdentity(fs, folder, identity)
    return { folder, handle }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function writeIdentity(
  fs: FileSystem,
  folder: string,
  identity: StoreIdentity,
): Promise<void> {
  const known = await readIdentity(fs, folder)
  if (JSON.stringify(known) === JSON.stringify(identity)) return
  const data = Buffer.from(`${JSON.stringify(identity)}\n`)
  await atomicWrite(fs, `${folder}/${IDENTITY_FILE}`, data, { mode: FILE_MODE, durable: true })
}

async function exists(fs: FileSystem, path: string): Promise<boolean> {
  try {
    await fs.stat(path)
    return true
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}

function isIdentity(value: unknown): value is StoreIdentity {
  if (typeof value !== 'object' || value === null) return false
  const names = ['device', 'inode', 'chunksInode', 'path']
  return names.every((name) => typeof Reflect.get(value, name) === 'string')
}
