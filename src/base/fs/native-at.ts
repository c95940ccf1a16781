/**
 * Calls relative to an open folder: what walks and fills trees without ever following a path that
 * somebody may change meanwhile. All of them wait, and are meant for worker threads. A name is a
 * **byte string**: one character per byte (latin1), so that names need not be UTF-8. Errors are plain
 * system errors. Layouts are those of the kernel's headers and the same on x86-64 and arm64.
 */
import { isSystemError } from '../errors.ts'
import { loadKoffi, type NativeValue, nativeFunction } from './native.ts'
import { errnoName, systemError } from './system-error.ts'

export const AT_SYMLINK_NOFOLLOW = 0x100
const AT_REMOVEDIR = 0x200
const AT_EMPTY_PATH = 0x1000
const STATX_BASIC = 0x7ff
const STATX_SIZE = 256
const UTIME_OMIT = 0x3ffffffe
const U32_RANGE = 2 ** 32
/** Linux allows names of 255 and paths of 4096 bytes; archives hold names of up to 4096. */
const NAME_ROOM = 8192
/** One call brings some thousand names. */
const DENTS_SIZE = 256 * 1024
/** Largest value and largest list of names (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
const XATTR_SIZE = 65_536
/** Enough for the names of nearly every file: the kernel takes memory of the size it is told, for each file of a tree. */
const XATTR_NAMES_SIZE = 512
const LINK_SIZE = 4096

const name1 = Buffer.alloc(NAME_ROOM)
const name2 = Buffer.alloc(NAME_ROOM)
const empty = Buffer.alloc(1)
const statBytes = Buffer.alloc(STATX_SIZE)
const statView = new DataView(statBytes.buffer, statBytes.byteOffset, STATX_SIZE)
const times = Buffer.alloc(32)
const xattrBytes = Buffer.alloc(XATTR_SIZE)
/** Fresh memory for each folder would cost its page faults. */
const dents = Buffer.alloc(DENTS_SIZE)

/** What `statx` tells; device numbers are split, inode numbers are halves of a u64. */
export interface NativeStat {
  readonly mode: number
  readonly linkCount: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtimeSec: number
  readonly mtimeNsec: number
  /** Names device and inode together: equal for two names of one object. */
  readonly identity: () => string
  /** Device that holds the object, as text. */
  readonly device: string
  readonly rdevMajor: number
  readonly rdevMinor: number
}

/** Opens `name` below `folder`; `flags` and `mode` as in open(2). The descriptor is closed by `closeFd`. */
export function openAt(folder: number, name: string, flags: number, mode = 0): number {
  const values = [folder, put(name1, name), flags, mode]
  return call(
    'int openat(int folder, const void *path, int flags, unsigned int mode)',
    values,
    name,
  )
}

/** Closes a descriptor of `openAt`; Node's own `close` would warn that it does not know it. */
export function closeFd(fd: number): void {
  nativeFunction('int close(int fd)')(fd)
}

/** State of what `fd` is open on, also one opened with O_PATH. */
export function statFd(fd: number): NativeStat {
  return statx(fd, empty, AT_EMPTY_PATH, '')
}

/** State of `name` below `folder` itself, links not followed. */
export function statAt(folder: number, name: string): NativeStat {
  return statx(folder, put(name1, name), AT_SYMLINK_NOFOLLOW, name)
}

/** Calls `visit` with each name below `folder` but `.` and `..`, and its `d_type` (0: unknown); it must not list another folder. */
export function readNames(folder: number, visit: (name: string, type: number) => void): void {
  const prototype = 'int64_t getdents64(int fd, void *entries, size_t size)'
  for (;;) {
    const size = call(prototype, [folder, dents, DENTS_SIZE], '')
    if (size === 0) return
    for (let start = 0; start < size; start += dents.readUInt16LE(start + 16)) {
      const nameStart = start + 19
      const name = dents.toString('latin1', nameStart, dents.indexOf(0, nameStart))
      if (name !== '.' && name !== '..') visit(name, dents[start + 18] as number)
    }
  }
}

/** Target bytes of the link that `fd` is open on (O_PATH). */
export function readLinkFd(fd: number): Buffer {
  const prototype = 'int64_t readlinkat(int folder, const void *path, void *target, size_t size)'
  const target = Buffer.allocUnsafe(LINK_SIZE)
  return target.subarray(0, call(prototype, [fd, empty, target, LINK_SIZE], ''))
}

/** Names of the extended attributes of an open file, in the kernel's order. */
export function listXattrs(fd: number): string[] {
  const size = listXattrsInto(fd)
  if (size === 0) return []
  return xattrBytes.toString('latin1', 0, size - 1).split('\0')
}

function listXattrsInto(fd: number): number {
  const prototype = 'int64_t flistxattr(int fd, void *list, size_t size)'
  try {
    return call(prototype, [fd, xattrBytes, XATTR_NAMES_SIZE], '')
  } catch (error) {
    if (!isSystemError(error, 'ERANGE')) throw error
    return call(prototype, [fd, xattrBytes, XATTR_SIZE], '')
  }
}

/** Value of one extended attribute of an open file. */
export function getXattr(fd: number, name: string): Buffer {
  const prototype = 'int64_t fgetxattr(int fd, const void *name, void *value, size_t size)'
  const size = call(prototype, [fd, put(name1, name), xattrBytes, XATTR_SIZE], name)
  return Buffer.from(xattrBytes.subarray(0, size))
}

/** Sets one extended attribute of an open file. */
export function setXattr(fd: number, name: string, value: Uint8Array): void {
  const prototype =
    'int fsetxattr(int fd, const void *name, const void *value, size_t size, int flags)'
  // An empty view may have no memory; the call wants an address all the same.
  const bytes = value.length === 0 ? empty : value
  call(prototype, [fd, put(name1, name), bytes, value.length, 0], name)
}

/** As setXattr, by a path whose links are followed; for `/proc/self/fd/N`. */
export function setXattrPath(path: string, name: string, value: Uint8Array): void {
  const prototype =
    'int setxattr(const void *path, const void *name, const void *value, size_t size, int flags)'
  const bytes = value.length === 0 ? empty : value
  call(prototype, [put(name1, path), put(name2, name), bytes, value.length, 0], name)
}

export function makeFolderAt(folder: number, name: string, mode: number): void {
  const values = [folder, put(name1, name), mode]
  call('int mkdirat(int folder, const void *path, unsigned int mode)', values, name)
}

export function symlinkAt(folder: number, name: string, target: Uint8Array): void {
  const values = [put(name2, Buffer.from(target).toString('latin1')), folder, put(name1, name)]
  call('int symlinkat(const void *target, int folder, const void *path)', values, name)
}

/** Makes `name` below `folder` another name of `oldName` below `oldFolder`; links are not followed. */
export function linkAt(oldFolder: number, oldName: string, folder: number, name: string): void {
  const prototype =
    'int linkat(int old_folder, const void *old_path, int folder, const void *path, int flags)'
  call(prototype, [oldFolder, put(name1, oldName), folder, put(name2, name), 0], name)
}

/** Makes a device, FIFO or socket; `mode` holds type and permissions. */
export function makeNodeAt(
  folder: number,
  name: string,
  mode: number,
  device: { readonly major: number; readonly minor: number },
): void {
  const prototype = 'int mknodat(int folder, const void *path, unsigned int mode, uint64_t device)'
  call(prototype, [folder, put(name1, name), mode, deviceNumber(device)], name)
}

/** Removes a name; a folder (which must be empty) only with `isFolder`. */
export function unlinkAt(folder: number, name: string, isFolder = false): void {
  const values = [folder, put(name1, name), isFolder ? AT_REMOVEDIR : 0]
  call('int unlinkat(int folder, const void *path, int flags)', values, name)
}

/** Sets the owner of what `fd` is open on, also one opened with O_PATH. */
export function chownFd(fd: number, uid: number, gid: number): void {
  const prototype =
    'int fchownat(int folder, const void *path, unsigned int uid, unsigned int gid, int flags)'
  call(prototype, [fd, empty, uid, gid, AT_EMPTY_PATH], '')
}

/** Sets the permissions of an open file. */
export function chmodFd(fd: number, mode: number): void {
  call('int fchmod(int fd, unsigned int mode)', [fd, mode], '')
}

/** Sets the mtime of an open file and leaves its atime. */
export function setMtimeFd(fd: number, mtimeSec: number, mtimeNsec: number): void {
  putTimes(mtimeSec, mtimeNsec)
  call('int futimens(int fd, const void *times)', [fd, times], '')
}

/** Sets the mtime of `name` below `folder` itself, links not followed, and leaves its atime. */
export function setMtimeAt(
  folder: number,
  name: string,
  mtimeSec: number,
  mtimeNsec: number,
): void {
  putTimes(mtimeSec, mtimeNsec)
  const prototype = 'int utimensat(int folder, const void *path, const void *times, int flags)'
  call(prototype, [folder, put(name1, name), times, AT_SYMLINK_NOFOLLOW], name)
}

function statx(folder: number, path: Buffer, flags: number, name: string): NativeStat {
  const prototype =
    'int statx(int folder, const void *path, int flags, unsigned int mask, void *result)'
  call(prototype, [folder, path, flags, STATX_BASIC, statBytes], name)
  return new Statx(statView)
}

/** The answer of one call; texts are made when somebody asks: of most files of a tree nobody does. */
class Statx implements NativeStat {
  readonly linkCount: number
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly size: number
  readonly mtimeSec: number
  readonly mtimeNsec: number
  readonly rdevMajor: number
  readonly rdevMinor: number
  readonly #inodeLow: number
  readonly #inodeHigh: number
  readonly #deviceMajor: number
  readonly #deviceMinor: number

  constructor(view: DataView) {
    this.linkCount = view.getUint32(16, true)
    this.uid = view.getUint32(20, true)
    this.gid = view.getUint32(24, true)
    this.mode = view.getUint16(28, true)
    this.#inodeLow = view.getUint32(32, true)
    this.#inodeHigh = view.getUint32(36, true)
    this.size = view.getUint32(44, true) * U32_RANGE + view.getUint32(40, true)
    this.mtimeSec = view.getInt32(116, true) * U32_RANGE + view.getUint32(112, true)
    this.mtimeNsec = view.getUint32(120, true)
    this.rdevMajor = view.getUint32(128, true)
    this.rdevMinor = view.getUint32(132, true)
    this.#deviceMajor = view.getUint32(136, true)
    this.#deviceMinor = view.getUint32(140, true)
  }

  get device(): string {
    return `${this.#deviceMajor}:${this.#deviceMinor}`
  }

  identity(): string {
    return `${this.device}:${this.#inodeHigh}:${this.#inodeLow}`
  }
}

/** `dev_t` as glibc packs it. */
function deviceNumber({ major, minor }: { major: number; minor: number }): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)]
  const small = ((high & 0xfffn) << 8n) | (low & 0xffn)
  return small | ((high & 0xfffff000n) << 32n) | ((low & 0xffffff00n) << 12n)
}

function putTimes(mtimeSec: number, mtimeNsec: number): void {
  times.writeBigInt64LE(BigInt(UTIME_OMIT), 8)
  times.writeBigInt64LE(BigInt(mtimeSec), 16)
  times.writeBigInt64LE(BigInt(mtimeNsec), 24)
}

/** Writes `text` with a zero behind it into `room` and returns that. */
function put(room: Buffer, text: string): Buffer {
  if (text.length >= NAME_ROOM) throw systemError('ENAMETOOLONG', 'path')
  if (text.includes('\0')) throw systemError('EINVAL', 'path')
  room.write(text, 0, 'latin1')
  room[text.length] = 0
  return room
}

function call(prototype: string, values: readonly NativeValue[], name: string): number {
  const result = Number(nativeFunction(prototype)(...values))
  if (result !== -1) return result
  const syscall = /(\w+)\(/.exec(prototype)?.[1] ?? prototype
  const path = Buffer.from(name, 'latin1').toString()
  throw systemError(errnoName(loadKoffi(syscall).errno()), syscall, name === '' ? undefined : path)
}
