/** The door to files as one simulated process sees it: every call is one step of the schedule. */
import { dirname } from 'node:path'
import type {
  DirEntry,
  FileHandle,
  FileStat,
  FileSystem,
  FileSystemUsage,
  OpenMode,
} from '../../../src/base/fs/file-system.ts'
import { systemError } from '../../../src/base/fs/system-error.ts'
import type { Scheduler } from '../scheduler.ts'
import type { Inode, LockMode } from './disk.ts'
import { isFixed, isLasting } from './idle-calls.ts'
import { Failure } from './failure.ts'
import { FOLLOW, type Machine, statOf } from './machine.ts'
import { factsOf, type PathFacts } from './path-facts.ts'

const FILE_MODE_DEFAULT = 0o666
const PLENTY = 2 ** 40
const DONE = Promise.resolve()
/** How calls of `open` are named in a printed schedule. */
const OPEN_CALLS: Readonly<Record<OpenMode, string>> = {
  read: 'open',
  write: 'open (write)',
  create: 'open (create)',
  'create-new': 'open (create-new)',
  'read-write-create': 'open (read-write-create)',
}

/** The descriptors of one process. */
export class SimFileSystem implements FileSystem {
  readonly machine: Machine
  readonly scheduler: Scheduler
  readonly #open = new Set<SimFileHandle>()

  constructor(machine: Machine, scheduler: Scheduler) {
    this.machine = machine
    this.scheduler = scheduler
  }

  /** The process is gone: the kernel closes what it had open. */
  closeAll(): void {
    for (const handle of this.#open) handle.closeNow()
  }

  open(path: string, mode: OpenMode, fileMode = FILE_MODE_DEFAULT): Promise<FileHandle> {
    return this.#call<FileHandle>(OPEN_CALLS[mode], path, () => {
      const inode = this.machine.tryOpen(path, mode, fileMode)
      if (inode instanceof Failure) return inode
      return new SimFileHandle(this, this.#open, inode, factsOf(path))
    })
  }

  readFile(path: string, sizeMax = PLENTY): Promise<Uint8Array<ArrayBuffer>> {
    return this.#call('readFile', path, () => this.machine.readFile(path, sizeMax))
  }

  stat(path: string): Promise<FileStat> {
    const facts = factsOf(path)
    const run = (): FileStat | Failure => statAt(this.machine.seekAt(facts, FOLLOW))
    return this.#callUnless(isFixed(this.machine, facts), 'stat', path, run)
  }

  lstat(path: string): Promise<FileStat> {
    const facts = factsOf(path)
    const run = (): FileStat | Failure => statAt(this.machine.seekAt(facts))
    return this.#callUnless(isFixed(this.machine, facts), 'lstat', path, run)
  }

  readDir(path: string): Promise<DirEntry[]> {
    const run = (): DirEntry[] | Failure => this.machine.readDir(path)
    return this.#callUnless(factsOf(path).isNeverMade, 'readDir', path, run)
  }

  readLink(path: string): Promise<string> {
    return this.#call('readLink', path, () => this.machine.get(path).target)
  }

  realPath(path: string): Promise<string> {
    const run = (): string => this.machine.get(path, FOLLOW).path
    return this.#callUnless(isFixed(this.machine, factsOf(path)), 'realPath', path, run)
  }

  mkdir(path: string, options: { recursive?: boolean; mode?: number } = {}): Promise<void> {
    const run = (): Failure | undefined => this.machine.tryMkdir(path, options) ?? undefined
    return this.#callUnless<void>(isLasting(this.machine, factsOf(path)), 'mkdir', path, run)
  }

  rmdir(path: string): Promise<void> {
    return this.#call('rmdir', path, () => this.machine.rmdir(path))
  }

  unlink(path: string): Promise<void> {
    return this.#call<void>('unlink', path, () => this.machine.unlink(path) ?? undefined)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call('rename', `${from} -> ${to}`, () => this.machine.rename(from, to))
  }

  link(_existing: string, path: string): Promise<void> {
    return this.#call('link', path, () => {
      throw systemError('EPERM', 'link', path)
    })
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#call('symlink', path, () => this.machine.symlink(target, path))
  }

  chmod(path: string, mode: number): Promise<void> {
    const { machine } = this
    return this.#call('chmod', path, () => machine.changeMode(machine.get(path), mode))
  }

  chown(path: string): Promise<void> {
    return this.#call('chown', path, () => void this.machine.get(path))
  }

  touch(path: string): Promise<void> {
    return this.#call('touch', path, () => this.machine.touch(this.machine.get(path)))
  }

  setTimes(path: string, times: { readonly atime: number; readonly mtime: number }) {
    const { machine } = this
    return this.#call('setTimes', path, () => machine.changeTimes(machine.get(path), times))
  }

  /** Entry by entry: others see it half done. */
  async removeTree(path: string): Promise<void> {
    try {
      const entries = await this.readDir(path)
      for (const { name, kind } of entries) {
        const child = `${path}/${name}`
        if (kind === 'folder') await this.removeTree(child)
        else await this.unlink(child)
      }
      await this.rmdir(path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOTDIR') await this.unlink(path)
      else if (code !== 'ENOENT') throw error
    }
  }

  syncFolder(path: string): Promise<void> {
    return this.#call('syncFolder', path, () => this.machine.get(path, FOLLOW).device.commit())
  }

  syncFileSystem(path: string): Promise<void> {
    const { machine } = this
    return this.#call('syncfs', path, () => machine.get(path, FOLLOW).device.syncAll())
  }

  async usage(): Promise<FileSystemUsage> {
    return { total: PLENTY, used: 0, available: PLENTY }
  }

  #call<Result>(name: string, path: string, run: () => Result | Failure): Promise<Result> {
    return this.scheduler.call(name, path, run)
  }

  /** Idle calls are no steps of their own. */
  #callUnless<Result>(
    isIdle: boolean,
    name: string,
    path: string,
    run: () => Result | Failure,
  ): Promise<Result> {
    return isIdle
      ? this.scheduler.callQuietly(name, path, run)
      : this.scheduler.call(name, path, run)
  }
}

class SimFileHandle implements FileHandle {
  readonly fd = -1
  readonly #fs: SimFileSystem
  readonly #open: Set<SimFileHandle>
  readonly #inode: Inode
  /** As it was opened. */
  readonly #at: PathFacts
  /** Write-back errors that this descriptor has heard of. */
  #heardOfFile: number
  #heardOfDevice: number
  #isClosed = false
  #isClosing = false

  constructor(fs: SimFileSystem, open: Set<SimFileHandle>, inode: Inode, at: PathFacts) {
    this.#fs = fs
    this.#open = open
    this.#inode = inode
    this.#at = at
    const { device } = inode
    this.#heardOfFile = device.tellsLate ? inode.heardCount : inode.errorCount
    this.#heardOfDevice = device.tellsLate ? device.heardCount : device.errorCount
    inode.openCount += 1
    open.add(this)
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    const run = (): number => {
      const bytes = this.#inode.data.subarray(position, position + buffer.length)
      buffer.set(bytes)
      return bytes.length
    }
    return this.#at.isUnchanging
      ? this.#callQuietly('handle.read', run)
      : this.#call('handle.read', run)
  }

  write(buffer: Uint8Array, position: number): Promise<void> {
    return this.writev([buffer], position)
  }

  writev(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.#callUnseen('handle.write', () => {
      this.#fs.machine.write(this.#inode, buffers, position)
    })
  }

  truncate(size: number): Promise<void> {
    return this.#callUnseen('handle.truncate', () => this.#fs.machine.truncate(this.#inode, size))
  }

  sync(): Promise<void> {
    return this.#call('handle.sync', () => {
      const { errorCount } = this.#inode
      this.#inode.writeBack()
      this.#inode.device.commit()
      if (errorCount === this.#heardOfFile) return
      this.#heardOfFile = this.#inode.heardCount = errorCount
      throw systemError('EIO', 'fsync', this.#at.path)
    })
  }

  syncFileSystem(): Promise<void> {
    return this.#call('handle.syncfs', () => {
      const { device } = this.#inode
      device.syncAll()
      if (device.errorCount === this.#heardOfDevice) return
      this.#heardOfDevice = device.heardCount = device.errorCount
      throw systemError('EIO', 'syncfs', this.#at.path)
    })
  }

  stat(): Promise<FileStat> {
    const run = (): FileStat => statOf(this.#inode)
    return this.#at.isUnchanging
      ? this.#callQuietly('handle.stat', run)
      : this.#callUnseen('handle.stat', run)
  }

  chmod(mode: number): Promise<void> {
    return this.#callQuietly('handle.chmod', () => this.#fs.machine.changeMode(this.#inode, mode))
  }

  chown(): Promise<void> {
    return this.#callQuietly('handle.chown', () => undefined)
  }

  tryLock(scope: 'record' | 'flock', request: LockMode | 'unlock'): boolean {
    if (this.#isClosed) throw systemError('EBADF', scope, this.#at.path)
    const locks = this.#inode.locksOf(scope)
    if (request === 'unlock') locks.delete(this)
    else {
      for (const [holder, mode] of locks) {
        if (holder === this || (mode === 'shared' && request === 'shared')) continue
        // Converting a flock gives the old one up first.
        if (scope === 'flock') locks.delete(this)
        return false
      }
      locks.set(this, request)
    }
    return true
  }

  close(): Promise<void> {
    if (this.#isClosed || this.#isClosing) return DONE
    this.#isClosing = true
    const inode = this.#inode
    // Locks are given back, a number may be used again: others see that.
    const isSeen = inode.nlink === 0 || inode.hasLockOf(this)
    const run = (): void => this.closeNow()
    return isSeen ? this.#call('close', run) : this.#callQuietly('close', run)
  }

  closeNow(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#open.delete(this)
    const inode = this.#inode
    inode.endLocksOf(this)
    inode.openCount -= 1
    inode.device.giveBackIfUnused(inode)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** On a file that has a temporary name nobody else looks at what this call reads or changes. */
  #callUnseen<Result>(name: string, run: () => Result): Promise<Result> {
    return this.#at.isTemporary ? this.#callQuietly(name, run) : this.#call(name, run)
  }

  #callQuietly<Result>(name: string, run: () => Result): Promise<Result> {
    return this.#fs.scheduler.callQuietly(name, this.#at.path, () => this.#unlessClosed(name, run))
  }

  #call<Result>(name: string, run: () => Result): Promise<Result> {
    return this.#fs.scheduler.call(name, this.#at.path, () => this.#unlessClosed(name, run))
  }

  #unlessClosed<Result>(name: string, run: () => Result): Result {
    if (this.#isClosed) throw systemError('EBADF', name, this.#at.path)
    return run()
  }
}

function statAt(inode: Inode | Failure): FileStat | Failure {
  return inode instanceof Failure ? inode : statOf(inode)
}

/** For messages: the last names of a path. */
export function shortPath(path: string): string {
  return path.startsWith('/data/store/') ? path.slice('/data/store/'.length) : dirname(path)
}
