/**
 * Writes the entries of an archive below one directory (pxar.md 16); calls wait, so it runs in a thread.
 *
 * Nothing is ever written outside the target: every call is relative to a directory opened without
 * following links, names are single components, and a hard link's target is reached the same way.
 */
import { constants } from 'node:fs'
import type { PxarHandler } from '../../archive/pxar/decoder.ts'
import {
  type DeviceEntry,
  type DirectoryEntry,
  type FileEntry,
  type HardlinkEntry,
  type SpecialEntry,
  type SymlinkEntry,
  type TreeEntry,
} from '../../archive/tree-entry.ts'
import { isSystemError } from '../../base/errors.ts'
import {
  closeFd,
  linkAt,
  makeNodeAt,
  openAt,
  symlinkAt,
  unlinkAt,
} from '../../base/fs/native-at.ts'
import { FolderStack } from './folder-stack.ts'
import { createFile, openLinkFolder } from './open-target.ts'
import type { Selection } from './selection.ts'
import { SparseFile } from './sparse-file.ts'
import { systemText } from '../system-text.ts'
import {
  type MetadataChoice,
  type MetadataHooks,
  type MetadataTarget,
  writeInitialFlags,
  writeMetadata,
} from './write-metadata.ts'

const O_PATH = 0o10000000
const O_CLOEXEC = 0o2000000

export interface ExtractorOptions extends MetadataChoice {
  readonly allowExistingDirs: boolean
  readonly overwriteFiles: boolean
  readonly overwriteSymlinks: boolean
  readonly overwriteHardlinks: boolean
  readonly ignoreExtractDeviceErrors: boolean
}

export interface ExtractStatistics {
  /** Entries written, without the root. */
  readonly entries: number
  /** Bytes of file content. */
  readonly bytes: number
}

export interface ExtractHooks {
  readonly selection: Selection
  /** Hears that an entry failed, in stock's words; throws to stop. */
  onFailure(text: string, cause: unknown): void
  onWarning(line: string): void
}

interface OpenFile {
  readonly fd: number
  readonly entry: FileEntry
  readonly content: SparseFile
  size: number
  isFailed: boolean
}

/** Handler of a decoder; `close` at the end in any case. */
export class TreeExtractor implements PxarHandler {
  readonly #options: ExtractorOptions
  readonly #hooks: ExtractHooks
  readonly #folders: FolderStack
  #file: OpenFile | null = null
  #entryCount = 0
  #size = 0

  /** `root` is the descriptor of the target directory; it stays the caller's. */
  constructor(root: number, options: ExtractorOptions, hooks: ExtractHooks) {
    this.#options = options
    this.#hooks = hooks
    this.#folders = new FolderStack(root, options)
  }

  get statistics(): ExtractStatistics {
    return { entries: this.#entryCount, bytes: this.#size }
  }

  /** Whether the root has been entered. */
  get isStarted(): boolean {
    return this.#folders.isStarted
  }

  entry(entry: TreeEntry): void {
    if (entry.kind === 'directory') return this.#enter(entry)
    const folder = this.#folders.top
    const name = entry.name.toString('latin1')
    const mode = entry.kind === 'hardlink' ? 0 : entry.metadata.mode
    const path = `${folder.path}/${name}`
    if (!this.#hooks.selection.select(path, mode, folder.isDefault).isTaken) return
    this.#try(entry, failedText(entry), () => this.#extract(entry, name))
  }

  content(bytes: Uint8Array): void {
    const file = this.#file
    if (file === null || file.isFailed) return
    try {
      file.content.write(bytes)
      file.size += bytes.length
    } catch (error) {
      file.isFailed = true
      this.#fail(file.entry, 'failed to extract file', error)
    }
  }

  fileEnd(): void {
    const file = this.#file
    if (file === null) return
    try {
      if (!file.isFailed) this.#finishFile(file)
    } finally {
      this.#file = null
      closeFd(file.fd)
    }
  }

  leaveDirectory(): void {
    const folder = this.#folders.leave()
    try {
      // A directory that was never made has no metadata to get.
      if (folder.fd === null) return
      const target = { kind: 'open', fd: folder.fd, isDirectory: true } as const
      this.#metadata(target, folder.entry, 'failed to leave directory')
    } finally {
      this.#folders.close(folder)
    }
  }

  /** Closes whatever is open. */
  close(): void {
    if (this.#file !== null) closeFd(this.#file.fd)
    this.#file = null
    this.#folders.closeAll()
  }

  #enter(entry: DirectoryEntry): void {
    if (!this.#folders.isStarted) return this.#folders.start(entry, this.#hooks.selection.isDefault)
    const parent = this.#folders.top
    const path = `${parent.path}/${entry.name.toString('latin1')}`
    const { mode } = entry.metadata
    const { isTaken, isDefault } = this.#hooks.selection.selectDirectory(
      path,
      mode,
      parent.isDefault,
    )
    const folder = this.#folders.enter(entry, path, isDefault)
    if (!isTaken) return
    this.#entryCount++
    this.#try(entry, 'failed to enter directory', () => this.#folders.make(folder))
  }

  #extract(entry: Exclude<TreeEntry, DirectoryEntry>, name: string): void {
    const parent = this.#folders.makeTop()
    switch (entry.kind) {
      case 'file':
        this.#startFile(parent, name, entry)
        break
      case 'symlink':
        this.#symlink(parent, name, entry)
        break
      case 'hardlink':
        this.#hardlink(parent, name, entry)
        break
      case 'block-device':
      case 'char-device':
      case 'fifo':
      case 'socket':
        this.#node(parent, name, entry)
        break
      default:
        entry satisfies never
    }
    this.#entryCount++
  }

  #startFile(parent: number, name: string, entry: FileEntry): void {
    const fd = this.#create(entry.name, () => createFile(parent, name, this.#options))
    const content = new SparseFile(fd)
    this.#file = { fd, entry, content, size: 0, isFailed: false }
    writeInitialFlags(fd, entry.metadata.flags, this.#hooksOf(entry, failedText(entry)))
  }

  #finishFile({ fd, entry, content, size }: OpenFile): void {
    this.#try(entry, 'failed to extract file', () => {
      content.finish()
      this.#size += size
      const target = { kind: 'open', fd, isDirectory: false } as const
      this.#metadata(target, entry, failedText(entry))
    })
  }

  #symlink(parent: number, name: string, entry: SymlinkEntry): void {
    replacing(parent, name, this.#options.overwriteSymlinks, () =>
      symlinkAt(parent, name, entry.target),
    )
    this.#metadataByPath(parent, name, entry)
  }

  #hardlink(parent: number, name: string, entry: HardlinkEntry): void {
    const target = entry.target.toString('latin1')
    const folder = openLinkFolder(this.#folders.root, target)
    try {
      const last = target.slice(target.lastIndexOf('/') + 1)
      replacing(parent, name, this.#options.overwriteHardlinks, () =>
        linkAt(folder.fd, last, parent, name),
      )
    } finally {
      if (folder.isOwn) closeFd(folder.fd)
    }
  }

  #node(parent: number, name: string, entry: DeviceEntry | SpecialEntry): void {
    const device = 'major' in entry ? entry : { major: 0, minor: 0 }
    try {
      makeNodeAt(parent, name, entry.metadata.mode, device)
    } catch (error) {
      if ('major' in entry && this.#options.ignoreExtractDeviceErrors) return
      throw new Error(`failed to create device node: ${systemText(error)}`, { cause: error })
    }
    this.#metadataByPath(parent, name, entry)
  }

  #metadataByPath(parent: number, name: string, entry: SymlinkEntry | DeviceEntry | SpecialEntry) {
    const fd = openAt(parent, name, O_PATH | O_CLOEXEC | constants.O_NOFOLLOW)
    try {
      const isSymlink = entry.kind === 'symlink'
      const target = { kind: 'path', fd, folder: parent, name, isSymlink } as const
      this.#metadata(target, entry, failedText(entry))
    } finally {
      closeFd(fd)
    }
  }

  #metadata(target: MetadataTarget, entry: Exclude<TreeEntry, HardlinkEntry>, stage: string): void {
    writeMetadata(target, entry.metadata, this.#options, this.#hooksOf(entry, stage))
  }

  #hooksOf(entry: TreeEntry, stage: string): MetadataHooks {
    return {
      onFailure: (action, error) => this.#fail(entry, `${stage}: ${action}`, error),
      onWarning: (text) => this.#hooks.onWarning(`${quoteName(entry.name)}: ${text}`),
    }
  }

  #create(name: Buffer, create: () => number): number {
    try {
      return create()
    } catch (error) {
      const text = `failed to create file ${quoteName(name)}: ${systemText(error)}`
      throw new Error(text, { cause: error })
    }
  }

  /** Calls `run`; what it throws is the entry's failure, unless it already is one. */
  #try(entry: TreeEntry, action: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      if (error instanceof StoppedError) throw error
      this.#fail(entry, action, error)
    }
  }

  #fail(entry: TreeEntry, action: string, error: unknown): void {
    const isDevice = entry.kind === 'block-device' || entry.kind === 'char-device'
    if (isDevice && this.#options.ignoreExtractDeviceErrors) return
    try {
      const text = `error at entry ${quoteName(entry.name)}: ${action}: ${systemText(error)}`
      this.#hooks.onFailure(text, error)
    } catch (stop) {
      throw stop instanceof StoppedError ? stop : new StoppedError(stop)
    }
  }
}

/** Carries what the failure hook threw past the handlers of the entries around. */
export class StoppedError extends Error {
  constructor(reason: unknown) {
    super('stopped', { cause: reason })
  }
}

/** Calls `make`; with `mayReplace`, what stands in the way (but no directory) is removed once. */
function replacing(parent: number, name: string, mayReplace: boolean, make: () => void): void {
  try {
    make()
  } catch (error) {
    if (!mayReplace || !isSystemError(error, 'EEXIST')) throw error
    unlinkAt(parent, name)
    make()
  }
}

function failedText(entry: TreeEntry): string {
  switch (entry.kind) {
    case 'file':
    case 'symlink':
    case 'hardlink':
      return `failed to extract ${entry.kind}`
    case 'block-device':
    case 'char-device':
      return 'failed to extract device'
    case 'fifo':
      return 'failed to extract named pipe'
    case 'socket':
      return 'failed to extract unix socket'
    case 'directory':
      return 'failed to enter directory'
    default:
      return entry satisfies never
  }
}

function quoteName(name: Buffer): string {
  return JSON.stringify(name.toString())
}
