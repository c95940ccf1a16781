/** What runs where Node exports nothing must agree with what runs where it does. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { crc32 } from 'node:zlib'

import { decryptByNode, decryptGcm, encryptByNode, encryptGcm } from '../crypto/gcm.ts'
import { crc32InPool, crc32InTurns } from './crc32.ts'
import { compress, compressByNode, contentSizeOf, decompress, decompressByNode } from './zstd.ts'

const SIZES = [0, 1, 65_536, 65_537, (1 << 20) + 1, 3_000_001]
const SIZE_MAX = 4 << 20

function textOf(size: number): Buffer {
  return Buffer.alloc(size, randomBytes(50).toString('hex').repeat(40))
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

suite('with and without native calls', () => {
  test('AES-256-GCM gives the same bytes and notices the same damage', async () => {
    const key = { key: randomBytes(32), iv: randomBytes(16) }
    for (const size of SIZES) {
      const plain = randomBytes(size + 1).subarray(1)
      const [one, other] = [Buffer.alloc(size), Buffer.alloc(size)]
      const tag = await encryptGcm(one, plain, key)
      assert.ok(isSame(await encryptByNode(other, plain, key), tag))
      assert.ok(isSame(one, other))
      for (const decrypt of [decryptGcm, decryptByNode]) {
        assert.ok(isSame(await decrypt(one, { ...key, tag }), plain))
        const wrong = { ...key, tag: Uint8Array.from(tag, (byte) => byte ^ 1) }
        await assert.rejects(decrypt(one, wrong), { code: 'DECRYPT_FAILED' })
      }
    }
  })

  test('CRC-32 gives the same number', async () => {
    for (const size of SIZES) {
      const data = randomBytes(size + 1).subarray(1)
      assert.equal(await crc32InPool(data), crc32(data))
      assert.equal(await crc32InTurns(data), crc32(data))
    }
  })

  test('zstd frames are read by each other, state their size and stay behind the headroom', async () => {
    for (const size of SIZES.slice(2)) {
      const plain = textOf(size)
      const blob = (await compress(plain, { headroom: 12 })) ?? assert.fail('not shorter')
      for (const frame of [blob.subarray(12), await compressByNode(plain)]) {
        assert.equal(contentSizeOf(frame), size)
        assert.ok(isSame(await decompress(frame, { sizeMax: SIZE_MAX }), plain))
        assert.ok(isSame(await decompressByNode(frame, { size: null, sizeMax: SIZE_MAX }), plain))
      }
    }
  })

  test('what does not get shorter is not compressed', async () => {
    for (const size of SIZES) {
      assert.equal(await compress(randomBytes(size), { headroom: 44 }), null)
    }
  })

  test('damaged frames are refused with the text of the library', async () => {
    const frame = (await compress(textOf(1 << 20), { headroom: 0 })) ?? assert.fail('not shorter')
    const garbage = Buffer.concat([frame, Buffer.from('garbage')])
    for (const damaged of [frame.subarray(0, -1), garbage]) {
      await assert.rejects(decompress(damaged, { sizeMax: SIZE_MAX }), {
        code: 'BLOB_DECOMPRESS_FAILED',
      })
    }
    await assert.rejects(decompress(frame, { sizeMax: (1 << 20) - 1 }), {
      code: 'BLOB_PLAIN_TOO_LARGE',
    })
  })

  test('frames in a row are one content, as for stock', async () => {
    const plain = textOf(100_000)
    const frame = await compressByNode(plain)
    const both = await decompress(Buffer.concat([frame, frame]), { sizeMax: SIZE_MAX })
    assert.ok(isSame(both, Buffer.concat([plain, plain])))
  })
})
