import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { checkTuning, tuningOf } from './tuning.ts'

suite('checkTuning()', () => {
  for (const text of [
    'sync-level=filesytem',
    'chunk-order=random',
    'known-chunk-check=on',
    'known-chunk-wait=soon',
  ]) {
    test(`refuses ${text}`, () => {
      assert.throws(() => checkTuning(text), { code: 'TUNING_INVALID' })
    })
  }

  test('takes what stock and we know, and keys of others', () => {
    checkTuning(
      'sync-level=none,chunk-order=inode,known-chunk-check=off,known-chunk-wait=2,gc-atime-cutoff=60',
    )
    checkTuning(undefined)
  })
})

suite('tuningOf()', () => {
  test('gives the safe default for a word in a file that nobody knows', () => {
    const tuning = tuningOf(
      new Map([
        ['sync-level', 'filesytem'],
        ['known-chunk-check', 'on'],
      ]),
    )
    assert.equal(tuning.syncLevel, 'filesystem')
    assert.equal(tuning.knownChunkCheck, 'full')
  })
})
