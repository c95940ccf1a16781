import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { digestFromBytes } from '../../formats/digest.ts'
import { SeenDigests } from './seen-digests.ts'

suite('SeenDigests', () => {
  for (const reserved of [0, 1, 5_000, 2 ** 40]) {
    test(`knows each digest once, with room for ${reserved}`, () => {
      const seen = new SeenDigests()
      seen.reserve(reserved)
      const digests = Array.from({ length: 2_000 }, (_value, index) =>
        createHash('sha256').update(`${index}`).digest(),
      )
      for (const digest of digests) assert.equal(seen.addAt(digest, 0), true)
      seen.reserve(reserved)
      for (const digest of digests) assert.equal(seen.addAt(digest, 0), false)
      const [first = Buffer.alloc(32), second = Buffer.alloc(32)] = digests
      seen.delete(digestFromBytes(first))
      assert.equal(seen.addAt(first, 0), true)
      assert.equal(seen.addAt(second, 0), false)
      seen.clear()
      assert.equal(seen.addAt(second, 0), true)
    })
  }
})
