import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { describeJsonProblem } from './json-problem.ts'

suite('describeJsonProblem()', () => {
  for (const [text, problem] of [
    ['00', 'invalid number at line 1 column 2'],
    ['-012', 'invalid number at line 1 column 3'],
    ['[10,\n 007]', 'invalid number at line 2 column 3'],
    ['{"a":1.}', 'invalid number at line 1 column 8'],
    ['[0 1]', 'expected `,` or `]` at line 1 column 4'],
  ] as const) {
    test(`${JSON.stringify(text)}: ${problem}`, () =>
      assert.equal(describeJsonProblem(text), problem))
  }

  // The start of a number was looked for in the whole text: for a body of 200 KB, most of it zeros
  // before something else, that took more than a minute, in which the server did nothing else.
  test('takes time in proportion to the text', () => {
    const text = `["${'0'.repeat(500_000)}x",00`
    const start = process.threadCpuUsage()
    assert.match(describeJsonProblem(text), /^invalid number/)
    const { user } = process.threadCpuUsage(start)
    assert.ok(user < 2_000_000, `${user} µs`)
  })
})
