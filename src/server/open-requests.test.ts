import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { suite, test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { OpenRequests } from './open-requests.ts'

function response(): ServerResponse {
  return new EventEmitter() as ServerResponse
}

suite('OpenRequests.drain()', () => {
  test('resolves at once when nothing is open', async () => {
    await new OpenRequests().drain(new FakeClock(), 1000)
  })

  test('waits for the last answer', async () => {
    const requests = new OpenRequests()
    const answers = [response(), response()]
    for (const answer of answers) requests.track(answer)
    const drained = requests.drain(new FakeClock(), 1000)
    for (const answer of answers) answer.emit('close')
    await drained
    assert.equal(requests.count, 0)
  })

  test('gives up after the grace', async () => {
    const requests = new OpenRequests()
    const clock = new FakeClock()
    requests.track(response())
    const drained = requests.drain(clock, 1000)
    await clock.advance(1000)
    await drained
    assert.equal(requests.count, 1)
  })
})
