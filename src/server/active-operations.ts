/** How many sessions and tasks read and write each datastore (rest-api §4.3, active-operations). */

export interface OperationCounts {
  readonly read: number
  readonly write: number
}

/** Counts of this process; whoever works on a datastore holds what `begin` answers. */
export class ActiveOperations {
  readonly #counts = new Map<string, { read: number; write: number }>()

  /** Counts one operation until it is disposed. */
  begin(store: string, kind: 'read' | 'write'): Disposable {
    const counts = this.#counts.get(store) ?? { read: 0, write: 0 }
    this.#counts.set(store, counts)
    counts[kind] += 1
    let ended = false
    return {
      [Symbol.dispose]: () => {
        if (ended) return
        ended = true
        counts[kind] -= 1
        if (counts.read + counts.write === 0) this.#counts.delete(store)
      },
    }
  }

  /** The counts of `store`: zeros for one that nobody uses or knows. */
  countsOf(store: string): OperationCounts {
    return { read: 0, write: 0, ...this.#counts.get(store) }
  }
}
