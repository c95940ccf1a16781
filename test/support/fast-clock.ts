/** The machine's clock, but sleeps and the monotonic time run faster: pauses between real requests cost a test little. */
import { type Clock, systemClock } from '../../src/base/time/clock.ts'

/** Sleeps take a part of their time; the wall time is the real one. */
export function fastClock(factor: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * factor,
    sleep: async (delayMs, signal) => await systemClock.sleep(delayMs / factor, signal),
  }
}
