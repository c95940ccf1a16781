import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ownerMatches } from './groups.ts'

suite('ownerMatches()', () => {
  for (const [owner, caller, expected] of [
    ['joe@pbs', 'joe@pbs', true],
    ['joe@pbs!t', 'joe@pbs', true],
    ['joe@pbs!t', 'joe@pbs!t', true],
    ['joe@pbs', 'joe@pbs!t', false],
    ['joe@pbs!t', 'joe@pbs!u', false],
    ['joe@pbs!t', 'jo@pbs', false],
    // A user whose name looks like a token of another one.
    ['joe@pbs!t@pbs', 'joe@pbs', false],
    ['a!b@pbs!t', 'a!b@pbs', true],
  ] as const) {
    test(`of ${owner}, asked for by ${caller}: ${expected}`, () => {
      assert.equal(ownerMatches(owner, caller), expected)
    })
  }
})
