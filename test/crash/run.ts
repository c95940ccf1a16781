/**
 * The crash tests at length: a kill at every step, a fault in every call, many power cuts (root only).
 *
 *   npm run crash -- [--rounds N] [--folder DIR] [kill] [faults] [power-cut]
 *
 * `--rounds`: power cuts per file system, 50 by default. Stops at the first that shows something wrong and keeps what
 * it left in the folder.
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { forEachConcurrent } from '../../src/base/async/map-concurrent.ts'
import { makeCrashData } from '../support/crash-rig.ts'
import { powerCutLacks } from '../support/power-cut.ts'
import { ERRNOS, failAtStep } from './fault-rounds.ts'
import { killAtStep, SCENARIOS } from './kill-rounds.ts'
import { PowerRig } from './power-rounds.ts'

const ROUNDS_PER_DISK = 5
/** Both cores of a small machine. */
const CONCURRENCY = 2
const BULK_COUNT = 20
/** A backup with so many chunks has about so many steps; later cuts come after its answer. */
const STEP_MAX = 200

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '50' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const roundCount = Number(values.rounds)
const RUNS: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  kill: killEverywhere,
  faults: failEverywhere,
  'power-cut': cutOften,
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
  for (const errno of ERRNOS) {
    const at = (step: number) => join(folder, `${errno}-${step}`)
    const { stepCount } = await failAtStep(template, { at: 0, errno }, at(0))
    let failedCount = 0
    await forEachConcurrent(numbersTo(stepCount), { concurrency: CONCURRENCY }, async (step) => {
      const { wasAnswered } = await failAtStep(template, { at: step, errno }, at(step))
      if (!wasAnswered) failedCount += 1
    })
    process.stdout.write(`${errno}: ${failedCount} of ${stepCount} calls failed the backup\n`)
  }
}

async function cutOften(folder: string): Promise<void> {
  for (const kind of ['ext4', 'xfs'] as const) {
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
