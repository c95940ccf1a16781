import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { alignedBytes, bytesToAlignment } from './native-address.ts'

suite('alignedBytes()', () => {
  test('begins with a page where addresses can be asked for', () => {
    for (const size of [1, 4096, 100_000, 4 << 20]) {
      const bytes = alignedBytes(size)
      assert.equal(bytes.length, size)
      assert.equal(bytesToAlignment(bytes) ?? 0, 0)
    }
  })
})
