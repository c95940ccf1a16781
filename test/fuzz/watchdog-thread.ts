/** Looks whether the other thread still goes from input to input. */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import type { WatchdogData } from './watchdog.ts'

/** An input takes milliseconds, a call of a session a minute at most. */
const STANDSTILL_MAX_MS = 120_000

const { what, counter } = workerData as WatchdogData
const count = new Int32Array(counter)
for (let last = -1; ; ) {
  const now = Atomics.load(count, 0)
  if (now === last) {
    writeSync(2, `${what}: input ${now} takes longer than ${STANDSTILL_MAX_MS} ms\n`)
    process.kill(process.pid, 'SIGKILL')
  }
  last = now
  Atomics.wait(count, 0, now, STANDSTILL_MAX_MS)
  // Every step changes the number without a wake-up: the wait is a sleep of the whole time.
}
