/**
 * Removes the data of a datastore, protected snapshots too. The caller has taken it out of use; sessions of any
 * process on it make it fail. Source: datastore-semantics.md 9.4.
 */
import { isSystemError } from '../base/errors.ts'
import type { DirEntry, FileSystem } from '../base/fs/file-system.ts'
import { ProcessLock } from '../base/fs/record-lock.ts'
import type { Progress } from '../base/progress.ts'
import { CHUNKS_FOLDER, NAMESPACES_FOLDER, PROCESS_LOCK_FILE } from './layout.ts'

/** Groups before chunks, the referrers first: if one of them stays, its chunks do. */
const CONTENT = [NAMESPACES_FOLDER, 'ct', 'vm', 'host', '.gc-status', CHUNKS_FOLDER]

const BUCKET_REST = /^\.(?:cairn-|chunks\.stock-)/

/**
 * Throws PROCESS_LOCK_BUSY or PROCESS_LOCK_HELD while another process uses the datastore in `path`. Sessions of this
 * very process do not count (the record lock knows processes only): a server asks its own books too.
 */
export async function checkUnused(fs: FileSystem, path: string): Promise<void> {
  await withLock(fs, path, () => Promise.resolve())
}

/** Removes all but the lock file. What is gone already is no error: another removal ended there. Errors as checkUnused. */
export async function destroyContent(
  fs: FileSystem,
  path: string,
  progress: Progress,
): Promise<void> {
  progress.log('Deleting datastore data...')
  await withLock(fs, path, async () => {
    for (const name of CONTENT) {
      progress.signal.throwIfAborted()
      await fs.removeTree(`${path}/${name}`)
    }
    // Of a datastore in a bucket: cache, holder, stock's chunks that were moved aside, rests of a refresh.
    for (const { name } of await namesIn(fs, path)) {
      if (BUCKET_REST.test(name)) await fs.removeTree(`${path}/${name}`)
    }
  })
}

/** Removes the lock file of a datastore without content, and the folder if nothing else is in it. */
export async function removeEmptied(
  fs: FileSystem,
  path: string,
  progress: Progress,
): Promise<void> {
  await fs.removeTree(`${path}/${PROCESS_LOCK_FILE}`)
  progress.log('Finished deleting data.')
  try {
    await fs.rmdir(path)
    progress.log('Removed empty datastore directory.')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    // Something else is in it, or it is a mount point.
    if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST', 'EBUSY')) throw error
    progress.warn('Datastore directory not empty, not deleting.')
  }
}

async function namesIn(fs: FileSystem, path: string): Promise<readonly DirEntry[]> {
  try {
    return await fs.readDir(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}

/** Runs `work` while no other process holds the lock of the datastore; without lock file at once. */
async function withLock(fs: FileSystem, path: string, work: () => Promise<void>): Promise<void> {
  const lockPath = `${path}/${PROCESS_LOCK_FILE}`
  try {
    await fs.stat(lockPath)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    return await work()
  }
  const lock = await ProcessLock.open(fs, lockPath)
  try {
    using _guard = lock.tryExclusive()
    await work()
  } finally {
    await lock.close()
  }
}
