/**
 * The one native seam: calls of the C library that Node does not have. koffi is loaded here, at the
 * first call, and nowhere else; elsewhere than on Linux everything imports and the calls throw
 * NATIVE_UNSUPPORTED. Paths may be Buffers, for names that are not UTF-8. Errors of the calls are
 * plain system errors. Layouts and numbers are those of 64-bit Linux (x86-64 and arm64 agree).
 */
import { statfsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Semaphore } from '../async/semaphore.ts'
import { errors } from './errors.ts'
import { errnoName, systemError } from './system-error.ts'

export type NativePath = string | Buffer
export type NativeValue = number | bigint | string | Uint8Array | null

type NativeFunction = ((...values: NativeValue[]) => unknown) & {
  readonly async: (...values: unknown[]) => void
}

interface Library {
  func(prototype: string): unknown
}

interface Koffi {
  load(name: string | null): Library
  errno(value?: number): number
  decode(value: unknown, type: unknown): unknown
  struct(definition: object): unknown
  struct(name: string, definition: object): unknown
}

/** koffi refuses more than 64 calls at a time by default; libuv's pool has 4 threads anyway. */
const ASYNC_CALLS_MAX = 32
/** One slot for each call in a thread of libuv's pool. */
export const asyncSlots = new Semaphore(ASYNC_CALLS_MAX)

let koffi: Koffi | null = null
const functions = new Map<string, NativeFunction>()
const libraries = new Map<string | null, Library>()

/** koffi itself, for the other native-*.ts files only; throws NATIVE_UNSUPPORTED where it cannot be loaded. */
export function loadKoffi(call: string): Koffi {
  if (process.platform !== 'linux') {
    throw errors.NATIVE_UNSUPPORTED({ call, reason: `not on ${process.platform}` })
  }
  try {
    koffi ??= createRequire(import.meta.url)('koffi') as Koffi
    return koffi
  } catch (cause) {
    throw errors.NATIVE_UNSUPPORTED({ call, reason: 'koffi cannot be loaded' }, { cause })
  }
}

/** The function of a C prototype, from `library` or (null) what the process has loaded anyway: libc. */
export function nativeFunction(
  prototype: string,
  libraryName: string | null = null,
): NativeFunction {
  const known = functions.get(prototype)
  if (known !== undefined) return known
  const call = /(\w+)\(/.exec(prototype)?.[1] ?? prototype
  const loaded = loadKoffi(call)
  try {
    const library = libraries.get(libraryName) ?? loaded.load(libraryName)
    libraries.set(libraryName, library)
    const made = library.func(prototype) as NativeFunction
    functions.set(prototype, made)
    return made
  } catch (cause) {
    throw errors.NATIVE_UNSUPPORTED({ call, reason: 'the C library lacks it' }, { cause })
  }
}

/** Result of a call that answers -1 on error, as a number; that error is thrown unless its name is in `allowed` (then null). */
export function nativeCall(
  prototype: string,
  values: readonly NativeValue[],
  context: { readonly path?: NativePath; readonly allowed?: readonly string[] } = {},
): number | null {
  const result = Number(nativeFunction(prototype)(...values))
  if (result !== -1) return result
  return failNative(prototype, loadKoffi(prototype).errno(), context)
}

/** As nativeCall, in a thread of libuv's pool. Buffers must not be changed meanwhile. */
export async function nativeCallAsync(
  prototype: string,
  values: readonly NativeValue[],
  context: { readonly path?: NativePath } = {},
): Promise<number> {
  using _slot = await asyncSlots.acquire()
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  nativeFunction(prototype).async(...values, (error: unknown, answer: unknown) => {
    const result = Number(answer)
    if (error !== null && error !== undefined) reject(error)
    else if (result !== -1) resolve(result)
    else reject(nativeError(prototype, loadKoffi(prototype).errno(), context.path))
  })
  return await promise
}

/** Called after an asynchronous call, so that its buffers are not collected while the thread works on them. */
export function keepAlive(..._buffers: readonly (Uint8Array | undefined)[]): void {}

function failNative(
  prototype: string,
  errno: number,
  context: { readonly path?: NativePath; readonly allowed?: readonly string[] },
): null {
  if (context.allowed?.includes(errnoName(errno)) === true) return null
  throw nativeError(prototype, errno, context.path)
}

function nativeError(prototype: string, errno: number, path: NativePath | undefined): Error {
  const call = /(\w+)\(/.exec(prototype)?.[1] ?? prototype
  return systemError(errnoName(errno), call, path?.toString())
}

/** `path` as the C library wants it; throws EINVAL for one with a zero byte inside. */
export function cString(text: NativePath): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text
  if (bytes.includes(0)) throw systemError('EINVAL', 'path', bytes.toString())
  return Buffer.concat([bytes, Buffer.alloc(1)])
}

/** Names of the calls this machine lacks; empty on Linux with koffi. */
export function missingNativeCalls(): string[] {
  const needed = ['fcntl', 'flock', 'syncfs', 'utimensat', 'mknod', 'llistxattr', 'ioctl']
  return needed.filter((name) => {
    try {
      loadKoffi(name)
      return false
    } catch {
      return true
    }
  })
}

export type LockRequest = 'shared' | 'exclusive' | 'unlock'

const F_OFD_SETLK = 37
const RECORD_LOCK_TYPE: Record<LockRequest, number> = { shared: 0, exclusive: 1, unlock: 2 }
const FLOCK_OPERATION: Record<LockRequest, number> = { shared: 1, exclusive: 2, unlock: 8 }
const LOCK_NB = 4
/** struct flock: type i16, whence i16, padding, start i64, length i64 (0 = to the end), pid i32 (must be 0). */
const FLOCK_SIZE = 32

/**
 * Record lock over the whole file that belongs to the open file description (`F_OFD_SETLK`), and
 * excludes other processes' `F_SETLK` locks both ways. Never waits; false if somebody else is in
 * the way. Needs a descriptor open for reading (shared) or writing (exclusive).
 */
export function ofdLock(fd: number, request: LockRequest): boolean {
  const lock = Buffer.alloc(FLOCK_SIZE)
  lock.writeInt16LE(RECORD_LOCK_TYPE[request], 0)
  const values = [fd, F_OFD_SETLK, lock]
  return lockCall('int fcntl(int fd, int command, void *lock)', values)
}

/** `flock(2)`, never waiting; false if somebody else is in the way. */
export function flock(fd: number, request: LockRequest): boolean {
  return lockCall('int flock(int fd, int operation)', [fd, FLOCK_OPERATION[request] | LOCK_NB])
}

function lockCall(prototype: string, values: readonly NativeValue[]): boolean {
  return nativeCall(prototype, values, { allowed: ['EAGAIN', 'EWOULDBLOCK', 'EACCES'] }) !== null
}

/** Writes everything of the file system that holds `fd` to stable storage, off the main thread. */
export async function syncfs(fd: number): Promise<void> {
  await nativeCallAsync('int syncfs(int fd)', [fd])
}

export interface NativeTimes {
  /** Nanoseconds since the epoch, possibly negative; `now`; or `keep` what is there. */
  readonly atimeNs: bigint | 'now' | 'keep'
  readonly mtimeNs: bigint | 'now' | 'keep'
}

const UTIMENSAT = 'int utimensat(int folder, const void *path, const void *times, int flags)'
const AT_FDCWD = -100
const AT_SYMLINK_NOFOLLOW = 0x100
const UTIME_NOW = 0x3fffffffn
const UTIME_OMIT = 0x3ffffffen
const NS_PER_S = 1_000_000_000n

/** Sets times with nanoseconds, of a link itself with `noFollow`. Waits for the call. */
export function utimensat(
  path: NativePath,
  times: NativeTimes,
  options: { readonly noFollow?: boolean } = {},
): void {
  nativeCall(UTIMENSAT, utimensatValues(path, times, options.noFollow === true), { path })
}

/** As utimensat, off the main thread. */
export async function utimensatAsync(
  path: NativePath,
  times: NativeTimes,
  options: { readonly noFollow?: boolean } = {},
): Promise<void> {
  const values = utimensatValues(path, times, options.noFollow === true)
  await nativeCallAsync(UTIMENSAT, values, { path })
}

function utimensatValues(path: NativePath, times: NativeTimes, noFollow: boolean): NativeValue[] {
  const packed = Buffer.alloc(32)
  writeTimespec(packed, 0, times.atimeNs)
  writeTimespec(packed, 16, times.mtimeNs)
  return [AT_FDCWD, cString(path), packed, noFollow ? AT_SYMLINK_NOFOLLOW : 0]
}

/** struct timespec: seconds i64, nanoseconds i64 in 0 … 999999999, also before the epoch. */
function writeTimespec(packed: Buffer, offset: number, time: bigint | 'now' | 'keep'): void {
  if (typeof time !== 'bigint') {
    packed.writeBigInt64LE(time === 'now' ? UTIME_NOW : UTIME_OMIT, offset + 8)
    return
  }
  const nanoseconds = ((time % NS_PER_S) + NS_PER_S) % NS_PER_S
  packed.writeBigInt64LE((time - nanoseconds) / NS_PER_S, offset)
  packed.writeBigInt64LE(nanoseconds, offset + 8)
}

const S_IFIFO = 0o010000

/** Makes a device, socket or pipe; `mode` holds type and permissions, `dev` the device number. */
export function mknod(path: NativePath, mode: number, dev: number | bigint): void {
  const values = [cString(path), mode, BigInt(dev)]
  nativeCall('int mknod(const void *path, unsigned int mode, uint64_t dev)', values, { path })
}

/** Makes a named pipe with permissions `mode`. */
export function mkfifo(path: NativePath, mode: number): void {
  mknod(path, S_IFIFO | mode, 0)
}

/** The number that tells the kind of the file system that holds `path` (`f_type`). */
export function statfsMagic(path: NativePath): number {
  return statfsSync(path).type
}
