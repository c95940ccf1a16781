/**
 * A call of the file system that fails once (ENOSPC, EIO, EMFILE) in a backup, a removal, a collection, a verification,
 * through the whole server: nothing is answered wrongly or lost, the server goes on, and does then what it could not. A
 * sample of the calls; `npm run crash` takes all, `CAIRN_CRASH_ROUNDS` more.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeCrashData } from '../support/crash-rig.ts'
import { Random } from '../simulator/random.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { ERRNOS, failAtStep } from './fault-rounds.ts'
import { FAULT_SCENARIOS } from './fault-scenarios.ts'
import { SEED } from './seed.ts'

/** Of each scenario and kind of failure. */
const ROUNDS = Number(process.env['CAIRN_CRASH_ROUNDS'] ?? 2)
const random = new Random(SEED)
const folder = await makeTemporaryFolder()

suite('a call that fails once', async () => {
  const template = await makeCrashData(join(folder, 'template'))

  for (const [index, scenario] of FAULT_SCENARIOS.entries()) {
    test(`in ${scenario.name}`, async (context) => {
      const at = (errno: string, step: number) => ({
        at: step,
        errno,
        folder: join(folder, `${index}-${errno}-${step}`),
      })
      const { stepCount } = await failAtStep(template, scenario, at('none', 0))
      let failedCount = 0
      for (const errno of ERRNOS) {
        const stride = Math.max(1, Math.floor(stepCount / ROUNDS))
        const start = random.below(stride) + 1
        for (let step = start; step <= stepCount; step += stride) {
          const round = await failAtStep(template, scenario, at(errno, step))
          if (!round.wasAnswered) failedCount += 1
        }
        context.diagnostic(`${errno} at calls ${start}, + ${stride} … ${stepCount}`)
      }
      context.diagnostic(`${failedCount} failed what was asked`)
      assert.ok(stepCount > 20)
    })
  }
})
