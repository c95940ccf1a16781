import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { slowSteps } from './slow-steps.ts'

test('slowSteps() tells each tenth percent, but nothing of the first second', async () => {
  const clock = new FakeClock()
  const lines: string[] = []
  const progress = slowSteps(clock, (line) => lines.push(line))
  for (let percent = 1; percent <= 40; percent += 1) {
    await clock.advance(60)
    progress.log(`Chunkstore create: ${percent}%`)
  }
  progress.log('Access time update check skipped.')
  assert.deepEqual(lines, [
    'Chunkstore create: 20%',
    'Chunkstore create: 30%',
    'Chunkstore create: 40%',
  ])
})
