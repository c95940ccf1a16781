/** Small files and folders of a datastore's tree, with stock's modes, the store's owner and its durability. */
import { dirname } from 'node:path'
import { isSystemError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import type { FileSystem } from '../base/fs/file-system.ts'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export const FILE_MODE = 0o644
export const FOLDER_MODE = 0o755

export class StoreFiles {
  readonly fs: FileSystem
  /** Owner of new files; undefined leaves the process's. */
  readonly owner: Owner | undefined
  /** Whether changes are on stable storage when they are answered. */
  readonly durable: boolean

  constructor(
    fs: FileSystem,
    options: { readonly owner: Owner | undefined; readonly durable: boolean },
  ) {
    this.fs = fs
    this.owner = options.owner
    this.durable = options.durable
  }

  /** Replaces `path` atomically. */
  async write(path: string, data: Uint8Array): Promise<void> {
    const { owner, durable } = this
    await atomicWrite(this.fs, path, data, { mode: FILE_MODE, owner, durable })
  }

  /** Makes `path`, which must not exist (EEXIST); durable as the store is. */
  async createNew(path: string, data: Uint8Array): Promise<void> {
    {
      await using handle = await this.fs.open(path, 'create-new', FILE_MODE)
      await handle.write(data, 0)
      if (this.owner !== undefined) await handle.chown(this.owner.uid, this.owner.gid)
      if (this.durable) await handle.sync()
    }
    if (this.durable) await this.fs.syncFolder(dirname(path))
  }

  /** Makes one folder; false if it is there already. Its parent must exist. */
  async createFolder(path: string): Promise<boolean> {
    try {
      await this.fs.mkdir(path, { mode: FOLDER_MODE })
    } catch (error) {
      if (isSystemError(error, 'EEXIST')) return false
      throw error
    }
    if (this.owner !== undefined) await this.fs.chown(path, this.owner.uid, this.owner.gid)
    return true
  }

  /** Removes a file; false if it is missing. */
  async remove(path: string): Promise<boolean> {
    try {
      await this.fs.unlink(path)
      return true
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false
      throw error
    }
  }

  /** Removes a folder if it is empty; false if it is missing or not empty. */
  async removeEmptyFolder(path: string): Promise<boolean> {
    try {
      await this.fs.rmdir(path)
      return true
    } catch (error) {
      if (isSystemError(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) return false
      throw error
    }
  }

  /** Makes names in `folder` durable if the store is. */
  async syncNames(folder: string): Promise<void> {
    if (this.durable) await this.fs.syncFolder(folder)
  }

  /** Whether `path` is there; errors other than absence are thrown. */
  async exists(path: string): Promise<boolean> {
    try {
      await this.fs.lstat(path)
      return true
    } catch (error) {
      if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return false
      throw error
    }
  }
}
