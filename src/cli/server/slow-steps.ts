/** Progress of something that mostly takes a moment: told only when it takes longer. */
import { type Progress, silentProgress } from '../../base/progress.ts'
import type { Clock } from '../../base/time/clock.ts'

const SILENT_MS = 1_000
/** Of the lines with a percentage these are told. */
const PERCENT_STEP = 10

/** Passes on each tenth percent of what takes over a second; other lines are dropped. */
export function slowSteps(clock: Clock, log: (line: string) => void): Progress {
  const startedMs = clock.monotonic()
  return {
    ...silentProgress(),
    log(line) {
      const percent = Number(/(\d+)%$/.exec(line)?.[1] ?? 1)
      if (percent % PERCENT_STEP !== 0 || clock.monotonic() - startedMs < SILENT_MS) return
      log(line)
    },
  }
}
