import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { md5InTurns } from '../crypto/md5.ts'
import { checksumsOf, md5OfBody } from './body-checksums.ts'

suite('checksumsOf()', () => {
  for (const size of [0, 1, 16 << 10, (16 << 10) + 1, 3 << 20]) {
    test(`${size} bytes, by all ways`, async () => {
      const body = Buffer.alloc(size + 3, 'many words').subarray(3)
      const md5 = createHash('md5').update(body).digest()
      assert.deepEqual(await checksumsOf(body), {
        md5: md5.toString('hex'),
        md5Base64: md5.toString('base64'),
        sha256: createHash('sha256').update(body).digest('hex'),
      })
      assert.equal(await md5OfBody(body), md5.toString('hex'))
      assert.deepEqual(Buffer.from(await md5InTurns(body)), md5)
    })
  }
})
