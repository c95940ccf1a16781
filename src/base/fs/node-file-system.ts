/** FileSystem over Node's own calls; what Node lacks (`syncfs`, touching atime alone) is native. */
import type { BigIntStats, Dirent } from 'node:fs'
import * as nodeFs from 'node:fs/promises'
import type { Allocate } from '../buffer-pool.ts'
import type {
  DirEntry,
  FileHandle,
  FileKind,
  FileStat,
  FileSystem,
  FileSystemUsage,
  OpenMode,
} from './file-system.ts'
import { DIRECT_SIZE_MIN, readDirect, writeDirect } from './direct-io.ts'
import { DIRECT_ALIGNMENT } from './native-address.ts'
import { flock, type LockRequest, ofdLock, syncfs, utimensatAsync } from './native.ts'
import { systemClock } from '../time/clock.ts'
import { systemError } from './system-error.ts'
import { writePieces } from './write-pieces.ts'

const FLAGS: Record<OpenMode, number> = {
  read: nodeFs.constants.O_RDONLY,
  write: nodeFs.constants.O_RDWR,
  create: nodeFs.constants.O_RDWR | nodeFs.constants.O_CREAT | nodeFs.constants.O_TRUNC,
  'create-new': nodeFs.constants.O_RDWR | nodeFs.constants.O_CREAT | nodeFs.constants.O_EXCL,
  'read-write-create': nodeFs.constants.O_RDWR | nodeFs.constants.O_CREAT,
}

const FILE_MODE_DEFAULT = 0o666
const MODE_MASK = 0o7777

class NodeFileHandle implements FileHandle {
  readonly #handle: nodeFs.FileHandle
  readonly #path: string
  #isClosed = false

  constructor(handle: nodeFs.FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  get fd(): number {
    return this.#handle.fd
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < buffer.length) {
      const rest = buffer.length - done
      const { bytesRead } = await this.#handle.read(buffer, done, rest, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  }

  async write(buffer: Uint8Array, position: number): Promise<void> {
    const done = await writeDirect(this.#handle, buffer, position)
    const rest = buffer.subarray(done)
    await writePieces(this.#handle, rest, { position: position + done, path: this.#path })
  }

  async writev(buffers: readonly Uint8Array[], position: number): Promise<void> {
    const size = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    if (size === 0) return
    const { bytesWritten } = await this.#handle.writev([...buffers], position)
    if (bytesWritten === size) return
    // Short: the disk is nearly full, or more than IOV_MAX buffers. The rest goes one by one.
    let skip = bytesWritten
    let at = position + bytesWritten
    for (const buffer of buffers) {
      const rest = buffer.subarray(Math.min(skip, buffer.length))
      skip -= buffer.length - rest.length
      await this.write(rest, at)
      at += rest.length
    }
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size)
  }

  async sync(): Promise<void> {
    await this.#handle.sync()
  }

  async syncFileSystem(): Promise<void> {
    await syncfs(this.#handle.fd)
  }

  async stat(): Promise<FileStat> {
    return toFileStat(await this.#handle.stat({ bigint: true }))
  }

  async chmod(mode: number): Promise<void> {
    await this.#handle.chmod(mode)
  }

  async chown(uid: number, gid: number): Promise<void> {
    await this.#handle.chown(uid, gid)
  }

  tryLock(scope: 'record' | 'flock', request: LockRequest): boolean {
    return scope === 'record' ? ofdLock(this.fd, request) : flock(this.fd, request)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#handle.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** The machine's file system. */
export const nodeFileSystem: FileSystem = {
  async open(path, mode, fileMode = FILE_MODE_DEFAULT) {
    return new NodeFileHandle(await nodeFs.open(path, FLAGS[mode], fileMode), path)
  },
  async readFile(path, sizeMax, allocate) {
    if (sizeMax !== undefined) return await readBounded(path, sizeMax, allocate)
    return toPlainBytes(await nodeFs.readFile(path))
  },
  stat: async (path) => toFileStat(await nodeFs.stat(path, { bigint: true })),
  lstat: async (path) => toFileStat(await nodeFs.lstat(path, { bigint: true })),
  readDir: async (path) => (await nodeFs.readdir(path, { withFileTypes: true })).map(toDirEntry),
  readLink: async (path) => await nodeFs.readlink(path),
  realPath: async (path) => await nodeFs.realpath(path),
  mkdir: async (path, options = {}) => void (await nodeFs.mkdir(path, options)),
  rmdir: async (path) => await nodeFs.rmdir(path),
  unlink: async (path) => await nodeFs.unlink(path),
  rename: async (from, to) => await nodeFs.rename(from, to),
  link: async (existing, path) => await nodeFs.link(existing, path),
  symlink: async (target, path) => await nodeFs.symlink(target, path),
  chmod: async (path, mode) => await nodeFs.chmod(path, mode),
  // Never through a link: root gives away what lies in folders of other users.
  chown: async (path, uid, gid) => await nodeFs.lchown(path, uid, gid),
  touch,
  setTimes: async (path, times) => await nodeFs.utimes(path, times.atime, times.mtime),
  removeTree: async (path) => await nodeFs.rm(path, { recursive: true, force: true }),
  async syncFolder(path) {
    await using handle = await nodeFs.open(path, nodeFs.constants.O_RDONLY)
    await handle.sync()
  },
  async syncFileSystem(path) {
    await using handle = await nodeFs.open(path, nodeFs.constants.O_RDONLY)
    await syncfs(handle.fd)
  },
  usage,
}

/** FileStat of what Node's bigint stat calls answer. */
export function toFileStat(stats: BigIntStats): FileStat {
  return {
    kind: kindOf(stats),
    size: Number(stats.size),
    mode: Number(stats.mode) & MODE_MASK,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    dev: stats.dev,
    ino: stats.ino,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    atimeNs: stats.atimeNs,
    nlink: Number(stats.nlink),
  }
}

function toDirEntry(entry: Dirent): DirEntry {
  return { name: entry.name, kind: kindOf(entry) }
}

function kindOf(stats: BigIntStats | Dirent): FileKind {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  return stats.isSymbolicLink() ? 'link' : 'other'
}

async function readBounded(
  path: string,
  sizeMax: number,
  allocate: Allocate = (size) => new Uint8Array(size),
): Promise<Uint8Array<ArrayBuffer>> {
  await using handle = await nodeFs.open(path, nodeFs.constants.O_RDONLY)
  const { size } = await handle.stat()
  if (size > sizeMax) throw systemError('EFBIG', 'read', path)
  // More than allowed: a file that grows meanwhile is noticed.
  const wanted = Math.min(size, sizeMax) + 1
  const isBulk = wanted >= DIRECT_SIZE_MIN
  const bytes = allocate(isBulk ? wholePages(wanted) : wanted)
  let done = isBulk ? await readDirect(handle, bytes) : 0
  // A read that is shorter than asked for, and not before the size, has seen the end.
  while (done < size || done === 0) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, done)
    done += bytesRead
    if (bytesRead === 0) break
  }
  if (done <= size) return bytes.subarray(0, done)
  if (done > sizeMax) throw systemError('EFBIG', 'read', path)
  // It grew between the two looks (or is of a kind that says 0): read it as it is now.
  const whole = toPlainBytes(await nodeFs.readFile(path))
  if (whole.length > sizeMax) throw systemError('EFBIG', 'read', path)
  return whole
}

function wholePages(size: number): number {
  return Math.ceil(size / DIRECT_ALIGNMENT) * DIRECT_ALIGNMENT
}

function toPlainBytes(buffer: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer: memory, byteOffset, byteLength } = buffer
  if (memory instanceof ArrayBuffer) return new Uint8Array(memory, byteOffset, byteLength)
  return new Uint8Array(buffer)
}

async function touch(path: string): Promise<void> {
  if (process.platform === 'linux') {
    return await utimensatAsync(path, { atimeNs: 'now', mtimeNs: 'keep' }, { noFollow: true })
  }
  // Without utimensat the modification time is written back, cut to what a double holds.
  const { mtime } = await nodeFs.lstat(path)
  await nodeFs.lutimes(path, systemClock.now() / 1000, mtime)
}

async function usage(path: string): Promise<FileSystemUsage> {
  const { bsize, blocks, bfree, bavail } = await nodeFs.statfs(path, { bigint: true })
  return {
    total: Number(blocks * bsize),
    used: Number((blocks - bfree) * bsize),
    available: Number(bavail * bsize),
  }
}
