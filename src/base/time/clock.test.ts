import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { systemClock } from './clock.ts'

suite('systemClock.sleep()', () => {
  test('rejects with the reason of the signal, before and while it sleeps', async () => {
    const reason = new Error('enough')
    await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(reason)), reason)
    const stop = new AbortController()
    const sleeping = systemClock.sleep(60_000, stop.signal)
    stop.abort(reason)
    await assert.rejects(sleeping, reason)
  })
})
