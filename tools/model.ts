/**
 * Checks the models with Spin: every variant must hold, every mutation must be found.
 *
 *   npm run model -- [--short] [--only TEXT]
 *
 * `--short`: without the variants that take longer, as in CI. `--only`: variants and mutations whose name has the text.
 */
import { parseArgs } from 'node:util'
import { forEachConcurrent } from '../src/base/async/map-concurrent.ts'
import { planModelRuns, runModel } from '../test/model/runs.ts'
import { spinMissing } from '../test/model/spin.ts'

const CONCURRENCY = 2
const MINUTES_MAX = 20

const { values } = parseArgs({
  options: { short: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
})
const missing = spinMissing()
if (missing !== false) throw new Error(`the model check ${missing}`)
const runs = planModelRuns({ short: values.short }).filter(({ name }) => name.includes(values.only))
if (runs.length === 0) throw new Error(`no run has '${values.only}' in its name`)
let failedCount = 0
const options = { concurrency: CONCURRENCY }
await forEachConcurrent(runs, options, async (modelRun) => {
  const result = await runModel(modelRun, MINUTES_MAX * 60_000)
  if (!result.isRight) failedCount += 1
  const mark = result.isRight ? 'ok    ' : 'FAILED'
  const counts = `${result.stateCount} states, ${result.seconds.toFixed(1)} s`
  process.stdout.write(`${mark} ${modelRun.name}: ${result.outcome}, ${counts}\n`)
})
process.stdout.write(`${runs.length - failedCount} right, ${failedCount} wrong\n`)
process.exitCode = failedCount === 0 ? 0 : 1
