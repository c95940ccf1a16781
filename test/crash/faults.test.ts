/**
 * A call of the file system that fails once in the middle of a backup (ENOSPC, EIO, EMFILE), through the whole server:
 * finish never succeeds wrongly, the session is cleaned up, the store stays usable. A sample of the calls; `npm run
 * crash` takes all, `CAIRN_CRASH_ROUNDS` more.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeCrashData } from '../support/crash-rig.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { ERRNOS, failAtStep } from './fault-rounds.ts'

const ROUNDS = Number(process.env['CAIRN_CRASH_ROUNDS'] ?? 6)
const folder = await makeTemporaryFolder()

suite('a call that fails once', async () => {
  const template = await makeCrashData(join(folder, 'template'))

  for (const errno of ERRNOS) {
    test(errno, async (context) => {
      const whole = await failAtStep(template, { at: 0, errno }, join(folder, `${errno}-0`))
      assert.ok(whole.wasAnswered)
      const stride = Math.max(1, Math.floor(whole.stepCount / ROUNDS))
      const start = randomInt(stride) + 1
      let failedCount = 0
      for (let at = start; at <= whole.stepCount; at += stride) {
        const round = await failAtStep(template, { at, errno }, join(folder, `${errno}-${at}`))
        if (!round.wasAnswered) failedCount += 1
      }
      context.diagnostic(`calls ${start}, + ${stride} … ${whole.stepCount}: ${failedCount} failed`)
      assert.ok(failedCount > 0)
    })
  }
})
