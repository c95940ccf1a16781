/** Logs whose entries the archive no longer holds are removed. Source: rest-api.md 6.5. */
import { join } from 'node:path'
import { isSystemError } from '../base/errors.ts'
import type { TaskFiles } from './task-files.ts'

const LOG_FOLDER = /^[0-9A-F]{2}$/
const NS_PER_S = 1_000_000_000n

/** Removes task logs last written before `oldestEndTime` (Unix seconds), and folders that are empty then. */
export async function removeOldLogs(files: TaskFiles, oldestEndTime: number): Promise<void> {
  const { fs, folder } = files
  const limitNs = BigInt(oldestEndTime) * NS_PER_S
  for (const { name, kind } of await fs.readDir(folder)) {
    if (kind !== 'folder' || !LOG_FOLDER.test(name)) continue
    const path = join(folder, name)
    let left = 0
    for (const entry of await fs.readDir(path)) {
      const log = join(path, entry.name)
      const isOld = entry.name.startsWith('UPID:') && (await fs.lstat(log)).mtimeNs < limitNs
      if (isOld) await fs.unlink(log)
      else left += 1
    }
    if (left === 0) await removeEmpty(files, path)
  }
}

/** A task may have begun there meanwhile. */
async function removeEmpty({ fs }: TaskFiles, path: string): Promise<void> {
  try {
    await fs.rmdir(path)
  } catch (error) {
    if (!isSystemError(error, 'ENOTEMPTY', 'ENOENT')) throw error
  }
}
