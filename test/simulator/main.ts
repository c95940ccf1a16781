/** Runs schedules of consecutive seeds. Loaded after `load.ts`. */
import { runSchedule, type Outcome } from './run-schedule.ts'
import { makeBucketSchedule } from './bucket/bucket-schedule.ts'
import { makeSchedule, type Schedule } from './schedule.ts'

/** Where the store lies: in a folder, in a bucket, or by the seed. */
export const WORLDS = ['all', 'local', 'bucket'] as const
export type WorldKind = (typeof WORLDS)[number]

/** One of so many seeds plays a bucket. */
const SEEDS_PER_BUCKET = 4

export function makeScheduleOf(world: WorldKind, seed: number): Schedule {
  const isInBucket = world === 'bucket' || (world === 'all' && seed % SEEDS_PER_BUCKET === 0)
  return isInBucket ? makeBucketSchedule(seed) : makeSchedule(seed)
}

export interface Run {
  readonly seedCount: number
  readonly stepCount: number
  /** The first schedule that failed. */
  readonly failure: { readonly schedule: Schedule; readonly outcome: Outcome } | null
  readonly endings: ReadonlyMap<string, number>
}

/** Stops at the first failure. Schedules without the kinds of operations in `needs` are passed over. */
export function runSeeds(
  from: number,
  count: number,
  { needs = [], world = 'all' }: { needs?: readonly string[]; world?: WorldKind } = {},
): Run {
  let stepCount = 0
  const endings = new Map<string, number>()
  for (let seed = from; seed < from + count; seed += 1) {
    const schedule = makeScheduleOf(world, seed)
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

export { runSchedule }
