/**
 * The crash tests at length: a kill at every step, a fault in every call, many power cuts (root only), and the loops of
 * backups beside everything that removes.
 *
 *   npm run crash -- [--cuts N] [--kind ext4|xfs] [--only SCENARIO] [--seed N] [--rounds N] [--minutes N] [--folder DIR] [kill] [faults]
 *     [cuts] [power-cut] [beside] [s3soak]
 *
 * `--cuts`: power cuts at the steps of a server in this process, 1000 by default, half of them on each file system; two
 * runs with `--kind` use both cores. `--rounds`: cuts below the real server and another process's syncs, 50 by default
 * per file system. `--minutes`: of `beside` and of `s3soak`, 10. Stops at the first cut or loop that shows something wrong,
 * after all steps of `kill` and `faults`, and keeps what it left in the folder.
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect, parseArgs } from 'node:util'
import { forEachConcurrent } from '../../src/base/async/map-concurrent.ts'
import { AwakeClock } from '../support/awake-clock.ts'
import { makeCrashData } from '../support/crash-rig.ts'
import { powerCutLacks } from '../support/power-cut.ts'
import { runBeside } from './beside-rounds.ts'
import { CUT_MUTATIONS, findMutation } from './cut-mutations.ts'
import { type CutSummary, cutOften } from './cut-rounds.ts'
import { ERRNOS, failAtStep } from './fault-rounds.ts'
import { FAULT_SCENARIOS } from './fault-scenarios.ts'
import { killAtStep, SCENARIOS } from './kill-rounds.ts'
import { PowerRig } from './power-rounds.ts'
import { runS3Soak } from './s3-soak.ts'

const ROUNDS_PER_DISK = 5
const MINUTE_MS = 60_000
/** After so many cuts or calls it says how far it is. */
const PROGRESS_COUNT = 100
const SEED_MAX = 2 ** 32
/** Of a round in which this process was stopped. */
const ATTEMPTS_MAX = 5
/** Both cores of a small machine. */
const CONCURRENCY = 2
const BULK_COUNT = 20
/** A backup with so many chunks has about so many steps; later cuts come after its answer. */
const STEP_MAX = 200

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '50' },
    cuts: { type: 'string', default: '1000' },
    kind: { type: 'string' },
    seed: { type: 'string' },
    minutes: { type: 'string', default: '10' },
    folder: { type: 'string', default: tmpdir() },
    only: { type: 'string', default: '' },
    each: { type: 'string', default: `${PROGRESS_COUNT}` },
  },
})
const roundCount = Number(values.rounds)
const clock = new AwakeClock()
let wrongCount = 0
const seed = Number(values.seed ?? randomInt(SEED_MAX))
const KINDS = (['ext4', 'xfs'] as const).filter((kind) => (values.kind ?? kind) === kind)
const RUNS: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  kill: killEverywhere,
  faults: failEverywhere,
  cuts: cutAtSteps,
  'cut-mutations': mutateCuts,
  'power-cut': cutProcesses,
  beside: workBeside,
  s3soak: soakBucket,
}

for (const name of positionals.length > 0 ? positionals : Object.keys(RUNS)) {
  const run = RUNS[name]
  if (run === undefined) throw new Error(`unknown '${name}': ${Object.keys(RUNS).join(' ')}`)
  const folder = mkdtempSync(join(values.folder, 'cairn-crash-'))
  process.stdout.write(`${name} in ${folder}\n`)
  await run(folder)
  if (wrongCount > 0) throw new Error(`${wrongCount} rounds of '${name}' are wrong`)
  rmSync(folder, { recursive: true })
}

/**
 * What is wrong is told at once, and makes the end of its kind a failure: the other steps are tried all the same. Who was
 * stopped in the middle of a connection finds its time over: such a round is made again.
 */
async function orNote(folder: string, round: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const stops = clock.stopCount
    try {
      return await round()
    } catch (error) {
      const wasStopped = clock.stopCount > stops && attempt < ATTEMPTS_MAX
      if (!wasStopped) return noteWrong(error)
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

function noteWrong(error: unknown): void {
  wrongCount += 1
  process.stdout.write(`WRONG ${inspect(error)}\n`)
}

async function killEverywhere(folder: string): Promise<void> {
  const template = await makeCrashData(join(folder, 'template'))
  for (const [index, scenario] of SCENARIOS.entries()) {
    const at = (step: number) => ({ at: step, folder: join(folder, `${index}-${step}`) })
    const { steps } = await killAtStep(template, scenario, at(0))
    let killCount = 0
    await forEachConcurrent(numbersTo(steps.length), { concurrency: CONCURRENCY }, async (step) => {
      await orNote(at(step).folder, async () => {
        if ((await killAtStep(template, scenario, at(step))).wasKilled) killCount += 1
      })
    })
    process.stdout.write(`${scenario.name}: killed at ${killCount} of ${steps.length} steps\n`)
  }
}

async function failEverywhere(folder: string): Promise<void> {
  const template = await makeCrashData(join(folder, 'template'))
  for (const scenario of FAULT_SCENARIOS) {
    const at = (errno: string, step: number) => ({
      at: step,
      errno,
      folder: join(folder, `${errno}-${step}`),
    })
    const { stepCount } = await failAtStep(template, scenario, at('none', 0))
    for (const errno of ERRNOS) {
      let failedCount = 0
      let madeCount = 0
      await forEachConcurrent(numbersTo(stepCount), { concurrency: CONCURRENCY }, async (step) => {
        await orNote(at(errno, step).folder, async () => {
          const { wasAnswered } = await failAtStep(template, scenario, at(errno, step))
          if (!wasAnswered) failedCount += 1
        })
        madeCount += 1
        if (madeCount % PROGRESS_COUNT > 0) return
        process.stdout.write(`${scenario.name}, ${errno}: ${madeCount} calls tried\n`)
      })
      process.stdout.write(
        `${scenario.name}, ${errno}: ${failedCount} of ${stepCount} calls failed what was asked\n`,
      )
    }
  }
}

async function cutAtSteps(folder: string): Promise<void> {
  const kinds = KINDS.filter((kind) => powerCutLacks(kind) === null)
  for (const kind of kinds) {
    const count = Math.ceil(Number(values.cuts) / kinds.length)
    const start = performance.now()
    let reported = 0
    const report = (line: string, made: CutSummary): void => {
      if (Number(values.each) === 1) process.stdout.write(`${line}\n`)
      if (made.cutCount < reported + Number(values.each)) return
      reported = made.cutCount
      const rate = made.cutCount / ((performance.now() - start) / 1000)
      process.stdout.write(`${kind}: ${textOf(made)}, ${rate.toFixed(1)} a second\n`)
    }
    process.stdout.write(`${kind}, seed ${seed}\n`)
    const options = { kind, seed, count, only: values.only }
    const summary = await cutOften(join(folder, kind), options, report)
    const steps = [...summary.stepCounts.keys()].toSorted()
    const lines = steps.map((step) => `${summary.stepCounts.get(step)} ${step}\n`)
    process.stdout.write(`${lines.join('')}${kind}, seed ${seed}: ${textOf(summary)}\n`)
  }
}

function textOf({ cutCount, afterAnswerCount, damagedCount, stepCounts }: CutSummary): string {
  return (
    `${cutCount} cuts, ${afterAnswerCount} after an answer, ` +
    `${stepCounts.size} kinds of steps, ${damagedCount} chunk files damaged`
  )
}

/** Each order that is taken out must show. */
async function mutateCuts(folder: string): Promise<void> {
  const lost: string[] = []
  for (const mutation of CUT_MUTATIONS) {
    for (const kind of KINDS.filter((known) => powerCutLacks(known) === null)) {
      const place = mkdtempSync(join(folder, 'mutation-'))
      const found = findMutation(mutation, {
        kind,
        seed,
        count: Number(values.cuts),
        folder: place,
      })
      const text = found === null ? 'NOT FOUND' : `after ${found.cutCount} cuts: ${found.finding}`
      process.stdout.write(`${mutation.id}, ${kind}, seed ${seed}: ${text}\n`)
      if (found === null) lost.push(`${mutation.id} on ${kind}`)
    }
  }
  if (lost.length > 0) throw new Error(`not found: ${lost.join('; ')}`)
}

async function workBeside(folder: string): Promise<void> {
  const durationMs = Number(values.minutes) * MINUTE_MS
  const summary = await runBeside(folder, { durationMs, seed })
  process.stdout.write(`${JSON.stringify(summary)}\n`)
}

async function soakBucket(folder: string): Promise<void> {
  process.stdout.write(`seed ${seed}\n`)
  const durationMs = Number(values.minutes) * MINUTE_MS
  const summary = await runS3Soak(folder, { durationMs, seed })
  process.stdout.write(`${JSON.stringify(summary)}\n`)
}

async function cutProcesses(folder: string): Promise<void> {
  for (const kind of KINDS) {
    const lack = powerCutLacks(kind)
    if (lack !== null) process.stdout.write(`${kind}: left out, ${lack}\n`)
    const end = lack === null ? roundCount : 0
    // A new disk now and then: backups add up.
    for (let round = 0; round < end; round += ROUNDS_PER_DISK) {
      const syncLevel = (round / ROUNDS_PER_DISK) % 2 === 0 ? 'filesystem' : 'file'
      using rig = await PowerRig.open(join(folder, kind), { kind, syncLevel })
      const count = Math.min(ROUNDS_PER_DISK, end - round)
      for (let use = 0; use < count; use += 1) await cut(rig, `${kind} ${syncLevel} ${round + use}`)
    }
  }
}

async function cut(rig: PowerRig, name: string): Promise<void> {
  await rig.cutAfterFinish({ bulkCount: BULK_COUNT })
  const at = randomInt(1, STEP_MAX)
  const { damagedCount } = await rig.cutAtStep(at, { bulkCount: BULK_COUNT })
  process.stdout.write(`${name}: before step ${at}, ${damagedCount} damaged\n`)
}

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
