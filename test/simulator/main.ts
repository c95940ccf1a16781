/** Runs schedules of consecutive seeds. Loaded after `load.ts`. */
import { runSchedule, type Outcome } from './run-schedule.ts'
import { makeSchedule, type Schedule } from './schedule.ts'

export interface Run {
  readonly seedCount: number
  readonly stepCount: number
  /** The first schedule that failed. */
  readonly failure: { readonly schedule: Schedule; readonly outcome: Outcome } | null
  readonly endings: ReadonlyMap<string, number>
}

/** Stops at the first failure, or when `isOver` says so. */
export function runSeeds(from: number, count: number): Run {
  let stepCount = 0
  const endings = new Map<string, number>()
  for (let seed = from; seed < from + count; seed += 1) {
    const schedule = makeSchedule(seed)
    const outcome = runSchedule(schedule)
    stepCount += outcome.stepCount
    for (const [name, ending] of outcome.endings) {
      const key = `${name.split(' ')[0] ?? ''}: ${ending}`
      endings.set(key, (endings.get(key) ?? 0) + 1)
    }
    if (outcome.violation !== null) {
      return { seedCount: seed - from + 1, stepCount, failure: { schedule, outcome }, endings }
    }
  }
  return { seedCount: count, stepCount, failure: null, endings }
}

export { makeSchedule, runSchedule }
