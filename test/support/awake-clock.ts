/**
 * Time for which this process could run: what it spent stopped (SIGSTOP, a sleeping machine) does not count. Long proofs
 * are stopped now and then, together with the programs that they watch; a watchdog by the wall would kill them for it.
 */
const TICK_MS = 250
/** A process that only waits long for a processor has its time counted. */
const GAP_MAX_MS = 5_000

export class AwakeClock implements Disposable {
  readonly #timer: NodeJS.Timeout
  #last = performance.now()
  #awakeMs = 0
  #stopCount = 0

  /** Starts at 0; keeps no process alive. */
  constructor() {
    this.#timer = setInterval(() => this.#count(), TICK_MS)
    this.#timer.unref()
  }

  get elapsedMs(): number {
    this.#count()
    return this.#awakeMs
  }

  /** How often it was stopped. */
  get stopCount(): number {
    this.#count()
    return this.#stopCount
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #count(): void {
    const now = performance.now()
    this.#awakeMs += Math.min(now - this.#last, GAP_MAX_MS)
    if (now - this.#last > GAP_MAX_MS) this.#stopCount += 1
    this.#last = now
  }
}

/** Calls `act` when this process has run for `delayMs` since; disposed before, never. */
export function afterAwake(delayMs: number, act: () => void): Disposable {
  const clock = new AwakeClock()
  const timer = setInterval(() => {
    if (clock.elapsedMs < delayMs) return
    clearInterval(timer)
    act()
  }, TICK_MS)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      clock[Symbol.dispose]()
    },
  }
}
