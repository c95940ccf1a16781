import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Clock } from '../base/time/clock.ts'
import { rateLimited, TokenBucket } from './rate-limit.ts'

/** Time passes only by sleeping. */
function sleepingClock(): Clock & { time: number } {
  return {
    time: 0,
    now() {
      return this.time
    },
    monotonic() {
      return this.time
    },
    async sleep(delayMs, signal) {
      signal?.throwIfAborted()
      this.time += delayMs
    },
  }
}

suite('TokenBucket', () => {
  test('lets the burst through at once and keeps the rate after it', async () => {
    const clock = sleepingClock()
    const bucket = new TokenBucket({ rate: 1000, burst: 500 }, clock)
    for (let taken = 0; taken < 10_500; taken += 500) await bucket.take(500)
    // The last one may still be in debt: 10,500 - 500 burst - 500 unpaid at 1000 a second.
    assert.ok(clock.time >= 9_000 && clock.time <= 10_000, String(clock.time))
  })

  test('passes pieces larger than the burst', async () => {
    const clock = sleepingClock()
    const bucket = new TokenBucket({ rate: 1000, burst: 10 }, clock)
    await bucket.take(5000)
    await bucket.take(1)
    assert.ok(Math.abs(clock.time - 4990) < 2)
  })

  test('an aborted taker takes nothing and holds nobody up', async () => {
    const clock = sleepingClock()
    const bucket = new TokenBucket({ rate: 1000, burst: 10 }, clock)
    const aborted = AbortSignal.abort(new Error('gone'))
    await assert.rejects(bucket.take(1_000_000, aborted), { message: 'gone' })
    await bucket.take(1)
    assert.equal(clock.time, 0)
  })
})

test('rateLimited() hands every byte through', async () => {
  const bucket = new TokenBucket({ rate: 1000, burst: 1 }, sleepingClock())
  async function* source() {
    yield new Uint8Array([1, 2])
    yield new Uint8Array([3])
  }
  const seen: number[] = []
  for await (const piece of rateLimited(source(), bucket)) seen.push(...piece)
  assert.deepEqual(seen, [1, 2, 3])
})
