import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'

import { hasNativeSha256, nativeSha256 } from './native-sha256.ts'
import { hashInTurns, sha256Bytes, sha256WithSuffix } from './sha256.ts'

const SIZES = [0, 1, 32_768, 32_769, 1 << 20, (1 << 20) + 1, 3_000_003]
const SUFFIX = randomBytes(32)

function expected(...parts: readonly Uint8Array[]): string {
  return createHash('sha256').update(Buffer.concat(parts)).digest('hex')
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

suite('sha256Bytes() and sha256WithSuffix()', () => {
  test('hash views of any size and place', async () => {
    for (const size of SIZES) {
      const data = randomBytes(size + 3).subarray(3)
      assert.equal(toHex(await sha256Bytes(data)), expected(data))
      assert.equal(toHex(await sha256WithSuffix(data, SUFFIX)), expected(data, SUFFIX))
      assert.equal(toHex(await hashInTurns(data, SUFFIX)), expected(data, SUFFIX))
    }
  })

  test('hash parts as the whole', async () => {
    for (const sizes of [[], [0, 0], [5, 0, 7], [40_000, 3, 50_000], [3, 1 << 20, 32_768]]) {
      const parts = sizes.map((size) => randomBytes(size))
      assert.equal(toHex(await sha256Bytes(parts)), expected(...parts))
      assert.equal(toHex(await sha256WithSuffix(parts, SUFFIX)), expected(...parts, SUFFIX))
    }
  })

  test('hash many at a time', async () => {
    const pieces = Array.from({ length: 100 }, () => randomBytes(100_000))
    const digests = await Promise.all(pieces.map(async (piece) => await sha256Bytes(piece)))
    assert.deepEqual(
      digests.map(toHex),
      pieces.map((piece) => expected(piece)),
    )
  })
})

suite('nativeSha256()', { skip: hasNativeSha256() ? false : 'no native calls here' }, () => {
  test('agrees with Node', async () => {
    for (const size of SIZES) {
      const data = new Uint8Array(randomBytes(size + 3).buffer.slice(0, size + 3)).subarray(2)
      assert.equal(toHex(await nativeSha256([data])), expected(data))
      assert.equal(toHex(await nativeSha256([data], SUFFIX)), expected(data, SUFFIX))
    }
  })
})
