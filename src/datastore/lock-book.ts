/** What one process knows of its own lock files: who holds each, and in which order others wait. */
import { KeyedLock } from '../base/async/keyed-lock.ts'
import { currentOperation } from '../base/async/current-operation.ts'
import { releaseOnce } from '../base/async/wait-list.ts'
import type { FileLock } from '../base/fs/file-lock.ts'
import type { Clock } from '../base/time/clock.ts'

export interface LockHolder {
  /** A task's identifier, a request; null if the code that took it was part of neither. */
  readonly operation: string | null
  readonly kind: 'exclusive' | 'shared'
  /** Milliseconds since the epoch. */
  readonly sinceMs: number
}

/** Entries exist only while a lock is held or waited for. */
export class LockBook {
  readonly #holders = new Map<string, Set<LockHolder>>()
  readonly #turns = new KeyedLock<string>()

  /** The holders in this process; none if another process has the lock. */
  holdersOf(path: string): readonly LockHolder[] {
    return [...(this.#holders.get(path) ?? [])]
  }

  /** `lock`, noted until it is released. */
  note(lock: FileLock, kind: LockHolder['kind'], sinceMs: number): FileLock {
    const { path } = lock
    const holder: LockHolder = { operation: currentOperation(), kind, sinceMs }
    const holders = this.#holders.get(path) ?? new Set()
    this.#holders.set(path, holders.add(holder))
    const noted = releaseOnce(() => {
      holders.delete(holder)
      if (holders.size === 0 && this.#holders.get(path) === holders) this.#holders.delete(path)
    })
    const release = async (): Promise<void> => {
      noted[Symbol.dispose]()
      await lock.release()
    }
    return {
      path,
      release,
      unlinkAndRelease: async () => {
        noted[Symbol.dispose]()
        await lock.unlinkAndRelease()
      },
      [Symbol.asyncDispose]: release,
      [Symbol.dispose]() {
        noted[Symbol.dispose]()
        lock[Symbol.dispose]()
      },
    }
  }

  /** The turn to try for a lock that is waited for, in order of arrival; null when `timeoutMs` is over before. */
  async turn(
    path: string,
    { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
  ): Promise<Disposable | null> {
    const free = this.#turns.tryAcquire(path)
    if (free !== null) return free
    const late = new AbortController()
    const over = new AbortController()
    const timer = clock.sleep(timeoutMs, over.signal).then(
      () => late.abort(),
      () => {},
    )
    try {
      return await this.#turns.acquire(path, late.signal)
    } catch (error) {
      if (!late.signal.aborted) throw error
      return null
    } finally {
      over.abort()
      await timer
    }
  }
}
