/** The models of the collection protocol and of power cuts hold, and what is left out of them is missed. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { planModelRuns, runModel } from './runs.ts'
import { spinMissing } from './spin.ts'

/** A slow machine included; alone on two cores the longest takes eight seconds. */
const TIMEOUT_MS = 120_000
/** A second run of all tests has no use for all of them again. */
const COUNT_MAX = Number(process.env['CAIRN_MODEL_COUNT'] ?? Infinity)

suite('models', { concurrency: 2, skip: spinMissing() }, () => {
  for (const run of planModelRuns({ short: true }).slice(0, COUNT_MAX)) {
    test(run.name, async () => {
      const { isRight, outcome, output } = await runModel(run, TIMEOUT_MS)
      assert.ok(isRight, `${outcome}\n${output}`)
    })
  }
})
