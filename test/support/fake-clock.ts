/** A clock that stands still until the test moves it. */
import type { Clock } from '../../src/base/time/clock.ts'

interface Sleeper {
  readonly until: number
  readonly wake: () => void
}

/** 2026-01-01T00:00:00Z. */
const START = Date.UTC(2026, 0, 1)

/** `sleep` resolves when the clock is advanced past its end; who sleeps shorter wakes first. */
export class FakeClock implements Clock {
  #now: number
  #monotonic = 0
  readonly #sleepers = new Set<Sleeper>()
  #watchers: (() => void)[] = []

  constructor(startMs: number = START) {
    this.#now = startMs
  }

  /** Count of sleeps in progress. */
  get sleeperCount(): number {
    return this.#sleepers.size
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#monotonic
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sleeper = { until: this.#monotonic + delayMs, wake: resolve }
    const onAbort = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#sleepers.add(sleeper)
    for (const notify of this.#watchers.splice(0)) notify()
    if (delayMs <= 0) resolve()
    try {
      await promise
    } finally {
      this.#sleepers.delete(sleeper)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Resolves when somebody sleeps: what it did before has been done. */
  async untilSleeping(): Promise<void> {
    while (this.#sleepers.size === 0) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve))
    }
  }

  /** Moves both times on by `delayMs`, waking sleepers one after the other at their own times. */
  async advance(delayMs: number): Promise<void> {
    const end = this.#monotonic + delayMs
    for (;;) {
      await settle()
      const next = this.#nextSleeper(end)
      if (next === null) break
      this.#moveTo(next.until)
      this.#sleepers.delete(next)
      next.wake()
    }
    this.#moveTo(end)
    await settle()
  }

  /** Moves on by `stepMs` whenever somebody sleeps, until `work` is settled: however long its real I/O takes. */
  async advanceUntil<Result>(work: Promise<Result>, stepMs: number): Promise<Result> {
    const state = { isOver: false }
    const end = (): void => {
      state.isOver = true
    }
    const over = work.then(end, end)
    while (!state.isOver) {
      await Promise.race([this.untilSleeping(), over])
      await this.advance(stepMs)
    }
    return await work
  }

  /** Sets the wall time alone, as a person or NTP does; sleeps do not notice. */
  setNow(nowMs: number): void {
    this.#now = nowMs
  }

  #moveTo(monotonic: number): void {
    if (monotonic <= this.#monotonic) return
    this.#now += monotonic - this.#monotonic
    this.#monotonic = monotonic
  }

  #nextSleeper(end: number): Sleeper | null {
    let next: Sleeper | null = null
    for (const sleeper of this.#sleepers) {
      if (sleeper.until > end) continue
      if (next === null || sleeper.until < next.until) next = sleeper
    }
    return next
  }
}

/** Lets everything that can run without time or I/O run. */
async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}
