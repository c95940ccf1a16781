/**
 * Reading files that lie in memory already, without ever waiting for a disk: who reads may tell what is there from what
 * a disk must be asked for, and ask for the latter in a better order or fewer at a time. Linux 5.12 and later; all of it
 * waits for the kernel alone, and is meant for worker threads.
 */
import { constants } from 'node:fs'
import { constants as osConstants } from 'node:os'
import { cString, loadKoffi, missingNativeCalls, nativeCall, nativeFunction } from './native.ts'
import { addressOf } from './native-address.ts'

/** The same number on all machines: the C library has no such function. */
const OPENAT2_NUMBER = 437
const OPENAT2 =
  'int64_t syscall(int64_t number, int64_t folder, uint64_t path, uint64_t how, uint64_t size)'
const PREADV2 = 'int64_t preadv2(int fd, uint64_t pieces, int count, int64_t offset, int flags)'
const OPEN = 'int open(const void *path, int flags)'
const CLOSE = 'int close(int fd)'

/** struct open_how: flags, mode, resolve, u64 each. */
const HOW_SIZE = 24
const RESOLVE_CACHED = 0x20n
const CLOSE_ON_EXEC = 0o2_000_000
/** Fails where memory does not have the next byte. */
const RWF_NOWAIT = 8
/** What is missing begins at such a place. */
const PAGE_SIZE = 4096
/** What the calls are given: the path, struct open_how, struct iovec (address and length, u64 each). */
const CONTROL_SIZE = 512
const HOW_OFFSET = 256
const PIECE_OFFSET = 320
const PIECE_WORD = PIECE_OFFSET / 4
const U32_RANGE = 2 ** 32

/** Files below one folder; to be disposed of. */
export class CachedFiles implements Disposable {
  readonly #folder: number
  readonly #openat2 = nativeFunction(OPENAT2)
  readonly #preadv2 = nativeFunction(PREADV2)
  readonly #close = nativeFunction(CLOSE)
  readonly #control = Buffer.allocUnsafeSlow(CONTROL_SIZE).fill(0)
  readonly #words = new Uint32Array(this.#control.buffer, 0, CONTROL_SIZE / 4)
  readonly #address = addressOf(this.#control)
  /** False once the file system said that it cannot tell what is in memory: NFS, ZFS, tmpfs. */
  #isKnown = true
  #target: Uint8Array | null = null
  #targetAddress = 0

  private constructor(folder: number) {
    this.#folder = folder
    this.#control.writeBigUInt64LE(BigInt(constants.O_RDONLY | CLOSE_ON_EXEC), HOW_OFFSET)
    this.#control.writeBigUInt64LE(RESOLVE_CACHED, HOW_OFFSET + HOW_SIZE - 8)
  }

  /** Null where this machine has no such calls, or no such folder. */
  static open(folder: string): CachedFiles | null {
    if (missingNativeCalls().length > 0) return null
    try {
      const flags = constants.O_RDONLY | constants.O_DIRECTORY | CLOSE_ON_EXEC
      const fd = nativeCall(OPEN, [cString(folder), flags], { path: folder })
      return fd === null ? null : new CachedFiles(fd)
    } catch {
      // Whoever reads a file says why it cannot.
      return null
    }
  }

  /**
   * Reads the file `path` (ASCII, below the folder) into `target`, which must not be a part of a shared pool: its size,
   * or the size of `target` if it is longer. Null if any of it is not in memory, and for any other reason: then an
   * ordinary read says which.
   */
  read(path: string, target: Uint8Array): number | null {
    if (!this.#isKnown || path.length >= HOW_OFFSET) return null
    this.#control.write(path, 'latin1')
    this.#control[path.length] = 0
    const how = this.#address + HOW_OFFSET
    const fd = Number(this.#openat2(OPENAT2_NUMBER, this.#folder, this.#address, how, HOW_SIZE))
    if (fd < 0) return null
    try {
      return this.#readAll(fd, target)
    } finally {
      this.#close(fd)
    }
  }

  [Symbol.dispose](): void {
    this.#close(this.#folder)
  }

  #readAll(fd: number, target: Uint8Array): number | null {
    for (let size = 0; size < target.length; ) {
      const count = this.#readPiece(fd, target, size)
      if (count < 0) {
        if (loadKoffi('errno').errno() === osConstants.errno.EOPNOTSUPP) this.#isKnown = false
        return null
      }
      size += count
      // What ends within a page ends there for good.
      if (count === 0 || size % PAGE_SIZE !== 0) return size
    }
    return target.length
  }

  #readPiece(fd: number, target: Uint8Array, offset: number): number {
    if (this.#target !== target) {
      this.#target = target
      this.#targetAddress = addressOf(target)
    }
    // Halves: numbers of 64 bits would each be an object.
    const start = this.#targetAddress + offset
    this.#words[PIECE_WORD] = start
    this.#words[PIECE_WORD + 1] = start / U32_RANGE
    this.#words[PIECE_WORD + 2] = target.length - offset
    return Number(this.#preadv2(fd, this.#address + PIECE_OFFSET, 1, offset, RWF_NOWAIT))
  }
}
