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

/** Stops at the first failure. Schedules without the kinds of operations in `needs` are passed over. */
export function runSeeds(from: number, count: number, needs: readonly string[] = []): Run {
  let stepCount = 0
  const endings = new Map<string, number>()
  for (let seed = from; seed < from + count; seed += 1) {
    const schedule = makeSchedule(seed)
    if (!needs.every((kind) => schedule.operations.some((one) => one.kind === kind))) continue
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
