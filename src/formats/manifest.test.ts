import assert from 'node:assert/strict'
import { createHash, scryptSync } from 'node:crypto'
import { suite, test } from 'node:test'

import { fc } from '../../test/support/fast-check.ts'

import { CairnError } from '../base/errors.ts'
import { CryptConfig } from '../crypto/crypt-config.ts'
import { canonicalJson } from './canonical-json.ts'
import { encodeBlob } from './data-blob.ts'
import { formatPrettyJson, type JsonValue, parseJson } from './json.ts'
import {
  addManifestFile,
  checkManifestFile,
  decodeManifestBlob,
  encodeManifestBlob,
  formatManifest,
  type Manifest,
  manifestFile,
  parseManifest,
} from './manifest.ts'
import {
  checkManifestFingerprint,
  checkManifestSignature,
  manifestFingerprint,
  signedBytes,
  signManifest,
} from './manifest-signature.ts'

// The worked examples of formats.md 11.6.
const CRYPT = CryptConfig.create(Uint8Array.from({ length: 32 }, (_, index) => index))
const OTHER = CryptConfig.create(new Uint8Array(32))
const EXAMPLE: Manifest = {
  backupType: 'vm',
  backupId: '100',
  backupTime: 1_700_000_000,
  files: [
    {
      filename: 'drive-scsi0.img.fidx',
      cryptMode: 'encrypt',
      size: 4_194_307,
      csum: '01'.repeat(32),
    },
    { filename: 'qemu-server.conf.blob', cryptMode: 'encrypt', size: 47, csum: '02'.repeat(32) },
  ],
  signature: null,
  unprotected: {},
}
const CANONICAL_SHA256 = 'fdecb38b0ffa151379611cf6e1310f462d9332276bf85e44e87c90bdcf0a7a99'
const SIGNATURE = 'efe42cb2431b585f962ef08640ce78e88c6ad2baf49cb309fb4471c400a91bc6'
const STORED_SHA256 = '43d844a8babff4a2e7f4cc75caaab5cf10400f416e8d2b7bc3a3e1e0b6f47ae1'

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function parseText(text: string): Manifest {
  return parseManifest(Buffer.from(text))
}

/** The stored text of the example, as an object to change. */
function exampleWith(changes: Record<string, unknown>): Manifest {
  const json: unknown = JSON.parse(Buffer.from(formatManifest(EXAMPLE)).toString())
  return parseText(JSON.stringify({ ...(json as object), ...changes }))
}

suite('worked examples', () => {
  test('signedBytes(), signManifest() and formatManifest() give the bytes of the specification', () => {
    assert.equal(signedBytes(EXAMPLE).length, 365)
    assert.equal(sha256(signedBytes(EXAMPLE)), CANONICAL_SHA256)
    const signed = signManifest(EXAMPLE, CRYPT)
    assert.equal(signed.signature, SIGNATURE)
    const stored = formatManifest(signed)
    assert.equal(stored.length, 697)
    assert.equal(sha256(stored), STORED_SHA256)
    assert.deepEqual(parseManifest(stored), signed)
  })

  test('signManifest() agrees with the unit test of the reference', () => {
    const key = scryptSync('test', '', 32, { N: 65_536, r: 8, p: 1, maxmem: 128 << 20 })
    const files = [
      { filename: 'test1.img.fidx', cryptMode: 'encrypt', size: 200, csum: '01'.repeat(32) },
      { filename: 'abc.blob', cryptMode: 'none', size: 200, csum: '02'.repeat(32) },
    ] as const
    const ref = { backupType: 'host', backupId: 'elsa', backupTime: 1_593_179_765 } as const
    const manifest = { ...ref, files, signature: null, unprotected: {} }
    const { signature } = signManifest(manifest, CryptConfig.create(key))
    assert.equal(signature, 'd7b446fb7db081662081d4b40fedd858a1d6307a5aff4ecff7d5bf4fd35679e9')
  })
})

suite('parseManifest()', () => {
  test('fills in what old manifests leave out and drops unknown keys', () => {
    const file = { filename: 'a.blob', size: 1, csum: 'ab'.repeat(32), new: 1 }
    const manifest = exampleWith({ files: [file], unprotected: null, signature: undefined, new: 1 })
    assert.deepEqual(manifest.files, [
      { filename: 'a.blob', cryptMode: 'none', size: 1, csum: file.csum },
    ])
    assert.deepEqual(manifest.unprotected, {})
    assert.equal(manifest.signature, null)
  })

  test('refuses what stock refuses, with its prefix', () => {
    const file = { filename: 'a.blob', size: 1, csum: 'ab'.repeat(32) }
    const rows = [
      { 'backup-type': 'xx' },
      { 'backup-id': 1 },
      { 'backup-time': '1' },
      { 'backup-time': 1.5 },
      { 'backup-id': undefined },
      { files: {} },
      { files: [1] },
      { files: [{ ...file, size: -1 }] },
      { files: [{ ...file, size: 2 ** 60 }] },
      { files: [{ ...file, csum: 'ab' }] },
      { files: [{ ...file, 'crypt-mode': 'x' }] },
      { signature: 1 },
      { unprotected: 'text' },
      { unprotected: [] },
    ]
    for (const row of rows) {
      assert.throws(
        () => exampleWith(row),
        /^CairnError: unable to parse backup manifest json - /,
        JSON.stringify(row),
      )
    }
    for (const text of [
      '',
      '{',
      '[]',
      'null',
      '\u{feff}{}',
      '['.repeat(100_000),
      '{"a":'.repeat(300),
    ]) {
      assert.throws(() => parseText(text), { code: 'MANIFEST_JSON_INVALID' })
    }
    assert.throws(() => parseManifest(Uint8Array.of(0x22, 0xff, 0x22)), {
      code: 'MANIFEST_JSON_INVALID',
    })
  })

  test('refuses nesting that would overflow the stack of whoever walks it', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
    const text = Buffer.from(formatManifest(EXAMPLE)).toString().replace('{}', `{"a":${deep}}`)
    assert.throws(() => parseText(text), { code: 'MANIFEST_JSON_INVALID' })
  })

  test('keeps unprotected as it is: order, numbers, odd keys', () => {
    const unprotected =
      '{"10": 1.0, "9": 12345678901234567890, "__proto__": {"b": 1e3}, "é": "\\u0001ü", "\u{1f600}": 1, "\u{ff5e}": 2}'
    const text = Buffer.from(formatManifest(EXAMPLE)).toString().replace('{}', unprotected)
    const again = Buffer.from(formatManifest(parseText(text))).toString()
    // Bytewise: U+FF5E before U+1F600, which JavaScript would sort the other way round.
    const members = [
      '"10": 1.0',
      '"9": 12345678901234567890',
      '"__proto__": {\n      "b": 1e3\n    }',
      '"é": "\\u0001ü"',
    ]
    members.push('"\u{ff5e}": 2', '"\u{1f600}": 1')
    assert.ok(again.endsWith(`"unprotected": {\n    ${members.join(',\n    ')}\n  }\n}`), again)
    assert.equal(Buffer.from(formatManifest(parseText(again))).toString(), again)
  })
})

suite('manifest blob', () => {
  test('decodeManifestBlob() is the inverse of encodeManifestBlob()', async () => {
    const signed = signManifest(EXAMPLE, CRYPT)
    assert.deepEqual(await decodeManifestBlob(await encodeManifestBlob(signed)), signed)
  })

  test('decodeManifestBlob() tells what is wrong in the words of stock', async () => {
    const encrypted = await encodeBlob(formatManifest(EXAMPLE), { compress: true, crypt: CRYPT })
    const rows: [Uint8Array, string][] = [
      [Buffer.from('damaged'), 'blob too small (7 bytes).'],
      [
        encrypted,
        'decode backup manifest blob failed - unable to decrypt blob - missing CryptConfig',
      ],
      [encrypted.with(60, 1).with(61, 2), 'Data blob has wrong CRC checksum.'],
    ]
    for (const [blob, message] of rows) await assert.rejects(decodeManifestBlob(blob), { message })
    const noJson = await encodeBlob(Buffer.from('x'), { compress: false })
    await assert.rejects(decodeManifestBlob(noJson), { code: 'MANIFEST_JSON_INVALID' })
    const bomb = await encodeBlob(new Uint8Array(64 << 20), { compress: true })
    await assert.rejects(decodeManifestBlob(bomb), { code: 'MANIFEST_BLOB_INVALID' })
  })
})

suite('checks of a reader', () => {
  const signed = signManifest(EXAMPLE, CRYPT)

  test('checkManifestSignature() takes its own and unsigned ones, nothing else', () => {
    assert.equal(checkManifestSignature(signed, CRYPT), true)
    assert.equal(checkManifestSignature(EXAMPLE, CRYPT), false)
    assert.equal(checkManifestSignature({ ...signed, unprotected: {} }, CRYPT), true)
    const wrong = { message: 'wrong signature in manifest' }
    assert.throws(() => checkManifestSignature({ ...signed, backupId: '101' }, CRYPT), wrong)
    const upper = { ...signed, signature: SIGNATURE.toUpperCase() }
    assert.throws(() => checkManifestSignature(upper, CRYPT), wrong)
    assert.throws(() => checkManifestSignature({ ...signed, unprotected: {} }, OTHER), wrong)
    assert.throws(() => checkManifestSignature(signed, OTHER), {
      message:
        /^wrong key - unable to verify signature since manifest's key 0e:ab:d4:46:0b:6e:b9:ca does not match provided key ([0-9a-f]{2}:){7}[0-9a-f]{2}$/,
    })
  })

  test('checkManifestFingerprint() compares the keys', () => {
    checkManifestFingerprint(EXAMPLE, null)
    checkManifestFingerprint(EXAMPLE, OTHER)
    checkManifestFingerprint(signed, CRYPT)
    assert.deepEqual(manifestFingerprint(signed), new Uint8Array(CRYPT.fingerprint))
    const message = 'missing key - manifest was created with key 0e:ab:d4:46:0b:6e:b9:ca'
    assert.throws(() => checkManifestFingerprint(signed, null), { message })
    assert.throws(
      () => checkManifestFingerprint(signed, OTHER),
      /wrong key - manifest's key 0e:ab:d4:46:0b:6e:b9:ca does/,
    )
  })

  test('checkManifestFile() compares size, then checksum', () => {
    const file = { filename: 'qemu-server.conf.blob', size: 47, csum: '02'.repeat(32) }
    checkManifestFile(EXAMPLE, file)
    const message = "wrong size for file 'qemu-server.conf.blob' (47 != 46)"
    assert.throws(() => checkManifestFile(EXAMPLE, { ...file, size: 46, csum: '' }), { message })
    assert.throws(() => checkManifestFile(EXAMPLE, { ...file, csum: '' }), {
      message: "wrong checksum for file 'qemu-server.conf.blob'",
    })
    assert.throws(() => manifestFile(EXAMPLE, 'x.blob'), {
      message: "manifest does not contain file 'x.blob'",
    })
  })

  test('addManifestFile() wants a known extension', () => {
    const file = { filename: 'x', cryptMode: 'none', size: 1, csum: '00'.repeat(32) } as const
    assert.throws(() => addManifestFile(EXAMPLE, file), { message: 'unknown archive type: "x"' })
    assert.equal(addManifestFile(EXAMPLE, { ...file, filename: 'x.blob' }).files.length, 3)
  })
})

suite('JSON forms', () => {
  test('canonicalJson() sorts, packs and refuses null and fractions', () => {
    const value = { b: [1, true, 'x/ü\u007f\u0001\n'], a: { '10': 1, '9': 2 }, '': '' }
    const text = Buffer.from(canonicalJson(value)).toString()
    assert.equal(text, '{"":"","a":{"10":1,"9":2},"b":[1,true,"x/ü\u007f\\u0001\\n"]}')
    assert.throws(() => canonicalJson([null]), { message: 'got unexpected null value' })
    for (const value of [0.5, 1e21, Number.NaN, parseJson('1.0')]) {
      assert.throws(() => canonicalJson(value), { code: 'CANONICAL_JSON_UNSUPPORTED' })
    }
  })

  test('formatPrettyJson() writes what JSON reads', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = formatPrettyJson(value as JsonValue)
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
        assert.equal(formatPrettyJson(parseJson(text)), text)
      }),
    )
  })

  test('hostile manifests give typed errors only', () => {
    const text = Buffer.from(formatManifest(signManifest(EXAMPLE, CRYPT)))
    fc.assert(
      fc.property(fc.nat(text.length), fc.uint8Array({ maxLength: 4 }), (at, bytes) => {
        const damaged = Buffer.concat([
          text.subarray(0, at),
          bytes,
          text.subarray(at + bytes.length),
        ])
        try {
          formatManifest(parseManifest(damaged))
        } catch (error) {
          assert.ok(error instanceof CairnError, String(error))
        }
      }),
      { numRuns: 500 },
    )
  })
})
