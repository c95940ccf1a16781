/**
 * Reading many small folders below one, with the state of what is in them: the raw names as the kernel gives them, no
 * text and no object for each. Several times as fast as Node's own calls, which wait, too: for worker threads only.
 * Layouts are those of the kernel's headers and the same on x86-64 and arm64.
 */
import { constants } from 'node:fs'
import { isSystemError } from '../errors.ts'
import {
  cString,
  loadKoffi,
  missingNativeCalls,
  type NativeValue,
  nativeFunction,
} from './native.ts'
import { addressOf } from './native-address.ts'
import { errnoName, systemError } from './system-error.ts'

/** What lies before a name in the kernel's entry: inode u64, position i64, size u16, type u8. */
const NAME_OFFSET = 19
const SIZE_OFFSET = 16
/** Names of a folder with some thousand entries; it grows. */
const NAMES_SIZE = 256 << 10
/** The kernel wants room for one entry at least: 280 bytes. */
const ROOM_MIN = 32 << 10

const AT_SYMLINK_NOFOLLOW = 0x100
const AT_EMPTY_PATH = 0x1000
/** Type, size and times. */
const STATX_MASK = 0x1 | 0x40 | 0x80 | 0x200
const STATX_SIZE = 256
const U32_RANGE = 2 ** 32
const TYPE_MASK = 0o170_000
const REGULAR_FILE = 0o100_000
const MTIME_OFFSET = 112
const CTIME_OFFSET = 96
const AT_FDCWD = -100
const EMPTY = Buffer.alloc(1)
const MS_PER_S = 1000
const NS_PER_MS = 1e6
const ATTEMPTS_MAX = 4
/** Closed in programs that are started. */
const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | 0o2_000_000

const OPENAT = 'int openat(int folder, const void *path, int flags, unsigned int mode)'
const GETDENTS = 'int64_t getdents64(int fd, void *entries, size_t size)'
const STATX = 'int statx(int folder, const void *path, int flags, unsigned int mask, void *result)'
/** The same call with addresses in place of buffers: no view has to be made for each name. */
const STATX_AT = 'int statx(int folder, uint64_t path, int flags, uint32_t mask, uint64_t result)'
const CLOSE = 'int close(int fd)'

/** What `lstat` says of an entry, times in milliseconds since the epoch. */
export interface ScannedStat {
  readonly isFile: boolean
  readonly size: number
  readonly mtimeMs: number
  readonly ctimeMs: number
}

let isAvailable: boolean | null = null

/** Whether this machine has the calls. */
export function canScan(): boolean {
  isAvailable ??= missingNativeCalls().length === 0
  return isAvailable
}

/** Folders below `path`, one at a time; to be disposed of. */
export class FolderScanner implements Disposable {
  readonly #path: string
  readonly #base: number
  readonly #stat = Buffer.allocUnsafeSlow(STATX_SIZE)
  readonly #view = new DataView(this.#stat.buffer, this.#stat.byteOffset, STATX_SIZE)
  readonly #statAddress = addressOf(this.#stat)
  readonly #statx = nativeFunction(STATX_AT)
  #folder = -1
  #names = Buffer.allocUnsafeSlow(NAMES_SIZE)
  #namesAddress = addressOf(this.#names)
  #size = 0
  #ctimeMs = 0

  /** Throws system errors. */
  constructor(path: string) {
    this.#path = path
    this.#base = this.#open(AT_FDCWD, path)
  }

  /** The kernel's entries of the folder that was read last; borrowed until the next one is read. */
  get bytes(): Buffer {
    return this.#names
  }

  /** Change time of the folder, asked for before its names. */
  get ctimeMs(): number {
    return this.#ctimeMs
  }

  /** Change time of the folder `name`, in milliseconds since the epoch; null if it is not there. */
  changeTime(name: string): number | null {
    try {
      this.#check(STATX, [this.#base, cString(name), 0, STATX_MASK, this.#stat], name)
      return this.#timeAt(CTIME_OFFSET)
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null
      throw error
    }
  }

  /** Reads all names of the folder `name`; false if it is not there. Throws other system errors. */
  read(name: string): boolean {
    this.#leave()
    this.#size = 0
    try {
      this.#folder = this.#open(this.#base, name)
      this.#check(STATX, [this.#folder, EMPTY, AT_EMPTY_PATH, STATX_MASK, this.#stat], name)
      this.#ctimeMs = this.#timeAt(CTIME_OFFSET)
      while (this.#readNames(name)) {
        if (this.#names.length - this.#size < ROOM_MIN) this.#grow()
      }
      return true
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false
      throw error
    }
  }

  /** Calls `visit` with where each name begins in `bytes`; it ends with a zero byte. `.` and `..` are among them. */
  forEachName(visit: (nameStart: number) => void): void {
    const names = this.#names
    for (let start = 0; start < this.#size; ) {
      visit(start + NAME_OFFSET)
      start += (names[start + SIZE_OFFSET] ?? 0) | ((names[start + SIZE_OFFSET + 1] ?? 0) << 8)
    }
  }

  /** State of the entry whose name begins at `nameStart` of `bytes`, links not followed; null if it is gone. */
  stat(nameStart: number): ScannedStat | null {
    const path = this.#namesAddress + nameStart
    const flags = AT_SYMLINK_NOFOLLOW
    const address = this.#statAddress
    // A million calls: what a failure needs is made for failures only.
    if (this.#statx(this.#folder, path, flags, STATX_MASK, address) !== 0) {
      const { result, code } = sure(() =>
        Number(this.#statx(this.#folder, path, flags, STATX_MASK, address)),
      )
      if (code === 'ENOENT') return null
      if (result !== 0) throw systemError(code, 'statx', this.nameAt(nameStart))
    }
    return {
      isFile: (this.#view.getUint16(28, true) & TYPE_MASK) === REGULAR_FILE,
      size: this.#view.getUint32(44, true) * U32_RANGE + this.#view.getUint32(40, true),
      mtimeMs: this.#timeAt(MTIME_OFFSET),
      ctimeMs: this.#timeAt(CTIME_OFFSET),
    }
  }

  /** The name that begins at `nameStart`. */
  nameAt(nameStart: number): string {
    return this.#names.toString('utf8', nameStart, this.#names.indexOf(0, nameStart))
  }

  [Symbol.dispose](): void {
    this.#leave()
    nativeFunction(CLOSE)(this.#base)
  }

  #open(folder: number, path: string): number {
    return this.#check(OPENAT, [folder, cString(path), FLAGS, 0], path)
  }

  #leave(): void {
    if (this.#folder >= 0) nativeFunction(CLOSE)(this.#folder)
    this.#folder = -1
  }

  /** False at the end. */
  #readNames(name: string): boolean {
    const room = this.#names.subarray(this.#size)
    const size = this.#check(GETDENTS, [this.#folder, room, room.length], name)
    this.#size += size
    return size > 0
  }

  #grow(): void {
    const grown = Buffer.allocUnsafeSlow(this.#names.length * 2)
    grown.set(this.#names)
    this.#names = grown
    this.#namesAddress = addressOf(grown)
  }

  #timeAt(offset: number): number {
    const seconds = this.#view.getInt32(offset + 4, true) * U32_RANGE
    const low = this.#view.getUint32(offset, true)
    // As Node computes it: what the two say of one file is compared.
    return (seconds + low) * MS_PER_S + this.#view.getUint32(offset + 8, true) / NS_PER_MS
  }

  #check(prototype: string, values: readonly NativeValue[], name: string): number {
    const call = nativeFunction(prototype)
    const { result, code } = sure(() => Number(call(...values)))
    if (result !== -1) return result
    const syscall = /(\w+)\(/.exec(prototype)?.[1] ?? prototype
    const path = name.startsWith('/') ? name : `${this.#path}/${name}`
    throw systemError(code, syscall, path)
  }
}

/**
 * Between a call that fails and the question for its errno, V8 may use the thread's errno for itself (seen: EAGAIN for a
 * folder that was missing): what does not say that a name is missing is asked for again.
 */
function sure(run: () => number): { readonly result: number; readonly code: string } {
  for (let attempt = 1; ; attempt += 1) {
    const result = run()
    if (result !== -1) return { result, code: '' }
    const code = errnoName(loadKoffi('errno').errno())
    if (code === 'ENOENT' || attempt === ATTEMPTS_MAX) return { result, code }
  }
}
