/** The command line of the simulator. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { BUCKET_MUTATIONS } from './bucket/bucket-mutations.ts'
import { HEAP_FLAGS } from './heap-flags.ts'
import { makeScheduleOf, runSeeds, type WorldKind, WORLDS } from './main.ts'
import { MUTATIONS } from './mutations.ts'
import { printSchedule } from './print.ts'
import { PROGRAM, runMutations } from './run-mutations.ts'
import { shrink } from './shrink.ts'

/** Seeds between two lines of news. */
const SEEDS_PER_LINE = 1_000

export async function simulate(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '5000' },
      from: { type: 'string', default: '1' },
      minutes: { type: 'string' },
      world: { type: 'string', default: 'all' },
      needs: { type: 'string', default: '' },
      shrink: { type: 'boolean', default: false },
      print: { type: 'boolean', default: false },
      endings: { type: 'boolean', default: false },
      all: { type: 'boolean', default: false },
      processes: { type: 'string', default: '1' },
      mutations: { type: 'boolean', default: false },
    },
  })
  const from = Number(values.from)
  const world = WORLDS.find((name) => name === values.world)
  if (world === undefined) throw new Error(`no world '${values.world}'`)
  if (values.mutations) return await findMutations(positionals, Number(values.seeds))
  const range = { from, count: Number(values.seeds), processes: Number(values.processes) }
  if (range.processes > 1) return await runInProcesses(args, range)
  // Continuations of the code under test run only outside of promise reactions.
  return await outside(() => {
    if (values.print) {
      print(printSchedule(makeScheduleOf(world, from)))
      return 0
    }
    const endsMs = performance.now() + Number(values.minutes ?? Infinity) * 60_000
    const needs = values.needs.split(',').filter((kind) => kind !== '')
    return runAll({ ...values, world, from, endsMs, needs, count: Number(values.seeds) })
  })
}

/** Those named, or all; 1 if one is not found. */
async function findMutations(ids: readonly string[], seeds: number): Promise<number> {
  const wanted = [...MUTATIONS, ...BUCKET_MUTATIONS].filter(
    ({ id }) => ids.length === 0 || ids.includes(id),
  )
  let missed = 0
  await runMutations(wanted, seeds, ({ id, found }) => {
    if (found === null) missed += 1
    const result = found === null ? 'NOT FOUND' : `seed ${found.seed}: ${found.violation}`
    print([`${id} ${wanted.find((mutation) => mutation.id === id)?.what ?? ''}: ${result}`])
  })
  return missed === 0 ? 0 : 1
}

function runAll(options: {
  readonly from: number
  readonly count: number
  /** When no more seeds are begun. */
  readonly endsMs: number
  readonly needs: readonly string[]
  readonly world: WorldKind
  readonly shrink: boolean
  readonly endings: boolean
  /** Goes on after a failure. */
  readonly all: boolean
}): number {
  const startedMs = performance.now()
  const startedCpu = process.cpuUsage()
  const endings = new Map<string, number>()
  let failures = 0
  let steps = 0
  for (let done = 0; done < options.count && performance.now() < options.endsMs; ) {
    const count = Math.min(SEEDS_PER_LINE, options.count - done)
    const run = runSeeds(options.from + done, count, options)
    steps += run.stepCount
    done += run.seedCount
    for (const [name, times] of run.endings) endings.set(name, (endings.get(name) ?? 0) + times)
    const { user, system } = process.cpuUsage(startedCpu)
    print([
      news({
        from: options.from,
        done,
        steps,
        ms: performance.now() - startedMs,
        cpuMs: (user + system) / 1000,
      }),
    ])
    if (run.failure === null) continue
    failures += 1
    const { schedule, outcome } = run.failure
    print([`seed ${schedule.seed}: ${outcome.violation?.message ?? ''}`])
    if (options.shrink) print(printSchedule(shrink(schedule)))
    if (!options.all) return 1
  }
  const lines = [...endings].map(([name, times]) => `${name}: ${times}`)
  if (options.endings) print(lines.toSorted((a, b) => (a < b ? -1 : 1)))
  return failures === 0 ? 0 : 1
}

/** A part of the seeds in each process; they write to our output. */
async function runInProcesses(
  args: readonly string[],
  { from, count, processes }: { from: number; count: number; processes: number },
): Promise<number> {
  const share = Math.ceil(count / processes)
  const codes = await Promise.all(
    Array.from({ length: processes }, async (_, index) => {
      const seeds = Math.min(share, count - index * share)
      // Of options that are named twice the last one counts.
      const part = ['--processes=1', `--from=${from + index * share}`, `--seeds=${seeds}`]
      const argv = [...HEAP_FLAGS, PROGRAM, ...args, ...part]
      const child = spawn(process.execPath, argv, { stdio: ['ignore', 'inherit', 'inherit'] })
      const [code] = (await once(child, 'close')) as [number | null]
      return code ?? 1
    }),
  )
  return Math.max(...codes)
}

function news(run: {
  from: number
  done: number
  steps: number
  ms: number
  cpuMs: number
}): string {
  const { from, done, steps, ms, cpuMs } = run
  const perSecond = (count: number): string => ((count / cpuMs) * 1000).toFixed(0)
  const mean = (steps / done).toFixed(0)
  const rates = `${perSecond(done)}/s, ${perSecond(steps)} steps/s of processor time`
  return `${done} schedules from ${from} on, of ${mean} steps: ${rates}, ${(ms / 1000).toFixed(0)} s`
}

function print(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`)
}

async function outside<Result>(work: () => Result): Promise<Result> {
  return await new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(work())
      } catch (error) {
        reject(error)
      }
    })
  })
}
