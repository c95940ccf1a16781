/** The datastore of the first start: made, finished if an earlier start was killed meanwhile, or taken over. */
import { join } from 'node:path'
import { isSystemError } from '../../base/errors.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { Progress } from '../../base/progress.ts'
import { FIRST_DATASTORE } from '../../config/first-start.ts'
import { createDatastore } from '../../datastore/create.ts'
import { CHUNKS_FOLDER, PROCESS_LOCK_FILE } from '../../datastore/layout.ts'
import type { Owner } from '../../datastore/store-files.ts'

/** Makes `path` a datastore, whatever an interrupted start left there. Loses no chunk: only empty folders go. */
export async function makeFirstDatastore(
  fs: FileSystem,
  options: {
    readonly path: string
    readonly owner: Owner | undefined
    readonly progress: Progress
  },
): Promise<void> {
  const { path, owner, progress } = options
  const chunks = join(path, CHUNKS_FOLDER)
  // The lock file is made last: with it, the datastore is whole.
  const isWhole = await exists(fs, join(path, PROCESS_LOCK_FILE))
  if (!isWhole && (await exists(fs, chunks))) await removeEmptyFolders(fs, chunks)
  await createDatastore(fs, {
    name: FIRST_DATASTORE,
    path,
    reuse: isWhole,
    owner: isWhole ? undefined : owner,
    progress,
  })
}

async function removeEmptyFolders(fs: FileSystem, folder: string): Promise<void> {
  for (const { name } of await fs.readDir(folder)) await fs.rmdir(join(folder, name))
  await fs.rmdir(folder)
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
