/**
 * Bulk reads and writes past the page cache: the disk moves the data from or to where it lies. A copy into fresh pages
 * costs ten times the processor time in a virtual machine, pushes out what others use, and leaves a later sync all the
 * work. Files whose data lies in the cache are read from there.
 */
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { isSystemError } from '../errors.ts'
import { bytesToAlignment, DIRECT_ALIGNMENT } from './native-address.ts'
import { nativeCall } from './native.ts'

/** Shorter transfers gain nothing from it. */
export const DIRECT_SIZE_MIN = 1024 * 1024
/**
 * Keep a disk busy, and leave threads of libuv's pool to hash and decompress; whoever finds that many at it writes
 * through the cache, which takes what the disk does not take at once.
 */
const DIRECT_WRITES_MAX = 2

const FCNTL = 'int fcntl(int fd, int command, int64_t value)'
const F_GETFL = 3
const F_SETFL = 4

const SYSCALL =
  'int64_t syscall(int64_t number, int64_t fd, const void *range, void *answer, int64_t flags)'
/** Linux 6.5 and later; the same number on x86-64 and arm64. */
const SYS_CACHESTAT = 451
const PAGE_SIZE = 4096
/** struct cachestat_range: offset u64, length u64. */
const RANGE_SIZE = 16
/** struct cachestat: five u64, pages in the cache first. */
const CACHESTAT_SIZE = 40

let runningWrites = 0

/**
 * Writes as much of `bytes` as can go past the cache; count of bytes, 0 where that is not possible. `bytes` must begin
 * with a page of memory (`BufferPool` gives such). `handle` must have no other use meanwhile. Errors: system errors.
 */
export async function writeDirect(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<number> {
  const size = bytes.length - (bytes.length % DIRECT_ALIGNMENT)
  if (runningWrites >= DIRECT_WRITES_MAX || !isFit(bytes, size, position)) return 0
  runningWrites += 1
  try {
    return await directly(handle, async () => {
      return (await handle.write(bytes, 0, size, position)).bytesWritten
    })
  } finally {
    runningWrites -= 1
  }
}

/**
 * Reads the start of a file that is not in the cache into `bytes`, whose length must be whole pages; count of bytes, 0
 * where that is not possible. Otherwise as `writeDirect`.
 */
export async function readDirect(handle: FileHandle, bytes: Uint8Array): Promise<number> {
  if (!isFit(bytes, bytes.length, 0) || isCached(handle.fd, bytes.length)) return 0
  return await directly(handle, async () => {
    return (await handle.read(bytes, 0, bytes.length, 0)).bytesRead
  })
}

function isFit(bytes: Uint8Array, size: number, position: number): boolean {
  const isWhole = (size | position) % DIRECT_ALIGNMENT === 0
  return isWhole && size >= DIRECT_SIZE_MIN && bytesToAlignment(bytes) === 0
}

async function directly(handle: FileHandle, run: () => Promise<number>): Promise<number> {
  if (!setDirect(handle.fd, true)) return 0
  try {
    return await run()
  } catch (error) {
    // The file system wants another alignment, or none of it.
    if (isSystemError(error, 'EINVAL')) return 0
    throw error
  } finally {
    setDirect(handle.fd, false)
  }
}

/** False where it cannot be set: the file system knows no such thing, or this machine no such call. */
function setDirect(fd: number, isDirect: boolean): boolean {
  const { O_DIRECT } = constants
  try {
    const flags = nativeCall(FCNTL, [fd, F_GETFL, 0]) ?? 0
    nativeCall(FCNTL, [fd, F_SETFL, isDirect ? flags | O_DIRECT : flags & ~O_DIRECT])
    return true
  } catch {
    return false
  }
}

/** Whether the cache holds half of the first `size` bytes; true where it cannot be asked. */
function isCached(fd: number, size: number): boolean {
  const range = Buffer.alloc(RANGE_SIZE)
  range.writeBigUInt64LE(BigInt(size), 8)
  const answer = Buffer.alloc(CACHESTAT_SIZE)
  try {
    nativeCall(SYSCALL, [SYS_CACHESTAT, fd, range, answer, 0])
  } catch {
    return true
  }
  return Number(answer.readBigUInt64LE()) * PAGE_SIZE * 2 >= size
}
