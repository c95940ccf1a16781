/** The simulated machine: its disks, its mounts, and the plain synchronous calls on its files that steps are made of. */
import type { DirEntry, FileStat, OpenMode } from '../../../src/base/fs/file-system.ts'
import { systemError } from '../../../src/base/fs/system-error.ts'
import type { Random } from '../random.ts'
import { newBytes } from './bytes.ts'
import { Device, Inode, NO_BYTES } from './disk.ts'
import { Failure, failure } from './failure.ts'
import { factsOf, type PathFacts } from './path-facts.ts'

const MASK = 0o022
const NANOSECONDS_PER_MS = 1_000_000n

/** Where a path leads. */
export interface Place {
  readonly folder: Inode
  readonly name: string
  readonly inode: Inode | undefined
}

interface FindOptions {
  readonly follow?: boolean
  readonly crossLast?: boolean
}

const NO_OPTIONS: FindOptions = {}
export const FOLLOW: FindOptions = { follow: true }

interface MakeOptions {
  readonly recursive?: boolean
  readonly mode?: number
}

/** Told of each change of names, after it took effect. */
export interface Watcher {
  placed(inode: Inode): void
  /** The inode still knows its place. */
  removed(inode: Inode): void
  moved(inode: Inode, from: { readonly folder: Inode; readonly name: string }): void
}

export class Machine {
  readonly devices: Device[] = []
  readonly root: Inode
  watcher: Watcher | null = null
  readonly #nowMs: () => number
  /** Folders by their paths, until one of them goes or gets another name. */
  readonly #folders = new Map<string, Inode>()

  /** `nowMs`: wall time as files get it. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
    this.root = this.addDevice().root
  }

  addDevice(options: { readonly isVolatile?: boolean } = {}): Device {
    const number = this.devices.length + 1
    const isVolatile = options.isVolatile ?? false
    const device = new Device(number, { isVolatile, nowMs: this.#nowMs() })
    this.devices.push(device)
    return device
  }

  mount(path: string, device: Device): void {
    this.#folders.clear()
    const folder = this.#folderAt(path)
    folder.mounted = device.root
    device.root.parent = folder.parent
    device.root.name = folder.name
  }

  /** Lazily: what is open stays open. */
  unmount(path: string): void {
    this.#folders.clear()
    const place = this.find(path, { crossLast: false })
    if (place.inode !== undefined) place.inode.mounted = null
  }

  cutPower(random: Random): void {
    this.#folders.clear()
    for (const device of this.devices) device.cutPower(random)
  }

  /** Throws ENOENT, ENOTDIR for what lies before the last name; `follow`: a link at the end, `crossLast`: a mount there. */
  find(path: string, options: FindOptions = NO_OPTIONS): Place {
    return demand(this.look(path, options))
  }

  /** As `find`, without throwing. */
  look(path: string, options: FindOptions = NO_OPTIONS): Place | Failure {
    return this.lookAt(factsOf(path), options)
  }

  lookAt(facts: PathFacts, options: FindOptions = NO_OPTIONS): Place | Failure {
    const { parent, name } = facts
    const folder = this.#folders.get(parent) ?? this.#findFolder(parent, facts.path)
    if (folder instanceof Failure) return folder
    let inode = name === '' ? folder : folder.entries?.get(name)
    if (inode === undefined) return { folder, name, inode }
    if (inode.mounted !== null && options.crossLast !== false) inode = inode.mounted
    // What a link names is no link itself.
    if (inode.kind === 'link' && options.follow === true) return this.look(inode.target, FOLLOW)
    return { folder, name, inode }
  }

  /** The folder `parent` of `path`; known from then on. */
  #findFolder(parent: string, path: string): Inode | Failure {
    if (parent === '') return this.root
    const place = this.look(parent, FOLLOW)
    if (place instanceof Failure) return failure(place.code, 'open', path)
    const { inode } = place
    if (inode === undefined) return failure('ENOENT', 'open', path)
    if (inode.entries === null) return failure('ENOTDIR', 'open', path)
    this.#folders.set(parent, inode)
    return inode
  }

  /** Throws ENOENT. */
  get(path: string, options: FindOptions = NO_OPTIONS): Inode {
    return demand(this.seek(path, options))
  }

  /** As `get`, without throwing. */
  seek(path: string, options: FindOptions = NO_OPTIONS): Inode | Failure {
    return this.seekAt(factsOf(path), options)
  }

  seekAt(facts: PathFacts, options: FindOptions = NO_OPTIONS): Inode | Failure {
    const place = this.lookAt(facts, options)
    if (place instanceof Failure) return place
    return place.inode ?? failure('ENOENT', 'open', facts.path)
  }

  /** Throws what `tryOpen` fails with. */
  open(path: string, mode: OpenMode, fileMode: number): Inode {
    return demand(this.tryOpen(path, mode, fileMode))
  }

  tryOpen(path: string, mode: OpenMode, fileMode: number): Inode | Failure {
    const place = this.look(path, mode === 'create-new' ? NO_OPTIONS : FOLLOW)
    if (place instanceof Failure) return place
    const { folder, name, inode } = place
    if (inode === undefined) {
      if (mode === 'read' || mode === 'write') return failure('ENOENT', 'open', path)
      const made = new Inode(folder.device, 'file', {
        mode: fileMode & ~MASK,
        nowMs: this.#nowMs(),
      })
      this.#link(folder, name, made)
      this.watcher?.placed(made)
      return made
    }
    if (mode === 'create-new') return failure('EEXIST', 'open', path)
    if (inode.kind === 'folder' && mode !== 'read') return failure('EISDIR', 'open', path)
    if (mode === 'create') inode.setData(NO_BYTES, this.#nowMs())
    return inode
  }

  readFile(path: string, sizeMax: number): Uint8Array<ArrayBuffer> | Failure {
    const inode = this.seek(path, FOLLOW)
    if (inode instanceof Failure) return inode
    if (inode.kind === 'folder') return failure('EISDIR', 'read', path)
    if (inode.size > sizeMax) return failure('EFBIG', 'read', path)
    // Never changed in place, here and by readers.
    return inode.data as Uint8Array<ArrayBuffer>
  }

  write(inode: Inode, buffers: readonly Uint8Array[], position: number): void {
    let end = position
    for (const buffer of buffers) end += buffer.length
    const data = newBytes(Math.max(inode.size, end))
    if (inode.size > 0) data.set(inode.data)
    let at = position
    for (const buffer of buffers) {
      data.set(buffer, at)
      at += buffer.length
    }
    inode.setData(data, this.#nowMs())
  }

  truncate(inode: Inode, size: number): void {
    if (size === inode.size) return
    const data = newBytes(size)
    data.set(inode.data.subarray(0, size))
    inode.setData(data, this.#nowMs())
  }

  readDir(path: string): DirEntry[] | Failure {
    const inode = this.seek(path, FOLLOW)
    if (inode instanceof Failure) return inode
    if (inode.entries === null) return failure('ENOTDIR', 'scandir', path)
    const list: DirEntry[] = []
    for (const [name, { kind }] of inode.entries) list.push({ name, kind })
    return list
  }

  mkdir(path: string, options: MakeOptions = {}): void {
    const failed = this.tryMkdir(path, options)
    if (failed !== null) throw failed.error
  }

  /** What it fails with; null if it did not. */
  tryMkdir(path: string, options: MakeOptions = {}): Failure | null {
    const mode = options.mode ?? 0o777
    const isRecursive = options.recursive === true
    if (isRecursive) this.#makeParents(path, mode)
    const place = this.look(path)
    if (place instanceof Failure) return place
    const { folder, name, inode } = place
    if (inode !== undefined) {
      return isRecursive && inode.kind !== 'file' ? null : failure('EEXIST', 'mkdir', path)
    }
    const nowMs = this.#nowMs()
    this.#link(folder, name, new Inode(folder.device, 'folder', { mode: mode & ~MASK, nowMs }))
    return null
  }

  #makeParents(path: string, mode: number): void {
    // The folder of the path is there, mostly.
    if (this.#folders.has(factsOf(path).parent)) return
    for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1)) {
      const { inode } = this.find(path.slice(0, end), FOLLOW)
      if (inode === undefined) this.mkdir(path.slice(0, end), { mode })
    }
  }

  rmdir(path: string): void {
    const { folder, name, inode } = this.find(path, { crossLast: false })
    if (inode === undefined) throw systemError('ENOENT', 'rmdir', path)
    if (inode.entries === null) throw systemError('ENOTDIR', 'rmdir', path)
    if (inode.mounted !== null) throw systemError('EBUSY', 'rmdir', path)
    if (inode.entries.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path)
    this.#folders.clear()
    this.#unlink(folder, name, inode)
  }

  /** What it fails with; null if it did not. */
  unlink(path: string): Failure | null {
    const place = this.look(path)
    if (place instanceof Failure) return place
    const { folder, name, inode } = place
    if (inode === undefined) return failure('ENOENT', 'unlink', path)
    if (inode.kind === 'folder') return failure('EISDIR', 'unlink', path)
    if (inode.kind === 'link') this.#folders.clear()
    this.#unlink(folder, name, inode)
    this.watcher?.removed(inode)
    return null
  }

  rename(from: string, to: string): void {
    const source = this.find(from, { crossLast: false })
    const target = this.find(to, { crossLast: false })
    const { inode } = source
    if (inode === undefined) throw systemError('ENOENT', 'rename', from)
    if (inode.mounted !== null) throw systemError('EBUSY', 'rename', from)
    if (source.folder.device !== target.folder.device) throw systemError('EXDEV', 'rename', from)
    const replaced = target.inode
    if (replaced === inode) return
    if (replaced !== undefined) {
      if (replaced.entries !== null && inode.entries === null)
        throw systemError('EISDIR', 'rename', to)
      if (replaced.entries === null && inode.entries !== null)
        throw systemError('ENOTDIR', 'rename', to)
      if ((replaced.entries?.size ?? 0) > 0) throw systemError('ENOTEMPTY', 'rename', to)
    }
    if (inode.kind !== 'file' || (replaced !== undefined && replaced.kind !== 'file')) {
      this.#folders.clear()
    }
    const { device } = source.folder
    device.moveEntry(source, target, inode)
    if (replaced !== undefined) device.giveBackIfUnused(replaced)
    const nowMs = this.#nowMs()
    source.folder.mtimeMs = source.folder.ctimeMs = nowMs
    target.folder.mtimeMs = target.folder.ctimeMs = nowMs
    inode.ctimeMs = nowMs
    this.watcher?.moved(inode, source)
  }

  symlink(target: string, path: string): void {
    const { folder, name, inode } = this.find(path)
    if (inode !== undefined) throw systemError('EEXIST', 'symlink', path)
    const link = new Inode(folder.device, 'link', { mode: 0o777, nowMs: this.#nowMs() })
    link.target = target
    this.#link(folder, name, link)
  }

  touch(inode: Inode): void {
    inode.atimeMs = inode.ctimeMs = this.#nowMs()
  }

  changeMode(inode: Inode, mode: number): void {
    inode.mode = mode
    inode.ctimeMs = this.#nowMs()
  }

  changeTimes(inode: Inode, times: { readonly atime: number; readonly mtime: number }): void {
    inode.atimeMs = times.atime * 1000
    inode.mtimeMs = times.mtime * 1000
    inode.ctimeMs = this.#nowMs()
  }

  #folderAt(path: string): Inode {
    const { inode } = this.find(path, { crossLast: false })
    if (inode?.entries === null || inode === undefined) throw systemError('ENOENT', 'mount', path)
    return inode
  }

  #link(folder: Inode, name: string, inode: Inode): void {
    folder.device.setEntry(folder, name, inode)
    folder.mtimeMs = folder.ctimeMs = this.#nowMs()
  }

  #unlink(folder: Inode, name: string, inode: Inode): void {
    const nowMs = this.#nowMs()
    folder.device.setEntry(folder, name, null)
    folder.device.giveBackIfUnused(inode)
    folder.mtimeMs = folder.ctimeMs = nowMs
    inode.ctimeMs = nowMs
  }
}

/** What was found; throws what the search failed with. */
function demand<Found>(found: Found | Failure): Found {
  if (found instanceof Failure) throw found.error
  return found
}

export function statOf(inode: Inode): FileStat {
  return new Stat(inode)
}

/** Values of the moment at which it was made; the large integers are made when somebody asks. */
class Stat implements FileStat {
  readonly kind: FileStat['kind']
  readonly size: number
  readonly mode: number
  readonly uid = 0
  readonly gid = 0
  readonly dev: bigint
  readonly nlink: number
  readonly #ino: number
  readonly #mtimeMs: number
  readonly #ctimeMs: number
  readonly #atimeMs: number

  constructor(inode: Inode) {
    this.kind = inode.kind
    this.size = inode.kind === 'file' ? inode.size : 0
    this.mode = inode.mode
    this.dev = inode.device.number
    this.nlink = inode.nlink
    this.#ino = inode.ino
    this.#mtimeMs = inode.mtimeMs
    this.#ctimeMs = inode.ctimeMs
    this.#atimeMs = inode.atimeMs
  }

  get ino(): bigint {
    return BigInt(this.#ino)
  }

  get mtimeNs(): bigint {
    return BigInt(this.#mtimeMs) * NANOSECONDS_PER_MS
  }

  get ctimeNs(): bigint {
    return BigInt(this.#ctimeMs) * NANOSECONDS_PER_MS
  }

  get atimeNs(): bigint {
    return BigInt(this.#atimeMs) * NANOSECONDS_PER_MS
  }
}
