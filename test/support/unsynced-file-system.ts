/**
 * A file system for places that are thrown away afterwards and lose no power before: each call is done at once on this
 * thread, which takes a tenth of the way through libuv's pool, and nothing is made durable.
 */
import * as fs from 'node:fs'
import type { FileHandle, FileSystem, OpenMode } from '../../src/base/fs/file-system.ts'
import { flock, type LockRequest, ofdLock } from '../../src/base/fs/native.ts'
import { nodeFileSystem, toFileStat } from '../../src/base/fs/node-file-system.ts'
import { systemError } from '../../src/base/fs/system-error.ts'

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC } = fs.constants
const FLAGS: Record<OpenMode, number> = {
  read: O_RDONLY,
  write: O_RDWR,
  create: O_RDWR | O_CREAT | O_TRUNC,
  'create-new': O_RDWR | O_CREAT | O_EXCL,
  'read-write-create': O_RDWR | O_CREAT,
}
const FILE_MODE_DEFAULT = 0o666

class UnsyncedHandle implements FileHandle {
  readonly fd: number
  #isClosed = false

  constructor(fd: number) {
    this.fd = fd
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < buffer.length) {
      const count = fs.readSync(this.fd, buffer, done, buffer.length - done, position + done)
      if (count === 0) break
      done += count
    }
    return done
  }

  async write(buffer: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < buffer.length; ) {
      done += fs.writeSync(this.fd, buffer, done, buffer.length - done, position + done)
    }
  }

  async writev(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let at = position
    for (const buffer of buffers) {
      await this.write(buffer, at)
      at += buffer.length
    }
  }

  async truncate(size: number): Promise<void> {
    fs.ftruncateSync(this.fd, size)
  }

  async sync(): Promise<void> {}

  async syncFileSystem(): Promise<void> {}

  async stat() {
    return toFileStat(fs.fstatSync(this.fd, { bigint: true }))
  }

  async chmod(mode: number): Promise<void> {
    fs.fchmodSync(this.fd, mode)
  }

  async chown(uid: number, gid: number): Promise<void> {
    fs.fchownSync(this.fd, uid, gid)
  }

  tryLock(scope: 'record' | 'flock', request: LockRequest): boolean {
    return scope === 'record' ? ofdLock(this.fd, request) : flock(this.fd, request)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    fs.closeSync(this.fd)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

export const unsyncedFileSystem: FileSystem = {
  ...nodeFileSystem,
  open: async (path, mode, fileMode = FILE_MODE_DEFAULT) =>
    new UnsyncedHandle(fs.openSync(path, FLAGS[mode], fileMode)),
  async readFile(path, sizeMax = Infinity) {
    const bytes = fs.readFileSync(path)
    if (bytes.length > sizeMax) throw systemError('EFBIG', 'read', path)
    return new Uint8Array(bytes)
  },
  stat: async (path) => toFileStat(fs.statSync(path, { bigint: true })),
  lstat: async (path) => toFileStat(fs.lstatSync(path, { bigint: true })),
  readDir: async (path) =>
    fs.readdirSync(path, { withFileTypes: true }).map((entry) => ({
      name: entry.name,
      kind: entry.isFile()
        ? 'file'
        : entry.isDirectory()
          ? 'folder'
          : entry.isSymbolicLink()
            ? 'link'
            : 'other',
    })),
  readLink: async (path) => fs.readlinkSync(path),
  realPath: async (path) => fs.realpathSync(path),
  mkdir: async (path, options = {}) => void fs.mkdirSync(path, options),
  rmdir: async (path) => fs.rmdirSync(path),
  unlink: async (path) => fs.unlinkSync(path),
  rename: async (from, to) => fs.renameSync(from, to),
  link: async (existing, path) => fs.linkSync(existing, path),
  symlink: async (target, path) => fs.symlinkSync(target, path),
  chmod: async (path, mode) => fs.chmodSync(path, mode),
  chown: async (path, uid, gid) => fs.lchownSync(path, uid, gid),
  removeTree: async (path) => fs.rmSync(path, { recursive: true, force: true }),
  async syncFolder() {},
  async syncFileSystem() {},
}
