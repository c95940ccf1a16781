/** The files of a task folder: names, owners, modes. Source: rest-api.md 6.5. */
import { join } from 'node:path'
import { isSystemError } from '../base/errors.ts'
import { type AtomicWriteOptions, atomicWrite } from '../base/fs/atomic-write.ts'
import type { FileHandle, FileSystem } from '../base/fs/file-system.ts'
import type { Upid } from '../formats/upid.ts'

const FILE_MODE = 0o640
const FOLDER_MODE = 0o755

export class TaskFiles {
  readonly fs: FileSystem
  readonly folder: string

  constructor(fs: FileSystem, folder: string) {
    this.fs = fs
    this.folder = folder
  }

  get lockPath(): string {
    return join(this.folder, '.active.lock')
  }

  /** Running tasks, and finished ones that are not archived yet. */
  get activePath(): string {
    return join(this.folder, 'active')
  }

  get archivePath(): string {
    return join(this.folder, 'archive')
  }

  /** List of older servers, merged at the start. */
  get legacyPath(): string {
    return join(this.folder, 'index')
  }

  /** Folder of a task's log: the low byte of `pstart`. */
  logFolder({ pstart }: Pick<Upid, 'pstart'>): string {
    const name = (pstart % 256).toString(16).toUpperCase().padStart(2, '0')
    return join(this.folder, name)
  }

  /** Path of a task's log; null if `text` could not name a file in its folder. */
  logPath(upid: Upid, text: string): string | null {
    return text.includes('/') || text.includes('\0') ? null : join(this.logFolder(upid), text)
  }

  /** Makes and opens the log of a task. */
  async createLog(upid: Upid, text: string): Promise<FileHandle> {
    const folder = this.logFolder(upid)
    await this.#makeFolder(folder)
    const handle = await this.fs.open(join(folder, text), 'create-new', FILE_MODE)
    try {
      const owner = await this.owner()
      if (owner !== undefined) await handle.chown(owner.uid, owner.gid)
      return handle
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Replaces a list as a whole. */
  async replace(path: string, text: string): Promise<void> {
    const options: AtomicWriteOptions = {
      mode: FILE_MODE,
      owner: await this.owner(),
      durable: false,
    }
    await atomicWrite(this.fs, path, Buffer.from(text), options)
  }

  /** Appends `text` to a list; returns its new size. */
  async append(path: string, text: string): Promise<number> {
    if (!(await this.#exists(path))) await this.replace(path, '')
    await using handle = await this.fs.open(path, 'write')
    const { size } = await handle.stat()
    const data = Buffer.from(text)
    await handle.write(data, size)
    return size + data.length
  }

  /** Content of a list, empty if it is missing. */
  async readList(path: string): Promise<string> {
    try {
      return Buffer.from(await this.fs.readFile(path)).toString('utf8')
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return ''
      throw error
    }
  }

  /** As root, files belong to the folder's owner, so that a stock server can go on writing. */
  async owner(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
    if (process.geteuid?.() !== 0) return undefined
    const { uid, gid } = await this.fs.stat(this.folder)
    return { uid, gid }
  }

  async #makeFolder(path: string): Promise<void> {
    if (await this.#exists(path)) return
    await this.fs.mkdir(path, { recursive: true, mode: FOLDER_MODE })
    const owner = await this.owner()
    if (owner !== undefined) await this.fs.chown(path, owner.uid, owner.gid)
  }

  async #exists(path: string): Promise<boolean> {
    try {
      await this.fs.stat(path)
      return true
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false
      throw error
    }
  }
}
