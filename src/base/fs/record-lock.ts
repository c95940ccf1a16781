/**
 * The process lock of a datastore: a record lock over all of `.lock`, shared by writers and
 * exclusive for collection, that excludes other processes, stock PBS among them, and never the
 * process itself (datastore-semantics.md section 4).
 *
 * Stock takes `F_SETLK` locks, which a process loses when it closes any descriptor of the file.
 * Ours are `F_OFD_SETLK`: they belong to the open description, conflict with stock's both ways,
 * and convert atomically just the same.
 */
import { errors } from './errors.ts'
import type { FileHandle, FileSystem } from './file-system.ts'

/** One hold of a ProcessLock; releasing it again does nothing. */
export interface ProcessLockGuard extends Disposable {
  release(): void
}

const FILE_MODE = 0o644

/**
 * All locks of this process by device and inode: two names of one datastore (link, bind mount,
 * changed configuration) must share their count of holders (races.md R-66).
 */
const locks = new Map<string, ProcessLock>()

export class ProcessLock {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #identity: string
  /** Guard to the time it was made at, as the caller gave it. */
  readonly #shared = new Map<ProcessLockGuard, number>()
  #isExclusive = false
  /** Holds of `excludeOthers`. */
  #excluderCount = 0
  #openCount = 0

  private constructor(handle: FileHandle, path: string, identity: string) {
    this.#handle = handle
    this.#path = path
    this.#identity = identity
  }

  /** The lock of the file `path` (made if missing); the same object for every name of that file. Close it once per open. */
  static async open(fs: FileSystem, path: string): Promise<ProcessLock> {
    const handle = await fs.open(path, 'read-write-create', FILE_MODE)
    let isKept = false
    try {
      const { dev, ino } = await handle.stat()
      const identity = `${dev}:${ino}`
      const known = locks.get(identity)
      const lock = known ?? new ProcessLock(handle, path, identity)
      isKept = known === undefined
      locks.set(identity, lock)
      lock.#openCount++
      return lock
    } finally {
      if (!isKept) await handle.close()
    }
  }

  /** Device and inode of the file: what tells whether two datastores are one. */
  get identity(): string {
    return this.#identity
  }

  get sharedCount(): number {
    return this.#shared.size
  }

  get isExclusive(): boolean {
    return this.#isExclusive
  }

  /** The smallest `since` of all shared holds, or null without any. */
  get oldestShared(): number | null {
    let oldest: number | null = null
    for (const since of this.#shared.values()) {
      if (oldest === null || since < oldest) oldest = since
    }
    return oldest
  }

  /**
   * One more shared hold, at once; throws PROCESS_LOCK_BUSY while another process collects.
   * `since` (the caller's Unix seconds) is only kept for `oldestShared`.
   */
  tryShared(since = 0): ProcessLockGuard {
    if (!this.#isHeld()) this.#lock('shared')
    const guard = makeGuard(() => this.#releaseShared(guard))
    this.#shared.set(guard, since)
    return guard
  }

  /**
   * The exclusive hold, at once; own shared holds do not matter. Throws PROCESS_LOCK_HELD if this
   * process has it already, PROCESS_LOCK_BUSY if another process holds any.
   */
  tryExclusive(): ProcessLockGuard {
    if (this.#isExclusive) throw errors.PROCESS_LOCK_HELD({ path: this.#path })
    if (this.#excluderCount === 0) this.#lock('exclusive')
    this.#isExclusive = true
    return makeGuard(() => {
      this.#isExclusive = false
      this.#settle()
    })
  }

  /**
   * Keeps other processes out as `tryExclusive` does, at once, but beside any other hold of this process: for what only
   * needs that nobody else has sessions. Throws PROCESS_LOCK_BUSY.
   */
  excludeOthers(): ProcessLockGuard {
    if (!this.#isExclusive && this.#excluderCount === 0) this.#lock('exclusive')
    this.#excluderCount += 1
    return makeGuard(() => {
      this.#excluderCount -= 1
      this.#settle()
    })
  }

  /** Gives one open back; after the last one the file is closed as soon as no hold is out. */
  async close(): Promise<void> {
    if (this.#openCount === 0) return
    this.#openCount--
    if (this.#isUnused()) await this.#closeFile()
  }

  #lock(mode: 'shared' | 'exclusive'): void {
    if (!this.#handle.tryLock('record', mode)) {
      throw errors.PROCESS_LOCK_BUSY({ path: this.#path, mode })
    }
  }

  #releaseShared(guard: ProcessLockGuard): void {
    this.#shared.delete(guard)
    if (!this.#isHeld()) this.#unlock()
  }

  /** After the end of an exclusive hold: what is left of it, shared, or nothing. */
  #settle(): void {
    if (this.#isExclusive || this.#excluderCount > 0) return
    if (this.#shared.size > 0) this.#lock('shared')
    else this.#unlock()
  }

  #unlock(): void {
    this.#handle.tryLock('record', 'unlock')
    // Nothing is left to say about a file that was only locked.
    if (this.#isUnused()) this.#closeFile().catch(() => {})
  }

  #isHeld(): boolean {
    return this.#shared.size > 0 || this.#isExclusive || this.#excluderCount > 0
  }

  #isUnused(): boolean {
    return this.#openCount === 0 && !this.#isHeld()
  }

  async #closeFile(): Promise<void> {
    locks.delete(this.#identity)
    await this.#handle.close()
  }
}

function makeGuard(release: () => void): ProcessLockGuard {
  let isReleased = false
  const releaseOnce = (): void => {
    if (isReleased) return
    isReleased = true
    release()
  }
  return { release: releaseOnce, [Symbol.dispose]: releaseOnce }
}
