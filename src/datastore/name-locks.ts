/**
 * Locks of groups, snapshots and manifests within one process, for one store under whatever names: lock files go by the
 * datastore's name, as stock's do, so that two names of one folder would not exclude each other (races.md R-66).
 */
import { releaseOnce } from '../base/async/wait-list.ts'

/** Entries exist only while a lock is held. */
export class NameLocks {
  /** Number of shared holders; -1 for an exclusive one. */
  readonly #held = new Map<string, number>()

  get size(): number {
    return this.#held.size
  }

  /** The lock `name`, as a path below the lock folder of its store; null if somebody's lock excludes it. */
  tryTake(name: string, kind: 'exclusive' | 'shared'): Disposable | null {
    const count = this.#held.get(name) ?? 0
    if (kind === 'exclusive' ? count !== 0 : count < 0) return null
    this.#held.set(name, kind === 'exclusive' ? -1 : count + 1)
    return releaseOnce(() => {
      const left = (this.#held.get(name) ?? 0) - 1
      if (kind === 'exclusive' || left <= 0) this.#held.delete(name)
      else this.#held.set(name, left)
    })
  }
}
