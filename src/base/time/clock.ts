/** The door to time: nothing below the edge asks the machine itself. */
import { setTimeout as delay } from 'node:timers/promises'

export interface Clock {
  /** Wall time in milliseconds since the epoch. */
  now(): number
  /** Monotonic time in milliseconds; only differences mean something. */
  monotonic(): number
  /** Resolves after `delayMs`, rejects with the signal's reason when it is aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (delayMs, signal) => {
    try {
      await delay(delayMs, undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      // Node has an error of its own for it, which nobody would know.
      signal?.throwIfAborted()
      throw error
    }
  },
}

/** Wall time of `clock` in whole Unix seconds. */
export function unixSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000)
}
