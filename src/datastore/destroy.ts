/**
 * Removes the data of a datastore, protected snapshots too. The caller has taken it out of use; sessions of any
 * process on it make it fail. Source: rest-api.md 4.9 (DELETE).
 */
import { isSystemError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { ProcessLock } from '../base/fs/record-lock.ts'
import type { Progress } from '../base/progress.ts'
import { CHUNKS_FOLDER, NAMESPACES_FOLDER, PROCESS_LOCK_FILE } from './layout.ts'

/** Groups before chunks, the referrers first; the lock file last, so that nobody begins meanwhile. */
const FOLDERS = [NAMESPACES_FOLDER, 'ct', 'vm', 'host', CHUNKS_FOLDER]
const FILES = ['.gc-status', PROCESS_LOCK_FILE]

/**
 * Throws PROCESS_LOCK_BUSY or PROCESS_LOCK_HELD while another process uses the datastore in `path`. Sessions of this
 * very process do not count (the record lock knows processes only): a server asks its own books too.
 */
export async function checkUnused(fs: FileSystem, path: string): Promise<void> {
  await withLock(fs, path, () => Promise.resolve())
}

/** Removes the data in `path`, and the folder if nothing else is in it. Errors as checkUnused. */
export async function destroyDatastore(
  fs: FileSystem,
  path: string,
  progress: Progress,
): Promise<void> {
  await withLock(fs, path, async () => {
    progress.log('Deleting datastore data...')
    for (const folder of FOLDERS) {
      progress.signal.throwIfAborted()
      await fs.removeTree(`${path}/${folder}`)
    }
    for (const file of FILES) await fs.removeTree(`${path}/${file}`)
    progress.log('Finished deleting data.')
  })
  try {
    await fs.rmdir(path)
    progress.log('Removed empty datastore directory.')
  } catch (error) {
    if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST', 'EBUSY', 'ENOENT')) throw error
    progress.log(`${path} is kept: something else is in it`)
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
