/**
 * Removals of datastores with their data that have begun, one file each in the state folder: what a crash interrupts
 * is finished at the next start, and nothing else is ever removed then.
 */
import { isSystemError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { PROCESS_LOCK_FILE } from '../datastore/layout.ts'

export interface RemovalNote {
  readonly name: string
  /** The datastore's folder. */
  readonly path: string
  /** Inode of its lock file, by which it is known again; null if there was none. */
  readonly inode: string | null
  readonly keepJobs: boolean
}

const FILE_MODE = 0o600
const NOTE_SIZE_MAX = 65_536
const NOTE_NAME = /^([A-Za-z0-9_][A-Za-z0-9._-]*)\.json$/

/** Durable when it resolves. */
export async function noteRemoval(
  fs: FileSystem,
  stateFolder: string,
  note: Omit<RemovalNote, 'inode'>,
): Promise<void> {
  const inode = await lockInode(fs, note.path)
  await fs.mkdir(folderOf(stateFolder), { recursive: true, mode: 0o700 })
  await fs.syncFolder(stateFolder)
  const data = Buffer.from(`${JSON.stringify({ ...note, inode })}\n`)
  const path = notePath(stateFolder, note.name)
  await atomicWrite(fs, path, data, { mode: FILE_MODE, durable: true })
}

/** The removal has ended, or another one takes its place. */
export async function forgetRemoval(
  fs: FileSystem,
  stateFolder: string,
  name: string,
): Promise<void> {
  try {
    await fs.unlink(notePath(stateFolder, name))
    await fs.syncFolder(folderOf(stateFolder))
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

/** All notes; a file that is none is left out. */
export async function listRemovals(fs: FileSystem, stateFolder: string): Promise<RemovalNote[]> {
  const notes: RemovalNote[] = []
  for (const fileName of await namesIn(fs, folderOf(stateFolder))) {
    const name = NOTE_NAME.exec(fileName)?.[1]
    if (name === undefined) continue
    const bytes = await fs.readFile(notePath(stateFolder, name), NOTE_SIZE_MAX)
    const note = parseNote(bytes)
    if (note?.name === name) notes.push(note)
  }
  return notes
}

/** Of the lock file of the datastore in `path`; null without one. */
export async function lockInode(fs: FileSystem, path: string): Promise<string | null> {
  try {
    return String((await fs.stat(`${path}/${PROCESS_LOCK_FILE}`)).ino)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}

async function namesIn(fs: FileSystem, folder: string): Promise<string[]> {
  try {
    return (await fs.readDir(folder)).map(({ name }) => name)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}

function parseNote(bytes: Uint8Array): RemovalNote | null {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>
    const { name, path, inode, keepJobs } = value
    if (typeof name !== 'string' || typeof path !== 'string') return null
    if (typeof keepJobs !== 'boolean') return null
    return inode === null || typeof inode === 'string' ? { name, path, inode, keepJobs } : null
  } catch {
    return null
  }
}

function folderOf(stateFolder: string): string {
  return `${stateFolder}/removals`
}

function notePath(stateFolder: string, name: string): string {
  return `${folderOf(stateFolder)}/${name}.json`
}
