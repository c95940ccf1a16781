/** Requests that are being answered, so that the end of the server does not cut them. */
import type { ServerResponse } from 'node:http'
import type { Clock } from '../base/time/clock.ts'

export class OpenRequests {
  #count = 0
  #waiters: (() => void)[] = []

  get count(): number {
    return this.#count
  }

  /** Counts a request until its answer is out or its connection is gone. */
  track(response: ServerResponse): void {
    this.#count += 1
    response.once('close', () => {
      this.#count -= 1
      if (this.#count > 0) return
      for (const wake of this.#waiters.splice(0)) wake()
    })
  }

  /** Resolves when nothing is being answered, after `graceMs` in any case. */
  async drain(clock: Clock, graceMs: number): Promise<void> {
    if (this.#count === 0) return
    const timeout = new AbortController()
    const empty = new Promise<void>((resolve) => this.#waiters.push(resolve))
    const late = clock.sleep(graceMs, timeout.signal).catch(() => {})
    await Promise.race([empty, late])
    timeout.abort()
  }
}
