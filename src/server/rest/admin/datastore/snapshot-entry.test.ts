import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { JsonObject } from '../../../../formats/json.ts'
import { describeSnapshot } from './snapshot-entry.ts'

const REF = { type: 'host', id: 'a', time: 1_767_225_600 } as const
const UPID = 'UPID:vm:00003F60:00027311:00000099:6B016C27:verify:x:root@pam:'

const FACTS = new Set(['comment', 'verification', 'fingerprint'])

function factsOf(unprotected: JsonObject): object {
  const manifest = { ref: REF, files: [], signature: null, unprotected }
  const listing = { ref: REF, files: [], protected: false, ctimeNs: 0n }
  const entry = describeSnapshot(listing as never, { manifest, blobSize: 1 } as never)
  return Object.fromEntries(Object.entries(entry).filter(([key]) => FACTS.has(key)))
}

suite('describeSnapshot()', () => {
  test('shows notes, verification and fingerprint as stock does', () => {
    const pairs = Array.from({ length: 32 }, () => 'AB').join(':')
    const unprotected = {
      notes: 'one\ntwo',
      verify_state: { state: 'failed', upid: UPID, more: 1 },
      'key-fingerprint': pairs,
    }
    assert.deepEqual(factsOf(unprotected), {
      comment: 'one',
      verification: { state: 'failed', upid: UPID },
      fingerprint: pairs.toLowerCase(),
    })
  })

  // The stock client reads the list into types: one such value, and no group can be restored by its name.
  for (const [name, value] of [
    ['notes', 5],
    ['verify_state', 'ok'],
    ['verify_state', { state: 'ok' }],
    ['verify_state', { state: 'ok', upid: 'UPID:x' }],
    ['verify_state', { state: 'good', upid: UPID }],
    ['key-fingerprint', 'ab:cd'],
  ] as const) {
    test(`leaves out ${name} ${JSON.stringify(value)}`, () => {
      assert.deepEqual(factsOf({ [name]: value }), {})
    })
  }
})
