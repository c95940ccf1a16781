/** The machine's clock, but for long sleeps: they are over at once, and both times with them. */
import { type Clock, systemClock } from '../../src/base/time/clock.ts'

/** What nobody waits for in a test: doubts of 20 minutes and more. */
const LONG_MS = 60_000

export function leapClock(): Clock {
  let leaptMs = 0
  return {
    now: () => systemClock.now() + leaptMs,
    monotonic: () => systemClock.monotonic() + leaptMs,
    sleep: async (delayMs, signal) => {
      if (delayMs < LONG_MS) return await systemClock.sleep(delayMs, signal)
      await new Promise((resolve) => setImmediate(resolve))
      signal?.throwIfAborted()
      leaptMs += delayMs
    },
  }
}
