/** The directories from the target down to where the archive is; each is made when it is needed. */
import { constants } from 'node:fs'
import { type DirectoryEntry, MODE_PERMISSIONS_MASK } from '../../archive/tree-entry.ts'
import { assert } from '../../base/assert.ts'
import { isSystemError } from '../../base/errors.ts'
import { closeFd, makeFolderAt, openAt } from '../../base/fs/native-at.ts'

const O_CLOEXEC = 0o2000000
/** Never through a link: with existing directories allowed, one could lead outside. */
const OPEN_FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | O_CLOEXEC
/** What its owner needs to fill a directory; its real permissions come when it is left. */
const OWNER_ALL = 0o700

export interface ExtractFolder {
  readonly entry: DirectoryEntry
  /** From the root, with a leading slash; empty for the root. A byte string. */
  readonly path: string
  /** What entries in it start from. */
  readonly isDefault: boolean
  /** Null until it is made. */
  fd: number | null
  /** It could not be made: nothing below it can be either. */
  isFailed: boolean
}

export interface FolderOptions {
  readonly allowExistingDirs: boolean
  readonly ignorePermissions: boolean
}

/** The way down; `root` is the descriptor of the target, which stays the caller's. */
export class FolderStack {
  readonly root: number
  readonly #options: FolderOptions
  readonly #folders: ExtractFolder[] = []

  constructor(root: number, options: FolderOptions) {
    this.root = root
    this.#options = options
  }

  get isStarted(): boolean {
    return this.#folders.length > 0
  }

  get top(): ExtractFolder {
    const folder = this.#folders.at(-1)
    assert(folder !== undefined, 'the decoder tells the root first')
    return folder
  }

  start(entry: DirectoryEntry, isDefault: boolean): void {
    this.#folders.push({ entry, path: '', isDefault, fd: this.root, isFailed: false })
  }

  enter(entry: DirectoryEntry, path: string, isDefault: boolean): ExtractFolder {
    const folder = { entry, path, isDefault, fd: null, isFailed: false }
    this.#folders.push(folder)
    return folder
  }

  /** Takes the top off; it is still open. */
  leave(): ExtractFolder {
    const { top } = this
    this.#folders.pop()
    return top
  }

  close(folder: ExtractFolder): void {
    if (folder.fd !== null && folder.fd !== this.root) closeFd(folder.fd)
    folder.fd = null
  }

  closeAll(): void {
    for (const folder of this.#folders.splice(0)) this.close(folder)
  }

  /** Descriptor of the top, made with all above it if need be. Errors: system errors. */
  makeTop(): number {
    return this.make(this.top)
  }

  /** Makes and opens `folder`, which is on the way down, and those above it. Errors: system errors. */
  make(folder: ExtractFolder): number {
    if (folder.fd !== null) return folder.fd
    // From the top of the way: each is made below the one before, without recursion.
    let parent = this.root
    for (const step of this.#folders) {
      if (step.fd === null) this.#makeOne(parent, step)
      parent = step.fd ?? parent
      if (step === folder) break
    }
    return parent
  }

  #makeOne(parent: number, folder: ExtractFolder): void {
    if (folder.isFailed) throw new Error('failed to get parent directory file descriptor')
    const name = folder.entry.name.toString('latin1')
    const permissions = folder.entry.metadata.mode & MODE_PERMISSIONS_MASK
    const { allowExistingDirs, ignorePermissions } = this.#options
    try {
      try {
        makeFolderAt(parent, name, ignorePermissions ? permissions : permissions | OWNER_ALL)
      } catch (error) {
        if (!allowExistingDirs || !isSystemError(error, 'EEXIST')) throw error
      }
      folder.fd = openAt(parent, name, OPEN_FOLDER)
    } catch (error) {
      folder.isFailed = true
      throw error
    }
  }
}
