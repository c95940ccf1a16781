/**
 * The crash tests at length: a kill at every step, a fault in every call, many power cuts (root only), and the loops of
 * backups beside everything that removes.
 *
 *   npm run crash -- [--cuts N] [--kind ext4|xfs] [--seed N] [--rounds N] [--minutes N] [--folder DIR] [kill] [faults]
 *     [cuts] [power-cut] [beside] [s3soak]
 *
 * `--cuts`: power cuts at the steps of a server in this process, 1000 by default, half of them on each file system; two
 * runs with `--kind` use both cores. `--rounds`: cuts below the real server and another process's syncs, 50 by default
 * per file system. `--minutes`: of `beside` and of `s3soak`, 10. Stops at the first that shows something wrong and keeps
 * what it left in the folder.
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { forEachConcurrent } from '../../src/base/async/map-concurrent.ts'
import { makeCrashData } from '../support/crash-rig.ts'
import { powerCutLacks } from '../support/power-cut.ts'
import { runBeside } from './beside-rounds.ts'
import { cutOften } from './cut-rounds.ts'
import { ERRNOS, failAtStep } from './fault-rounds.ts'
import { FAULT_SCENARIOS } from './fault-scenarios.ts'
import { killAtStep, SCENARIOS } from './kill-rounds.ts'
import { PowerRig } from './power-rounds.ts'
import { runS3Soak } from './s3-soak.ts'

const ROUNDS_PER_DISK = 5
const MINUTE_MS = 60_000
const SEED_MAX = 2 ** 32
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
  },
})
const roundCount = Number(values.rounds)
const seed = Number(values.seed ?? randomInt(SEED_MAX))
const KINDS = (['ext4', 'xfs'] as const).filter((kind) => (values.kind ?? kind) === kind)
const RUNS: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  kill: killEverywhere,
  faults: failEverywhere,
  cuts: cutAtSteps,
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
  rmSync(folder, { recursive: true })
}

async function killEverywhere(folder: string): Promise<void> {
  const template = await makeCrashData(join(folder, 'template'))
  for (const [index, scenario] of SCENARIOS.entries()) {
    const at = (step: number) => ({ at: step, folder: join(folder, `${index}-${step}`) })
    const { steps } = await killAtStep(template, scenario, at(0))
    let killCount = 0
    await forEachConcurrent(numbersTo(steps.length), { concurrency: CONCURRENCY }, async (step) => {
      const round = await killAtStep(template, scenario, at(step))
      if (round.wasKilled) killCount += 1
      process.stdout.write(`${scenario.name}: ${step} ${round.steps.at(-1)}\n`)
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
      await forEachConcurrent(numbersTo(stepCount), { concurrency: CONCURRENCY }, async (step) => {
        const { wasAnswered } = await failAtStep(template, scenario, at(errno, step))
        if (!wasAnswered) failedCount += 1
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
    const summary = await cutOften(join(folder, kind), { kind, seed, count }, (line) => {
      process.stdout.write(`${line}\n`)
    })
    const { cutCount, afterAnswerCount, damagedCount, stepNames } = summary
    process.stdout.write(
      `${kind}, seed ${seed}: ${cutCount} cuts, ${afterAnswerCount} after an answer, ` +
        `${stepNames.size} kinds of steps, ${damagedCount} chunk files damaged\n`,
    )
  }
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
