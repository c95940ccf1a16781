/** A new datastore: its folders, or the checks of one that is taken over (datastore-semantics.md 3.1, formats.md 9.3). */
import { WorkerPool } from '../base/async/worker-pool.ts'
import { isSystemError } from '../base/errors.ts'
import type { FileStat, FileSystem } from '../base/fs/file-system.ts'
import type { Progress } from '../base/progress.ts'
import { STORAGE_WORKER_URL } from '../storage/chunk-looker.ts'
import { PREFIX_FOLDER_MODE } from '../storage/filesystem-backend.ts'
import { errnoText } from '../storage/os-error-text.ts'
import type { CreateFoldersResult, CreateFoldersTask } from '../storage/prefix-folders.ts'
import { quote } from './debug-text.ts'
import { errors } from './errors.ts'
import { CHUNKS_FOLDER, PROCESS_LOCK_FILE } from './layout.ts'
import { FILE_MODE, FOLDER_MODE, type Owner } from './store-files.ts'

export interface CreateDatastoreOptions {
  readonly name: string
  /** Absolute. */
  readonly path: string
  /** Take over a folder that is a datastore already; default false. */
  readonly reuse?: boolean
  /**
   * The chunks are in a bucket: the folder may be missing also when it is taken over, and what stock kept there of
   * chunks is moved aside, for it is no evidence (races.md R-64). Default false.
   */
  readonly isInBucket?: boolean
  /** For the name of what is moved aside. */
  readonly nowMs?: number
  /** Owner of all that is made, and demanded of what is taken over; undefined: whoever runs this. */
  readonly owner?: Owner | undefined
  readonly progress: Progress
  /** The other datastores: none may lie inside another. */
  readonly otherPaths?: readonly { readonly name: string; readonly path: string }[]
  /** False leaves out the 65,536 chunk folders; they are made when needed. For tests. */
  readonly chunkFolders?: boolean
}

/** Makes or takes over a datastore's folder. Throws DATASTORE_CREATE_FAILED with stock's texts. */
export async function createDatastore(
  fs: FileSystem,
  options: CreateDatastoreOptions,
): Promise<void> {
  const { path, progress } = options
  if (!path.startsWith('/')) refuse(`expected absolute path - got ${quote(path)}`)
  checkNesting(options)
  if (options.isInBucket === true) return await createForBucket(fs, options)
  if (options.reuse === true) {
    await checkExisting(fs, options)
    progress.log('Chunkstore reused: layout and permissions are as they must be')
    return
  }
  await checkEmpty(fs, path)
  await createBase(fs, options)
  await createChunkFolders(fs, options)
  await createLockFile(fs, options)
  progress.log('Access time update check skipped.')
}

/** `.chunks` has stock's empty folders, so that stock can have it back. */
async function createForBucket(fs: FileSystem, options: CreateDatastoreOptions): Promise<void> {
  const { path, progress } = options
  if (options.reuse !== true) await checkEmpty(fs, path)
  await createBase(fs, options)
  await setChunksAside(fs, options)
  await createChunkFolders(fs, options)
  await createLockFile(fs, options)
  progress.log('Chunks are kept in a bucket.')
}

async function setChunksAside(fs: FileSystem, options: CreateDatastoreOptions): Promise<void> {
  const { path, progress, nowMs = 0 } = options
  const aside = `${CHUNKS_FOLDER}.stock-${new Date(nowMs).toISOString()}`
  try {
    await fs.rename(`${path}/${CHUNKS_FOLDER}`, `${path}/${aside}`)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    throw error
  }
  await fs.syncFolder(path)
  progress.log(`Local chunks were moved to ${quote(aside)}: they are not used and can be removed`)
}

function checkNesting(options: CreateDatastoreOptions): void {
  for (const other of options.otherPaths ?? []) {
    const isNested = isInside(options.path, other.path) || isInside(other.path, options.path)
    if (isNested) {
      refuse(
        `parameter verification failed - 'path': nested datastores not allowed: '${other.name}' already in ${quote(other.path)}`,
      )
    }
  }
}

function isInside(path: string, outer: string): boolean {
  const withSlash = (text: string): string => `${text.replace(/\/+$/, '')}/`
  return withSlash(path).startsWith(withSlash(outer))
}

async function checkEmpty(fs: FileSystem, path: string): Promise<void> {
  let names: string[] = []
  try {
    names = (await fs.readDir(path)).map((entry) => entry.name)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
  if (names.some((name) => !name.startsWith('.') && name !== 'lost+found')) {
    refuse('datastore path not empty')
  }
}

async function createBase(fs: FileSystem, options: CreateDatastoreOptions): Promise<void> {
  const { path, owner } = options
  await fs.mkdir(path, { recursive: true, mode: FOLDER_MODE })
  await fs.chmod(path, FOLDER_MODE)
  // The administrator's own path may be a link.
  if (owner !== undefined) await fs.chown(await fs.realPath(path), owner.uid, owner.gid)
}

async function createChunkFolders(fs: FileSystem, options: CreateDatastoreOptions): Promise<void> {
  const { path, name, owner, progress } = options
  const folder = `${path}/${CHUNKS_FOLDER}`
  try {
    await fs.mkdir(folder, { mode: PREFIX_FOLDER_MODE })
  } catch (error) {
    const reason = `unable to create directory ${quote(folder)} - ${errnoText(error)}`
    refuse(`unable to create chunk store '${name}' subdir ${quote(folder)} - ${reason}`, error)
  }
  await fs.chmod(folder, PREFIX_FOLDER_MODE)
  if (owner !== undefined) await fs.chown(folder, owner.uid, owner.gid)
  if (options.chunkFolders === false) return
  await runFolders(
    { kind: 'create-folders', folder, owner: owner ?? null, mode: 'create' },
    progress,
  )
}

async function createLockFile(fs: FileSystem, options: CreateDatastoreOptions): Promise<void> {
  const { path, owner } = options
  await using handle = await fs.open(`${path}/${PROCESS_LOCK_FILE}`, 'read-write-create', FILE_MODE)
  await handle.chmod(FILE_MODE)
  if (owner !== undefined) await handle.chown(owner.uid, owner.gid)
}

/** Stock's demands on a folder that it takes over; ours must stay acceptable to it. */
async function checkExisting(fs: FileSystem, options: CreateDatastoreOptions): Promise<void> {
  const { path, owner, progress } = options
  const folder = `${path}/${CHUNKS_FOLDER}`
  await checkOne(fs, path, { mode: FOLDER_MODE, owner })
  await checkOne(fs, folder, { mode: PREFIX_FOLDER_MODE, owner })
  await checkOne(fs, `${path}/${PROCESS_LOCK_FILE}`, { mode: FILE_MODE, owner })
  if (options.chunkFolders === false) return
  const task = { kind: 'create-folders', folder, owner: owner ?? null, mode: 'check' } as const
  const { wrong } = await runFolders(task, progress)
  if (wrong !== null) refuseExisting(wrong.path, wrong.reason)
}

async function checkOne(
  fs: FileSystem,
  path: string,
  wanted: { readonly mode: number; readonly owner: Owner | undefined },
): Promise<void> {
  let stat: FileStat
  try {
    stat = await fs.stat(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) refuseExisting(path, 'missing')
    throw error
  }
  const { owner, mode } = wanted
  const isOwned = owner === undefined || (stat.uid === owner.uid && stat.gid === owner.gid)
  if (stat.mode !== mode || !isOwned) refuseExisting(path, 'permissions')
}

function refuseExisting(path: string, reason: 'missing' | 'permissions'): never {
  const text =
    reason === 'missing' ? 'ENOENT: No such file or directory' : 'permissions or owner not correct'
  return refuse(`unable to open existing chunk store path ${quote(path)} - ${text}`)
}

async function runFolders(
  task: CreateFoldersTask,
  progress: Progress,
): Promise<CreateFoldersResult> {
  await using pool = new WorkerPool(STORAGE_WORKER_URL, { size: 1 })
  return await pool.run<CreateFoldersResult>(task, {
    signal: progress.signal,
    onNews: (percent) => {
      if (task.mode === 'create') progress.log(`Chunkstore create: ${String(percent)}%`)
    },
  })
}

function refuse(text: string, cause?: unknown): never {
  throw errors.DATASTORE_CREATE_FAILED({ text }, { cause })
}
