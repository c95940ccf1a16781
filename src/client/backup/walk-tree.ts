/**
 * Walks a tree and writes it as a unified pxar archive, as the stock client does (pxar.md 12).
 *
 * All calls wait, relative to open folders: it runs in a worker thread (tree-walker.ts), where that is
 * several times faster than a promise per call. What vanishes or cannot be opened is left out with a
 * warning; a file that changes while it is read is cut or padded to the size announced.
 */
import { constants } from 'node:fs'
import { type CatalogTree, CatalogTreeWriter } from '../../archive/catalog/tree-writer.ts'
import { formatPatternLines, matchList } from '../../archive/path-pattern.ts'
import { PxarEncoder } from '../../archive/pxar/encoder.ts'
import { DEPTH_MAX } from '../../archive/pxar/format.ts'
import { PieceWriter } from '../../archive/pxar/piece-writer.ts'
import {
  type EntryMetadata,
  MODE_BLOCK_DEVICE,
  MODE_CHAR_DEVICE,
  MODE_DIRECTORY,
  MODE_FIFO,
  MODE_FILE,
  MODE_SOCKET,
  MODE_SYMLINK,
  MODE_TYPE_MASK,
  plainMetadata,
} from '../../archive/tree-entry.ts'
import { isSystemError } from '../../base/errors.ts'
import { statfsMagic } from '../../base/fs/native.ts'
import { closeFd, openAt, readLinkFd, readNames, statAt, statFd } from '../../base/fs/native-at.ts'
import { systemCode } from '../system-text.ts'
import { errors } from './errors.ts'
import { readExcludeFile } from './exclude-file.ts'
import { type ExcludePattern, quotePath } from './exclude-patterns.ts'
import { copyContent } from './file-content.ts'
import { type FileSystemFeatures, featuresOf, isVirtual } from './file-system-features.ts'
import { modeOfDirentType, type OpenEntry, openEntry } from './open-entry.ts'
import { readMetadata } from './read-metadata.ts'

const EXCLUDE_NAME = '.pxarexclude'
const EXCLUDE_CLI_NAME = '.pxarexclude-cli'
const O_PATH = 0o10000000
const O_CLOEXEC = 0o2000000
const AT_FDCWD = -100
/** Longest target path a HARDLINK item holds. */
const LINK_PATH_SIZE_MAX = 4096

export interface WalkOptions {
  /** Path of the tree's root; links in it are followed. */
  readonly root: string
  readonly excludes: readonly ExcludePattern[]
  /** Paths on further file systems that are entered; null enters all. */
  readonly includeDevices: readonly string[] | null
  readonly skipE2bigXattr: boolean
  readonly entriesMax: number
  /** Owner of the generated `.pxarexclude-cli`. */
  readonly owner: { readonly uid: number; readonly gid: number }
}

/** Where the walk gives its results; `piece` may wait for the receiver. */
export interface WalkSink {
  /** Memory for the next part of the archive; absent: fresh memory. */
  readonly allocatePiece?: () => Buffer
  /** The next part of the archive, in the memory allocated last, which becomes the receiver's. */
  piece(piece: Buffer): void
  /** The next catalog table, which becomes the receiver's. */
  catalog(bytes: Uint8Array): void
  warn(line: string): void
  log(line: string): void
  /** Called before each entry; throws to stop the walk. */
  checkAbort(): void
}

/** An open directory on the way down; paths are byte strings relative to the root, empty for it. */
interface Folder {
  readonly fd: number
  readonly path: string
  readonly depth: number
  readonly device: string
  readonly features: FileSystemFeatures
}

interface Listed {
  readonly name: string
  /** File type bits; 0 where the file system does not say. */
  readonly mode: number
}

interface LinkTarget {
  readonly path: Buffer
  readonly position: number
}

/** Walks one tree. Errors: those of errors.ts beside this file, and what the sink throws. */
export function walkTree(options: WalkOptions, sink: WalkSink): CatalogTree {
  return new TreeWalker(options, sink).run()
}

class TreeWalker {
  readonly #options: WalkOptions
  readonly #sink: WalkSink
  readonly #out: PieceWriter
  readonly #encoder: PxarEncoder
  readonly #catalog: CatalogTreeWriter
  readonly #patterns: ExcludePattern[]
  readonly #links = new Map<string, LinkTarget>()
  /** Devices that may be entered; null: all. */
  #devices: Set<string> | null = null
  #entryCount = 0

  constructor(options: WalkOptions, sink: WalkSink) {
    this.#options = options
    this.#sink = sink
    this.#out = new PieceWriter((piece) => sink.piece(piece), sink.allocatePiece)
    this.#encoder = new PxarEncoder({ archive: this.#out })
    this.#catalog = new CatalogTreeWriter((bytes) => sink.catalog(bytes))
    this.#patterns = [...options.excludes]
  }

  run(): CatalogTree {
    const { root } = this.#options
    const path = Buffer.from(root).toString('latin1')
    const fd = check('open failed on', path, () =>
      openAt(AT_FDCWD, path, constants.O_DIRECTORY | O_CLOEXEC),
    )
    try {
      const magic = magicOf(fd)
      if (isVirtual(magic)) throw errors.SOURCE_VIRTUAL({})
      const stat = check('stat failed on', path, () => statFd(fd))
      this.#devices = this.#allowedDevices(stat.device)
      const features = featuresOf(magic)
      const entry = { fd, stat, isReadable: true }
      this.#encoder.startRoot(this.#metadata(entry, '', features))
      this.#folder({ fd, path: '', depth: 0, device: stat.device, features })
      this.#encoder.finish()
      return this.#catalog.finish()
    } finally {
      closeFd(fd)
    }
  }

  #allowedDevices(rootDevice: string): Set<string> | null {
    const { includeDevices } = this.#options
    if (includeDevices === null) return null
    return new Set([rootDevice, ...includeDevices.map(deviceOf)])
  }

  /** Writes all entries of an open folder; its own begin and end are the caller's. */
  #folder(folder: Folder): void {
    if (folder.depth >= DEPTH_MAX) {
      const path = quotePath(folder.path)
      throw errors.SOURCE_UNREADABLE({ action: 'directories nested too deep at', path })
    }
    const countBefore = this.#entryCount
    const patternsBefore = this.#patterns.length
    const listed = this.#list(folder)
    for (const { name, mode } of listed) {
      this.#sink.checkAbort()
      this.#entry(folder, name, mode)
    }
    if (folder.depth === 0 && this.#options.excludes.length > 0) this.#addExcludeCli()
    this.#patterns.length = patternsBefore
    this.#entryCount = countBefore
  }

  /** The names to archive, in byte order; the folder's own `.pxarexclude` already counts. */
  #list(folder: Folder): Listed[] {
    const all: Listed[] = []
    let hasExcludes = false
    check('readdir failed on', folder.path, () =>
      readNames(folder.fd, (name, type) => {
        if (folder.depth === 0 && name === EXCLUDE_CLI_NAME) return
        if (name === EXCLUDE_NAME) hasExcludes = true
        all.push({ name, mode: modeOfDirentType(type) })
        if (this.#patterns.length === 0 && !hasExcludes) this.#checkCount(all.length)
      }),
    )
    if (hasExcludes) this.#patterns.push(...this.#readExcludes(folder))
    const kept = this.#patterns.length === 0 ? all : all.filter((one) => this.#isKept(folder, one))
    this.#checkCount(kept.length)
    this.#entryCount += kept.length
    kept.sort((a, b) => (a.name < b.name ? -1 : 1))
    // A folder that changes while it is listed may tell a name twice; no reader expects that.
    return kept.filter(({ name }, index) => index === 0 || kept[index - 1]?.name !== name)
  }

  #checkCount(count: number): void {
    const { entriesMax } = this.#options
    if (this.#entryCount + count > entriesMax) throw errors.ENTRIES_EXCEEDED({ entriesMax })
  }

  #readExcludes(folder: Folder): ExcludePattern[] {
    return readExcludeFile(folder.fd, EXCLUDE_NAME, folder.path, (line) => this.#sink.warn(line))
  }

  #isKept(folder: Folder, { name, mode }: Listed): boolean {
    const path = join(folder.path, name)
    const known = mode === 0 ? this.#lookUpMode(folder, name, path) : mode
    return known !== null && matchList(this.#patterns, `/${path}`, known) !== 'exclude'
  }

  #lookUpMode(folder: Folder, name: string, path: string): number | null {
    try {
      return statAt(folder.fd, name).mode
    } catch (error) {
      return this.#leaveOut(error, path, 'stat')
    }
  }

  #entry(folder: Folder, name: string, mode: number): void {
    const path = join(folder.path, name)
    const entry = this.#open(folder, name, mode, path)
    if (entry === null) return
    try {
      this.#openEntry(folder, name, path, entry)
    } finally {
      closeFd(entry.fd)
    }
  }

  #open(folder: Folder, name: string, mode: number, path: string): OpenEntry | null {
    try {
      const known = mode === 0 ? statAt(folder.fd, name).mode : mode
      const entry = openEntry(folder.fd, name, known)
      if (entry === null) this.#warnVanished(path)
      return entry
    } catch (error) {
      return this.#leaveOut(error, path, 'open')
    }
  }

  #openEntry(folder: Folder, name: string, path: string, entry: OpenEntry): void {
    const bytes = Buffer.from(name, 'latin1')
    const { stat, fd } = entry
    const type = stat.mode & MODE_TYPE_MASK
    if (type === MODE_FILE && stat.linkCount > 1 && this.#addKnownLink(bytes, stat.identity()))
      return
    const metadata = this.#metadata(entry, path, folder.features)
    switch (type) {
      case MODE_FILE:
        return this.#addFile(bytes, path, entry, metadata)
      case MODE_DIRECTORY:
        return this.#addDirectory(folder, bytes, path, entry, metadata)
      case MODE_SYMLINK: {
        const target = check('readlink failed on', path, () => readLinkFd(fd))
        this.#encoder.addSymlink(bytes, metadata, target)
        return this.#catalog.addLeaf('symlink', bytes)
      }
      case MODE_BLOCK_DEVICE:
      case MODE_CHAR_DEVICE: {
        const device = { major: stat.rdevMajor, minor: stat.rdevMinor }
        this.#encoder.addDevice(bytes, metadata, device)
        return this.#catalog.addLeaf(
          type === MODE_BLOCK_DEVICE ? 'block-device' : 'char-device',
          bytes,
        )
      }
      case MODE_FIFO:
      case MODE_SOCKET:
        this.#encoder.addSpecial(bytes, metadata)
        return this.#catalog.addLeaf(type === MODE_FIFO ? 'fifo' : 'socket', bytes)
      default:
        throw errors.FILE_TYPE_UNKNOWN({ path: quotePath(path), mode: stat.mode })
    }
  }

  #metadata(entry: OpenEntry, path: string, features: FileSystemFeatures): EntryMetadata {
    return check('failed to read metadata of', path, () =>
      readMetadata({ ...entry, path }, features, this.#options),
    )
  }

  /** Writes a link if the object was archived under another name; else false. */
  #addKnownLink(name: Buffer, identity: string): boolean {
    const target = this.#links.get(identity)
    if (target === undefined) return false
    this.#encoder.addHardlink(name, target)
    this.#catalog.addLeaf('hardlink', name)
    return true
  }

  #addFile(name: Buffer, path: string, entry: OpenEntry, metadata: EntryMetadata): void {
    const { fd, stat } = entry
    const position = this.#encoder.addFile(name, metadata, stat.size)
    const change = check('failed to read', path, () => copyContent(fd, stat.size, this.#out))
    if (change !== null) this.#warnChanged(path, change)
    // Under a longer path no link to it could be stored: further names are archived as files.
    if (stat.linkCount > 1 && path.length <= LINK_PATH_SIZE_MAX) {
      this.#links.set(stat.identity(), { path: Buffer.from(path, 'latin1'), position })
    }
    this.#catalog.addFile(name, { size: stat.size, mtimeSec: stat.mtimeSec })
  }

  #addDirectory(
    folder: Folder,
    name: Buffer,
    path: string,
    { fd, stat }: OpenEntry,
    metadata: EntryMetadata,
  ): void {
    const depth = folder.depth + 1
    const inner = { fd, path, depth, device: stat.device, features: folder.features }
    const isMount = stat.device !== folder.device
    const magic = isMount ? check('statfs failed on', path, () => magicOf(fd)) : 0
    this.#encoder.startDirectory(name, metadata)
    this.#catalog.startDirectory(name)
    if (!isMount) this.#folder(inner)
    else if (isVirtual(magic) || this.#devices?.has(stat.device) === false) {
      this.#sink.log(`skipping mount point: ${quotePath(path)}`)
    } else this.#folder({ ...inner, features: featuresOf(magic) })
    this.#encoder.endDirectory()
    this.#catalog.endDirectory()
  }

  #addExcludeCli(): void {
    const name = Buffer.from(EXCLUDE_CLI_NAME)
    const content = Buffer.from(formatPatternLines(this.#options.excludes), 'latin1')
    const metadata = plainMetadata(MODE_FILE | 0o600, this.#options.owner)
    this.#encoder.addFile(name, metadata, content.length)
    this.#out.copy(content)
    this.#catalog.addFile(name, { size: content.length, mtimeSec: 0 })
  }

  /** Warns about an entry that cannot be archived; rethrows what does not allow to go on. */
  #leaveOut(error: unknown, path: string, step: 'stat' | 'open'): null {
    const quoted = quotePath(path)
    if (isSystemError(error, 'ENOENT')) this.#warnVanished(path)
    else if (isSystemError(error, 'ESTALE')) {
      this.#sink.warn(`warning: stale file handle encountered while reading: ${quoted}`)
    } else if (isSystemError(error, 'EACCES')) {
      if (step === 'stat') this.#sink.warn(`warning: failed to stat file: ${quoted}: access denied`)
      else this.#sink.warn(`failed to open file: ${quoted}: access denied`)
    } else {
      throw errors.SOURCE_UNREADABLE(
        { action: `${step} failed on`, path: quoted },
        { cause: error },
      )
    }
    return null
  }

  #warnVanished(path: string): void {
    this.#sink.warn(`warning: file vanished while reading: ${quotePath(path)}`)
  }

  #warnChanged(path: string, change: 'shrunk' | 'grown'): void {
    const text =
      change === 'shrunk'
        ? `file size shrunk while reading: ${quotePath(path)}, file will be padded with zeros!`
        : `file size increased while reading: ${quotePath(path)}, file will be truncated!`
    this.#sink.warn(`warning: ${text}`)
  }
}

function join(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`
}

/** Calls `run`; a system error becomes one that names the path, a byte string. */
function check<T>(action: string, path: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (systemCode(error) === null) throw error
    throw errors.SOURCE_UNREADABLE({ action, path: quotePath(path) }, { cause: error })
  }
}

function magicOf(fd: number): number {
  return statfsMagic(`/proc/self/fd/${fd}`)
}

function deviceOf(path: string): string {
  const name = Buffer.from(path).toString('latin1')
  const fd = check('stat failed on', name, () => openAt(AT_FDCWD, name, O_PATH | O_CLOEXEC))
  try {
    return statFd(fd).device
  } finally {
    closeFd(fd)
  }
}
