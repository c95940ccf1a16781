import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { suite, test } from 'node:test'

import { fc } from '../../test/support/fast-check.ts'

import { FakeClock } from '../../test/support/fake-clock.ts'
import { goldenKeyFile, goldenPassphrase } from '../../test/support/golden-datastore.ts'
import { CairnError } from '../base/errors.ts'
import { formatFingerprint } from './fingerprint.ts'
import {
  changePassphrase,
  createKeyConfig,
  formatKeyConfig,
  type KeyConfig,
  parseKeyConfig,
  protectKey,
  unlockKey,
} from './key-config.ts'
import {
  createMasterKey,
  decryptKeyFromMaster,
  encryptForMaster,
  encryptKeyForMaster,
} from './master-key.ts'

const clock = new FakeClock()
const KEY = Uint8Array.from({ length: 32 }, (_, index) => index)
const PASSPHRASE = Buffer.from('test12')
// The worked examples of formats.md 11.7.
const SALT = 'QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8='
const FINGERPRINT =
  '0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b'
const TIMES = '"created":"2023-11-14T22:13:20+00:00","modified":"2023-11-14T22:13:20+00:00"'
const SCRYPT_DATA =
  'ICEiIyQlJicoKSorLC0uL4jUseyGH2fhzeBZE9D1A75tQfsfOEPzslQPesocinsGwQ/kCHf7FTMTNxfQtjbuFQ=='
const PBKDF2_DATA =
  'ICEiIyQlJicoKSorLC0uL07GLWkfPubfpEkiJX2AhVae2JA7AXiCeBVG+43BwhYVIinVyIl8ChtGCP9Tmk0Tug=='
const UNPROTECTED = `{"kdf":null,${TIMES},"data":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","fingerprint":"${FINGERPRINT}"}`
const SCRYPT = `{"kdf":{"Scrypt":{"n":65536,"r":8,"p":1,"salt":"${SALT}"}},${TIMES},"data":"${SCRYPT_DATA}","fingerprint":"${FINGERPRINT}"}`
const PBKDF2 = `{"kdf":{"PBKDF2":{"iter":65535,"salt":"${SALT}"}},${TIMES},"data":"${PBKDF2_DATA}","fingerprint":"${FINGERPRINT}"}`

async function never(): Promise<Uint8Array> {
  return await Promise.reject(new Error('the passphrase was asked for'))
}

function parseText(text: string): KeyConfig {
  return parseKeyConfig(Buffer.from(text))
}

suite('key files', () => {
  for (const [name, text] of Object.entries({ UNPROTECTED, SCRYPT, PBKDF2 })) {
    test(`unlockKey() opens the worked example: ${name}`, async () => {
      const passphrase =
        text === UNPROTECTED ? never : async () => await Promise.resolve(PASSPHRASE)
      const unlocked = await unlockKey(parseText(text), passphrase)
      assert.equal(Buffer.compare(unlocked.key, KEY), 0)
      assert.equal(unlocked.created, 1_700_000_000)
      assert.equal(formatFingerprint(unlocked.fingerprint), FINGERPRINT)
    })
  }

  test('formatKeyConfig() writes what stock wrote', { skip: timeZoneReason() }, () => {
    for (const text of [UNPROTECTED, SCRYPT, PBKDF2]) {
      assert.equal(Buffer.from(formatKeyConfig(parseText(text))).toString(), text)
    }
    for (const name of ['plain.json', 'scrypt.json', 'pbkdf2.json', 'master-used.json']) {
      const bytes = goldenKeyFile(name)
      assert.equal(Buffer.from(formatKeyConfig(parseKeyConfig(bytes))).toString(), bytes.toString())
    }
  })

  test('unlockKey() opens the key files of stock', async () => {
    for (const name of ['plain.json', 'scrypt.json', 'pbkdf2.json', 'master-used.json']) {
      const passphrase = goldenPassphrase(name)
      const ask = passphrase === null ? never : async () => await Promise.resolve(passphrase)
      const { key } = await unlockKey(parseKeyConfig(goldenKeyFile(name)), ask)
      assert.equal(key.length, 32)
    }
  })

  test('unlockKey() fails with the texts of stock', async () => {
    const give = (text: string) => async () => await Promise.resolve(Buffer.from(text))
    const config = parseText(PBKDF2)
    const wrong = { message: 'Unable to decrypt key (wrong password?) - OpenSSL error' }
    await assert.rejects(unlockKey(config, give('wrong-one')), wrong)
    const hinted = { message: 'Unable to decrypt key (password hint: h)' }
    await assert.rejects(unlockKey({ ...config, hint: 'h' }, give('wrong-one')), hinted)
    await assert.rejects(unlockKey(config, give('four')), { message: 'Passphrase is too short!' })
    const short = { ...config, data: new Uint8Array(31) }
    await assert.rejects(unlockKey(short, give('test12')), {
      message: 'Unable to decrypt key - short data',
    })
    const other = { ...config, fingerprint: new Uint8Array(32) }
    const message =
      'KeyConfig contains wrong fingerprint 00:00:00:00:00:00:00:00, contained key has fingerprint 0e:ab:d4:46:0b:6e:b9:ca'
    await assert.rejects(unlockKey(other, give('test12')), { message })
    const long = { ...parseText(UNPROTECTED), data: new Uint8Array(33) }
    await assert.rejects(unlockKey(long, never), { code: 'KEY_SIZE_WRONG' })
  })

  test('unlockKey() refuses parameters that would take all memory or all time', async () => {
    const give = async () => await Promise.resolve(PASSPHRASE)
    const scrypt = { kind: 'scrypt', n: 2 ** 24, r: 8, p: 1, salt: KEY } as const
    for (const kdf of [
      scrypt,
      { ...scrypt, n: 1024, p: 2 ** 30 },
      { kind: 'pbkdf2', iterations: 2 ** 31, salt: KEY },
    ] as const) {
      await assert.rejects(unlockKey({ ...parseText(SCRYPT), kdf }, give), {
        code: 'KEY_KDF_TOO_COSTLY',
      })
    }
    const impossible = { ...parseText(SCRYPT), kdf: { ...scrypt, n: 1000 } }
    await assert.rejects(unlockKey(impossible, give), { code: 'KEY_CONFIG_INVALID' })
  })

  test('createKeyConfig() and changePassphrase() make files that open', async () => {
    const give = async () => await Promise.resolve(PASSPHRASE)
    const { config, key } = await createKeyConfig({
      kdf: 'pbkdf2',
      passphrase: PASSPHRASE,
      hint: 'six',
      clock,
    })
    assert.equal(config.created, 1_767_225_600)
    const stored = parseKeyConfig(formatKeyConfig(config))
    assert.equal(Buffer.compare((await unlockKey(stored, give)).key, key), 0)
    assert.equal(stored.hint, 'six')
    const later = new FakeClock(Date.UTC(2027, 0, 1))
    const opened = await changePassphrase(stored, give, { kdf: 'none', clock: later })
    assert.equal(opened.created, config.created)
    assert.equal(opened.modified, 1_798_761_600)
    assert.equal(opened.hint, null)
    assert.equal(Buffer.compare((await unlockKey(opened, never)).key, key), 0)
  })

  test('protectKey() refuses what stock refuses', async () => {
    const passphrase = PASSPHRASE
    const rows: [Parameters<typeof protectKey>[1], string][] = [
      [{ kdf: 'none', passphrase, clock }, 'No key derivation function specified'],
      [{ kdf: 'none', hint: 'x', clock }, 'password hint not allowed for Kdf::None'],
      [{ kdf: 'scrypt', clock }, 'Passphrase is too short!'],
      [{ kdf: 'scrypt', passphrase: Buffer.from('four'), clock }, 'Passphrase is too short!'],
    ]
    for (const [options, message] of rows)
      await assert.rejects(protectKey(KEY, options), { message })
    for (const hint of ['', 'x'.repeat(65), 'a\nb']) {
      await assert.rejects(protectKey(KEY, { kdf: 'scrypt', passphrase, hint, clock }), {
        code: 'KEY_HINT_INVALID',
      })
    }
  })

  test('parseKeyConfig() takes both forms of time and leaves out what is not there', () => {
    const config = parseText(
      `{"kdf":null,"created":"2023-11-14T22:13:20Z","modified":"2023-11-14T23:13:20+01:00","data":""}`,
    )
    assert.equal(config.created, config.modified)
    assert.equal(config.fingerprint, null)
    assert.equal(config.hint, null)
  })

  test('parseKeyConfig() gives typed errors only', () => {
    const bytes = Buffer.from(SCRYPT)
    fc.assert(
      fc.property(fc.nat(bytes.length), fc.uint8Array({ maxLength: 5 }), (at, damage) => {
        const damaged = Buffer.concat([
          bytes.subarray(0, at),
          damage,
          bytes.subarray(at + damage.length),
        ])
        try {
          parseKeyConfig(damaged)
        } catch (error) {
          assert.ok(error instanceof CairnError, String(error))
        }
      }),
      { numRuns: 500 },
    )
    for (const text of [
      '',
      '[]',
      '{}',
      SCRYPT.replace('Scrypt', 'Other'),
      SCRYPT.replace('"n":65536', '"n":-1'),
      UNPROTECTED.replace('AAEC', '!!!!'),
    ]) {
      assert.throws(() => parseText(text), { code: 'KEY_CONFIG_INVALID' })
    }
  })
})

suite('master key', () => {
  const publicPem = goldenKeyFile('master-public.pem')
  const privatePem = goldenKeyFile('master-private.pem')
  const passphrase = goldenPassphrase('master-private.pem')

  test('decryptKeyFromMaster() is the inverse of encryptKeyForMaster()', async () => {
    const unlocked = await unlockKey(parseText(UNPROTECTED), never)
    const block = encryptKeyForMaster(publicPem, unlocked, { clock })
    assert.equal(block.length, 512)
    const config = decryptKeyFromMaster(privatePem, passphrase, block)
    assert.equal(config.kdf, null)
    assert.equal(config.created, unlocked.created)
    assert.equal(config.modified, 1_767_225_600)
    assert.equal(Buffer.compare(config.data, KEY), 0)
  })

  test('refuses wrong keys, passphrases and blocks', () => {
    const block = new Uint8Array(512)
    const wrong = Buffer.from('wrong')
    assert.throws(() => decryptKeyFromMaster(privatePem, wrong, block), {
      code: 'MASTER_KEY_INVALID',
    })
    assert.throws(() => decryptKeyFromMaster(privatePem, null, block), {
      code: 'MASTER_KEY_INVALID',
    })
    assert.throws(() => decryptKeyFromMaster('x', null, block), { code: 'MASTER_KEY_INVALID' })
    assert.throws(() => decryptKeyFromMaster(privatePem, passphrase, block.subarray(1)), CairnError)
    assert.throws(() => decryptKeyFromMaster(privatePem, passphrase, block), CairnError)
    assert.throws(() => encryptForMaster(publicPem, new Uint8Array(502)), {
      code: 'MASTER_KEY_TOO_SMALL',
    })
    assert.throws(() => encryptForMaster('x', new Uint8Array(2)), { code: 'MASTER_KEY_INVALID' })
  })

  test('createMasterKey() writes the forms of stock', async () => {
    const pair = await createMasterKey('masterpw')
    assert.match(pair.publicPem, /^-----BEGIN PUBLIC KEY-----\n/)
    assert.match(pair.privatePem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
    const details = createPrivateKey({
      key: pair.privatePem,
      passphrase: 'masterpw',
    }).asymmetricKeyDetails
    assert.equal(details?.modulusLength, 4096)
    assert.equal(details?.publicExponent, 65_537n)
  })
})

/** The files of the examples say +00:00; we write local time. */
function timeZoneReason(): string | false {
  return new Date(0).getTimezoneOffset() === 0 ? false : 'the time zone is not UTC'
}
