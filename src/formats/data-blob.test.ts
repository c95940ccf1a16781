import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { constants, zstdCompressSync } from 'node:zlib'

import { fc } from '../../test/support/fast-check.ts'

import { CairnError } from '../base/errors.ts'
import { CryptConfig } from '../crypto/crypt-config.ts'
import { checkUnencryptedChunk, decodeChunk, encodeChunk, encodeChunkParts } from './chunk.ts'
import {
  BLOB_PLAIN_SIZE_MAX,
  checkBlobCrc,
  decodeBlob,
  encodeBlob,
  encodeBlobParts,
  inspectBlob,
  sealBlobCrc,
} from './data-blob.ts'
import { parseDigest, sha256 } from './digest.ts'
import { compressByNode, contentSizeOf, looksCompressible } from './zstd.ts'

// The worked examples of formats.md 11.1: key 00…1f, IV 10…1f.
const KEY = Uint8Array.from({ length: 32 }, (_, index) => index)
const CRYPT = CryptConfig.create(KEY)
const ABC_PLAIN = hex('42ab3807be8370a1 c2412435 616263')
const EMPTY_PLAIN = hex('42ab3807be8370a1 00000000')
const ZSTD_WITH_SIZE = hex('31b958426fb6a37f 52f2d7ec 28b52ffd204003020061')
const ZSTD_WITHOUT_SIZE = hex('31b958426fb6a37f e6609b8b 28b52ffd005003020061')
const ABC_ENCRYPTED = hex(
  '7b6785be222d4cf0 f8b3de5f 101112131415161718191a1b1c1d1e1f 47118b48b4e9e6bfe2d8aa9301eb2eb7 eb3859',
)
const ZSTD_ENCRYPTED = hex(
  'e6591bbf0bbfd80b 7e4f114e 101112131415161718191a1b1c1d1e1f cd197fbc83f01e9a2b44987ab2b68b88 a2ef159dc73138ad6b6a',
)
const ABC = Buffer.from('abc')
const ABC_DIGEST = parseDigest('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
const SIXTY_FOUR = Buffer.from('a'.repeat(64))
const EXAMPLES: readonly [string, Uint8Array, Uint8Array][] = [
  ['plain', ABC_PLAIN, ABC],
  ['empty', EMPTY_PLAIN, Buffer.alloc(0)],
  ['zstd with content size', ZSTD_WITH_SIZE, SIXTY_FOUR],
  ['zstd without content size', ZSTD_WITHOUT_SIZE, SIXTY_FOUR],
  ['encrypted', ABC_ENCRYPTED, ABC],
  ['encrypted zstd', ZSTD_ENCRYPTED, SIXTY_FOUR],
]

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
}

function assertBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(Buffer.compare(actual, expected), 0, 'the same bytes')
}

suite('worked examples', () => {
  for (const [name, blob, plain] of EXAMPLES) {
    test(`decodeBlob() decodes: ${name}`, async () => {
      assertBytes(await decodeBlob(blob, { crypt: CRYPT, checkCrc: true }), plain)
      const sealed = blob.slice()
      sealed.fill(0, 8, 12)
      sealBlobCrc(sealed)
      assertBytes(sealed, blob)
    })
  }

  test('encodeBlob() writes the plain ones', async () => {
    assertBytes(await encodeBlob(ABC, { compress: true }), ABC_PLAIN)
    assertBytes(await encodeBlob(Buffer.alloc(0), { compress: true }), EMPTY_PLAIN)
    const payload = new Uint8Array(3)
    const iv = hex('101112131415161718191a1b1c1d1e1f')
    const { tag } = await CRYPT.encryptInto(payload, ABC, iv)
    assertBytes(Buffer.concat([iv, tag, payload]), ABC_ENCRYPTED.subarray(12))
  })

  test('decodeBlob() takes a level-1 frame without content size', async () => {
    const blob = hex('31b958426fb6a37f 00000000 28b52ffd00484500001061610100930016')
    assertBytes(await decodeBlob(blob), SIXTY_FOUR)
  })
})

suite('inspectBlob()', () => {
  test('refuses what is no blob, with the texts of stock', () => {
    const rows: [Uint8Array, string][] = [
      [new Uint8Array(11), 'blob too small (11 bytes).'],
      [new Uint8Array(12), 'unable to parse raw blob - wrong magic'],
      [ABC_ENCRYPTED.subarray(0, 43), 'encrypted blob too small (43 bytes).'],
    ]
    for (const [blob, message] of rows) assert.throws(() => inspectBlob(blob), { message })
  })

  test('tells what the header says', () => {
    const info = { encrypted: true, compressed: true, headerSize: 44, crc: 0x4e114f7e }
    assert.deepEqual(inspectBlob(ZSTD_ENCRYPTED), info)
    assert.equal(inspectBlob(ABC_PLAIN).crc, 0x352441c2)
  })
})

suite('decodeBlob()', () => {
  test('refuses with the texts of stock', async () => {
    const flipped = ABC_PLAIN.with(12, 0)
    await assert.rejects(decodeBlob(flipped, { checkCrc: true }), {
      message: 'Data blob has wrong CRC checksum.',
    })
    assertBytes(await decodeBlob(flipped), Buffer.of(0, 0x62, 0x63))
    const message = 'unable to decrypt blob - missing CryptConfig'
    await assert.rejects(decodeBlob(ABC_ENCRYPTED), { message })
    const other = CryptConfig.create(randomBytes(32))
    await assert.rejects(decodeBlob(ABC_ENCRYPTED, { crypt: other }), { code: 'DECRYPT_FAILED' })
    const noFrame = hex('31b958426fb6a37f 00000000 616263')
    await assert.rejects(decodeBlob(noFrame), { message: 'Unknown frame descriptor' })
  })

  test('makes no more than sizeMax bytes, whatever the frame says', async () => {
    const size = 64 << 20
    const withSize = await encodeBlob(Buffer.alloc(size), { compress: true })
    assert.ok(withSize.length < 8192)
    const withoutSize = Buffer.concat([
      withSize.subarray(0, 12),
      zstdCompressSync(Buffer.alloc(size), { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } }),
    ])
    assert.equal(contentSizeOf(withoutSize.subarray(12)), null)
    for (const blob of [withSize, withoutSize]) {
      const before = process.memoryUsage().arrayBuffers
      await assert.rejects(decodeBlob(blob, { sizeMax: 1 << 20 }), { code: 'BLOB_PLAIN_TOO_LARGE' })
      assert.ok(process.memoryUsage().arrayBuffers - before < 16 << 20)
    }
    assert.equal((await decodeBlob(withoutSize, { sizeMax: size })).length, size)
    await assert.rejects(decodeBlob(withoutSize, { sizeMax: size - 1 }), {
      code: 'BLOB_PLAIN_TOO_LARGE',
    })
    await assert.rejects(decodeBlob(ABC_PLAIN, { sizeMax: 2 }), { code: 'BLOB_PLAIN_TOO_LARGE' })
  })

  test('is not led astray by a frame that lies about its size', async () => {
    const frame = Buffer.from(await compressByNode(Buffer.alloc(5000, 'ab')))
    assert.equal(contentSizeOf(frame), 5000)
    for (const lie of [4999, 5001, 300]) {
      const blob = Buffer.concat([ZSTD_WITH_SIZE.subarray(0, 12), frame])
      blob.writeUInt16LE(lie - 256, 12 + frame.indexOf(Buffer.of(0x88, 0x12)))
      await assert.rejects(decodeBlob(blob), { code: 'BLOB_DECOMPRESS_FAILED' })
    }
  })

  test('gives an error or bytes, never a crash, for damaged blobs', async () => {
    const text = Buffer.from('All work and no play. '.repeat(200))
    const blobs = [
      await encodeBlob(text, { compress: true }),
      await encodeBlob(text, { compress: true, crypt: CRYPT }),
      await encodeBlob(randomBytes(500), { compress: false }),
      ...EXAMPLES.map(([, blob]) => blob),
    ]
    const damage = fc.record({
      blob: fc.constantFrom(...blobs),
      length: fc.nat(600),
      flips: fc.array(fc.tuple(fc.nat(600), fc.integer({ min: 1, max: 255 })), { maxLength: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(damage, async ({ blob, length, flips }) => {
        const damaged = new Uint8Array(blob).slice(0, length)
        for (const [at, bits] of flips) if (at < damaged.length) damaged[at]! ^= bits
        try {
          await decodeBlob(damaged, { crypt: CRYPT, sizeMax: 1 << 20 })
        } catch (error) {
          assert.ok(error instanceof CairnError, String(error))
        }
      }),
      { numRuns: 500 },
    )
  })

  test('refuses every shortened compressed or encrypted blob', async () => {
    const text = Buffer.from('All work and no play. '.repeat(20))
    for (const crypt of [null, CRYPT]) {
      const blob = await encodeBlob(text, { compress: true, crypt })
      for (let length = 0; length < blob.length; length += 1) {
        await assert.rejects(decodeBlob(blob.subarray(0, length), { crypt }), CairnError)
      }
    }
  })
})

suite('encodeBlob()', () => {
  test('round trips with every option', async () => {
    const plain = fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc.string({ maxLength: 300 }).map((text) => new Uint8Array(Buffer.from(text.repeat(30)))),
    )
    await fc.assert(
      fc.asyncProperty(plain, fc.boolean(), fc.boolean(), async (plain, compress, encrypt) => {
        const crypt = encrypt ? CRYPT : null
        const blob = await encodeBlob(plain, { compress, crypt })
        const info = checkBlobCrc(blob)
        assert.equal(info.encrypted, encrypt)
        assert.ok(blob.length <= plain.length + info.headerSize)
        assertBytes(await decodeBlob(blob, { crypt, sizeMax: plain.length }), plain)
        const { header, payload } = await encodeBlobParts(plain, { compress, crypt })
        assertBytes(
          await decodeBlob(Buffer.concat([header, payload]), { crypt, checkCrc: true }),
          plain,
        )
      }),
    )
  })

  test('states the content size, as stock does: 4 MiB of zeros take 159 bytes', async () => {
    const blob = await encodeBlob(Buffer.alloc(4 << 20), { compress: true })
    assert.equal(contentSizeOf(blob.subarray(12)), 4 << 20)
    assert.ok(blob.length < 200, `${blob.length} bytes`)
  })

  test('uses a new IV each time', async () => {
    const ivs = new Set<string>()
    for (let run = 0; run < 20; run += 1) {
      const blob = await encodeBlob(ABC, { compress: false, crypt: CRYPT })
      ivs.add(Buffer.from(blob.subarray(12, 28)).toString('hex'))
    }
    assert.equal(ivs.size, 20)
  })

  test('refuses more than 128 MiB with the text of stock', async () => {
    const plain = new Uint8Array(BLOB_PLAIN_SIZE_MAX + 1)
    const message = 'data blob too large (134217729 bytes).'
    await assert.rejects(encodeBlob(plain, { compress: false }), { message })
  })

  test('joins nothing for encodeBlobParts(): a plain payload is the data itself', async () => {
    const plain = randomBytes(200_000)
    const { payload } = await encodeBlobParts(plain, { compress: true })
    assert.equal(payload, plain)
  })
})

suite('looksCompressible()', () => {
  const size = 4 << 20
  const text = Buffer.from('a line of text about nothing at all, number 42. '.repeat(100_000))

  test('says no to random bytes and yes to text, zeros, and a quarter of text', () => {
    const random = randomBytes(size)
    assert.equal(looksCompressible(random), false)
    assert.equal(looksCompressible(text.subarray(0, size)), true)
    assert.equal(looksCompressible(Buffer.alloc(size)), true)
    for (let quarter = 0; quarter < 4; quarter += 1) {
      const mixed = Buffer.from(random)
      text.copy(mixed, quarter << 20, 0, 1 << 20)
      assert.equal(looksCompressible(mixed), true, `quarter ${quarter}`)
    }
  })

  test('does not look at small data', () => {
    assert.equal(looksCompressible(randomBytes(1000)), true)
  })
})

suite('chunks', () => {
  test('encodeChunk() names plain and encrypted chunks as the specification does', async () => {
    const plain = await encodeChunk(ABC, { compress: true })
    assert.equal(plain.digest, ABC_DIGEST)
    const encrypted = await encodeChunk(ABC, { compress: true, crypt: CRYPT })
    const keyed = 'ae52f0812a2f1ac3f368d9295cf6419bdff5fe1fe197e48052dd2f7e6d00a6fd'
    assert.equal(encrypted.digest, keyed)
    const { digest } = encrypted
    assertBytes(await decodeChunk(encrypted.blob, { digest, size: 3, crypt: CRYPT }), ABC)
    const parts = await encodeChunkParts(ABC, { compress: true })
    assert.equal(parts.digest, ABC_DIGEST)
  })

  test('decodeChunk() compares digest, then length, with the texts of stock', async () => {
    const wrong = await sha256(Buffer.from('abd'))
    const digestMessage = { message: 'detected chunk with wrong digest.' }
    await assert.rejects(decodeChunk(ABC_PLAIN, { digest: wrong, size: 9 }), digestMessage)
    const lengthMessage = { message: 'detected chunk with wrong length (4 != 3)' }
    await assert.rejects(decodeChunk(ABC_PLAIN, { digest: ABC_DIGEST, size: 4 }), lengthMessage)
    await assert.rejects(
      decodeChunk(ABC_ENCRYPTED, { digest: ABC_DIGEST, crypt: CRYPT }),
      digestMessage,
    )
  })

  test('checkUnencryptedChunk() lets encrypted chunks pass', async () => {
    await checkUnencryptedChunk(ABC_ENCRYPTED, { digest: ABC_DIGEST, size: 1 })
    await checkUnencryptedChunk(ABC_PLAIN, { digest: ABC_DIGEST, size: 3 })
    await assert.rejects(checkUnencryptedChunk(ABC_PLAIN, { digest: ABC_DIGEST, size: 1 }))
  })
})
