/** A folder for one test, removed after it. */
import { accessSync, constants, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'

const MEMORY_FOLDER = '/dev/shm'
const RETRIES_MAX = 5
/** Hooks run in the order in which they were made: a store that is closed after its folder went makes its state file anew. */
const removed: string[] = []

process.once('exit', () => {
  for (const path of removed) rmSync(path, { recursive: true, force: true })
})

export interface TemporaryFolderOptions {
  /** A folder on a disk with all its ways (flags, `syncfs`, extended attributes), not in memory. */
  readonly onDisk?: boolean
}

/**
 * Path of a new empty folder, in memory where the machine has such a place. Removed after the test
 * of `context`, or after the suite or file that this is called in.
 */
export async function makeTemporaryFolder(
  context?: TestContext | null,
  options: TemporaryFolderOptions = {},
): Promise<string> {
  const parent = options.onDisk !== true && isWritable(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir()
  const path = await mkdtemp(join(parent, 'cairn-test-'))
  // Whoever is ending may write a last file meanwhile.
  const remove = async (): Promise<void> => {
    removed.push(path)
    await rm(path, { recursive: true, force: true, maxRetries: RETRIES_MAX, retryDelay: 100 })
  }
  if (context) context.after(remove)
  else after(remove)
  return path
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
