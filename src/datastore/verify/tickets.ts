/** A counting semaphore across threads: how many of a verification's threads may read at a time. */

/** So that a thread that waits hears of an abort; the time has no other meaning. */
const WAIT_MS = 100

export class Tickets {
  /** Free tickets, and threads that wait for one. */
  readonly #free: Int32Array

  /** `shared` comes from `makeTickets` and travels to the threads. */
  constructor(shared: SharedArrayBuffer) {
    this.#free = new Int32Array(shared)
  }

  /** Blocks the thread until one is free; `check` throws when nobody wants it any more. */
  acquire(check: () => void): Disposable {
    for (;;) {
      const free = Atomics.load(this.#free, 0)
      if (free <= 0) {
        check()
        Atomics.add(this.#free, 1, 1)
        Atomics.wait(this.#free, 0, free, WAIT_MS)
        Atomics.sub(this.#free, 1, 1)
      } else if (Atomics.compareExchange(this.#free, 0, free, free - 1) === free) {
        return { [Symbol.dispose]: () => this.#release() }
      }
    }
  }

  #release(): void {
    Atomics.add(this.#free, 0, 1)
    // Waking costs as much as reading a small chunk, whether anybody sleeps or not.
    if (Atomics.load(this.#free, 1) > 0) Atomics.notify(this.#free, 0, 1)
  }
}

/** Memory for `count` tickets. */
export function makeTickets(count: number): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)
  new Int32Array(shared)[0] = count
  return shared
}
