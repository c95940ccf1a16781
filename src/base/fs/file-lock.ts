/**
 * Locks that are held by `flock` on a lock file of their own, made when first wanted
 * (datastore-semantics.md 5.3). Whoever removes a lock file does so while holding it, so a lock
 * counts only if the path still names the file that was locked.
 */
import { dirname } from 'node:path'
import { isSystemError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'
import { errors } from './errors.ts'
import type { FileHandle, FileSystem } from './file-system.ts'

export interface LockFileOptions {
  readonly kind: 'exclusive' | 'shared'
  /** How long to try; 0 = one try. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** Permissions of a lock file that is made, 0660 by default, whatever the umask. */
  readonly mode?: number
  /** Owner of a lock file that is made. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
  /** A lock file replaced meanwhile is tried again until the time is over, instead of LOCK_REPLACED. */
  readonly retryReplaced?: boolean
  readonly signal?: AbortSignal | undefined
}

export interface FileLock extends AsyncDisposable, Disposable {
  readonly path: string
  /** Closes the lock file, which releases the lock; may be called more than once. */
  release(): Promise<void>
  /** Removes the lock file while it is still locked, then releases. */
  unlinkAndRelease(): Promise<void>
}

const FILE_MODE_DEFAULT = 0o660
const FOLDER_MODE = 0o755
/** Short enough that a released lock is noticed soon, growing so that a long wait costs nothing. */
const DELAY_START_MS = 5
const DELAY_MAX_MS = 250
/** Making a lock file races with its removal by others; more rounds than this mean something is wrong. */
const OPEN_ATTEMPTS_MAX = 20

/**
 * Locks the lock file `path`. Throws LOCK_BUSY when `timeoutMs` is over, LOCK_REPLACED when the
 * file was removed or replaced between opening and locking.
 */
export async function lockFile(
  fs: FileSystem,
  path: string,
  options: LockFileOptions,
): Promise<FileLock> {
  const { clock, timeoutMs, signal } = options
  const deadline = clock.monotonic() + timeoutMs
  for (let delayMs = DELAY_START_MS; ; delayMs = Math.min(delayMs * 2, DELAY_MAX_MS)) {
    signal?.throwIfAborted()
    const outcome = await tryLock(fs, path, options)
    if (typeof outcome === 'object') return outcome
    if (outcome === 'replaced' && options.retryReplaced !== true) {
      throw errors.LOCK_REPLACED({ path })
    }
    const remainingMs = deadline - clock.monotonic()
    if (remainingMs <= 0) throw errors.LOCK_BUSY({ path })
    await clock.sleep(Math.min(delayMs, remainingMs), signal)
  }
}

async function tryLock(
  fs: FileSystem,
  path: string,
  options: LockFileOptions,
): Promise<FileLock | 'busy' | 'replaced'> {
  const handle = await openLockFile(fs, path, options)
  let isKept = false
  try {
    if (!handle.tryLock('flock', options.kind)) return 'busy'
    if (!(await isStillNamed(fs, path, handle))) return 'replaced'
    isKept = true
    return new HeldLockFile(fs, path, handle)
  } finally {
    if (!isKept) await handle.close()
  }
}

async function openLockFile(
  fs: FileSystem,
  path: string,
  options: LockFileOptions,
): Promise<FileHandle> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fs.open(path, 'write')
    } catch (error) {
      if (attempt >= OPEN_ATTEMPTS_MAX || !isSystemError(error, 'ENOENT')) throw error
    }
    await fs.mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE })
    const made = await makeLockFile(fs, path, options)
    if (made !== null) return made
  }
}

async function makeLockFile(
  fs: FileSystem,
  path: string,
  options: LockFileOptions,
): Promise<FileHandle | null> {
  const mode = options.mode ?? FILE_MODE_DEFAULT
  let handle: FileHandle
  try {
    handle = await fs.open(path, 'create-new', mode)
  } catch (error) {
    // Somebody else made it, or its folder went away: the next round sees which.
    if (isSystemError(error, 'EEXIST', 'ENOENT')) return null
    throw error
  }
  try {
    await handle.chmod(mode)
    if (options.owner !== undefined) await handle.chown(options.owner.uid, options.owner.gid)
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function isStillNamed(fs: FileSystem, path: string, handle: FileHandle): Promise<boolean> {
  const held = await handle.stat()
  try {
    const named = await fs.stat(path)
    return named.dev === held.dev && named.ino === held.ino
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}

class HeldLockFile implements FileLock {
  readonly path: string
  readonly #fs: FileSystem
  readonly #handle: FileHandle
  #isDisposed = false

  constructor(fs: FileSystem, path: string, handle: FileHandle) {
    this.#fs = fs
    this.path = path
    this.#handle = handle
  }

  async release(): Promise<void> {
    await this.#handle.close()
  }

  async unlinkAndRelease(): Promise<void> {
    try {
      await this.#fs.unlink(this.path)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    } finally {
      await this.release()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return
    this.#isDisposed = true
    // Closing is left to itself: what it could say about an empty file matters to nobody.
    this.release().catch(() => {})
  }
}
