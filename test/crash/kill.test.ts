/**
 * kill -9 of the server before its n-th change of the disk, in a backup, its clean-up, a removal and a start: what was
 * answered is there and restores, nothing half is, the next backup works. A sample of the steps; `npm run crash` takes
 * all, `CAIRN_CRASH_ROUNDS` more.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { forEachConcurrent } from '../../src/base/async/map-concurrent.ts'
import { makeCrashData } from '../support/crash-rig.ts'
import { Random } from '../simulator/random.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { killAtStep, SCENARIOS } from './kill-rounds.ts'
import { SEED } from './seed.ts'

/** Of the first scenario; the others get a third. */
const ROUNDS = Number(process.env['CAIRN_CRASH_ROUNDS'] ?? 8)
const random = new Random(SEED)
const folder = await makeTemporaryFolder()

suite('kill -9 of the server', async () => {
  const template = await makeCrashData(join(folder, 'template'))

  for (const [index, scenario] of SCENARIOS.entries()) {
    test(`in the middle of ${scenario.name}`, async (context) => {
      const at = (step: number) => ({ at: step, folder: join(folder, `${index}-${step}`) })
      const whole = await killAtStep(template, scenario, at(0))
      const stepCount = whole.steps.length
      assert.ok(stepCount > 5, whole.steps.join('\n'))
      const stride = stepCount / Math.min(stepCount, index === 0 ? ROUNDS : Math.ceil(ROUNDS / 3))
      const start = random.below(Math.max(1, Math.floor(stride)))
      const picked: number[] = []
      for (let step = start; step < stepCount; step += stride) picked.push(Math.floor(step) + 1)
      context.diagnostic(`seed ${SEED}: steps ${picked.join(' ')} of ${stepCount}`)
      let killCount = 0
      await forEachConcurrent(picked, { concurrency: 2 }, async (step) => {
        if ((await killAtStep(template, scenario, at(step))).wasKilled) killCount += 1
      })
      // The number of steps varies by a few: two files may be written in one go.
      assert.ok(killCount >= picked.length - 2, `${killCount} of ${picked.length} were killed`)
    })
  }
})
