import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'

import { fc } from '../../test/support/fast-check.ts'

import { CryptConfig } from './crypt-config.ts'
import { formatFingerprint, formatShortFingerprint, parseFingerprint } from './fingerprint.ts'
import { isSignatureOf, signBytes } from './signature.ts'

const KEY = Uint8Array.from({ length: 32 }, (_, index) => index)
const FINGERPRINT =
  '0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b'

suite('CryptConfig', () => {
  const crypt = CryptConfig.create(KEY)

  test('derives id key and fingerprint as the specification does', () => {
    const idKey = '7c2c013efd07f3b25717a485263343cd4d292a4b65c200bb3b18ea227abe225c'
    assert.equal(Buffer.from(crypt.idKey).toString('hex'), idKey)
    assert.equal(formatFingerprint(crypt.fingerprint), FINGERPRINT)
  })

  test('digestOf() gives the keyed digests of the specification', async () => {
    const rows: [Uint8Array, string][] = [
      [Buffer.from(''), 'd213f9b52d680fbe05942a8b5540377dd5f627132c2889e5389f690b683f1d7f'],
      [Buffer.from('abc'), 'ae52f0812a2f1ac3f368d9295cf6419bdff5fe1fe197e48052dd2f7e6d00a6fd'],
      [
        Buffer.from('hello world'),
        '29d6770e718a93cf4a7663ddc167cf40c128b67cc20d36bd49adec140981f9d5',
      ],
      [new Uint8Array(4 << 20), '348571e12bbbedb529def1f1394316e338a01945d871df9ef792617ceb13d636'],
    ]
    for (const [plain, digest] of rows) assert.equal(await crypt.digestOf(plain), digest)
  })

  test('keeps a copy of the key', () => {
    const key = Buffer.from(KEY)
    const own = CryptConfig.create(key)
    key.fill(0)
    own.idKey.fill(0)
    assert.equal(signBytes(own, KEY), signBytes(crypt, KEY))
  })

  test('decrypt() is the inverse of encryptInto(), also over several turns', async () => {
    const sizes = fc.oneof(fc.nat(200), fc.constantFrom(65_535, 65_536, 65_537, 3_000_001))
    await fc.assert(
      fc.asyncProperty(sizes, async (size) => {
        const plain = randomBytes(size)
        const target = new Uint8Array(size)
        const encrypted = await crypt.encryptInto(target, plain)
        assert.equal(encrypted.iv.length, 16)
        assert.equal(Buffer.compare(await crypt.decrypt(target, encrypted), plain), 0)
      }),
      { numRuns: 30 },
    )
  })

  test('decrypt() refuses any changed bit', async () => {
    const target = new Uint8Array(3)
    const { iv, tag } = await crypt.encryptInto(target, Buffer.from('abc'))
    const flip = (bytes: Uint8Array): Uint8Array =>
      Uint8Array.from(bytes, (byte, at) => byte ^ Number(at === 2))
    const wrong = { code: 'DECRYPT_FAILED' }
    await assert.rejects(crypt.decrypt(flip(target), { iv, tag }), wrong)
    await assert.rejects(crypt.decrypt(target, { iv: flip(iv), tag }), wrong)
    await assert.rejects(crypt.decrypt(target, { iv, tag: flip(tag) }), wrong)
    await assert.rejects(CryptConfig.create(new Uint8Array(32)).decrypt(target, { iv, tag }), wrong)
  })

  test('refuses keys of another length', () => {
    assert.throws(() => CryptConfig.create(new Uint8Array(31)), { code: 'KEY_SIZE_WRONG' })
  })
})

suite('fingerprints and signatures', () => {
  test('parseFingerprint() reads what formatFingerprint() writes, with or without colons', () => {
    const bytes = parseFingerprint(FINGERPRINT)
    assert.equal(formatFingerprint(bytes), FINGERPRINT)
    assert.equal(formatShortFingerprint(bytes), '0e:ab:d4:46:0b:6e:b9:ca')
    assert.deepEqual(parseFingerprint(FINGERPRINT.replaceAll(':', '').toUpperCase()), bytes)
    for (const text of [
      '',
      FINGERPRINT.slice(3),
      `${FINGERPRINT}:00`,
      FINGERPRINT.replace('0e', '0g'),
    ]) {
      assert.throws(() => parseFingerprint(text), { code: 'FINGERPRINT_INVALID' })
    }
  })

  test('isSignatureOf() wants the very text', () => {
    const crypt = CryptConfig.create(KEY)
    const message = Buffer.from('message')
    const signature = signBytes(crypt, message)
    assert.match(signature, /^[0-9a-f]{64}$/)
    assert.equal(isSignatureOf(crypt, signature, message), true)
    assert.equal(isSignatureOf(crypt, signature.toUpperCase(), message), false)
    assert.equal(isSignatureOf(crypt, signature, Buffer.from('messagf')), false)
  })
})
