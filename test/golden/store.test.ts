/** Every byte of the datastore that stock 4.2.3 wrote is read, and written again where its bytes are determined. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'

import { CryptConfig } from '../../src/crypto/crypt-config.ts'
import { formatFingerprint } from '../../src/crypto/fingerprint.ts'
import { parseKeyConfig, unlockKey } from '../../src/crypto/key-config.ts'
import { decryptKeyFromMaster } from '../../src/crypto/master-key.ts'
import { parseArchiveName } from '../../src/formats/archive-name.ts'
import type { ArchiveIndex } from '../../src/formats/archive-index.ts'
import { authIdText } from '../../src/formats/auth-id.ts'
import { decodeChunk } from '../../src/formats/chunk.ts'
import { checkBlobCrc, decodeBlob, encodeBlob } from '../../src/formats/data-blob.ts'
import { type Digest, parseDigest } from '../../src/formats/digest.ts'
import { decodeDynamicIndex, DynamicIndexBuilder } from '../../src/formats/dynamic-index.ts'
import { decodeFixedIndex, FixedIndexBuilder } from '../../src/formats/fixed-index.ts'
import {
  checkManifestFile,
  decodeManifestBlob,
  formatManifest,
  manifestToJson,
} from '../../src/formats/manifest.ts'
import {
  checkManifestFingerprint,
  checkManifestSignature,
  signManifest,
} from '../../src/formats/manifest-signature.ts'
import { formatSnapshot, parseSnapshot } from '../../src/formats/names.ts'
import { namespaceFolder, parseNamespace } from '../../src/formats/namespace.ts'
import {
  type GoldenFile,
  goldenContents,
  goldenKeyFile,
  goldenPassphrase,
  type GoldenSnapshot,
  openGoldenStore,
} from '../support/golden-datastore.ts'

const CONTENTS = goldenContents()
/** The chunk that was damaged on purpose, and so is missing. */
const DAMAGED = CONTENTS.chunks.find((chunk) => chunk.name.endsWith('.bad'))?.name.slice(0, 64)

let store = ''
const keys = new Map<string, CryptConfig>()

before(async () => {
  store = await openGoldenStore()
  for (const name of ['plain.json', 'scrypt.json', 'pbkdf2.json', 'master-used.json']) {
    const passphrase = async (): Promise<Uint8Array> =>
      await Promise.resolve(goldenPassphrase(name) ?? assert.fail('no passphrase'))
    const { key } = await unlockKey(parseKeyConfig(goldenKeyFile(name)), passphrase)
    keys.set(`keys/${name}`, CryptConfig.create(key))
  }
})

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function readChunk(digest: Digest): Uint8Array {
  return readFileSync(join(store, '.chunks', digest.slice(0, 4), digest))
}

function readSnapshotFile(snapshot: GoldenSnapshot, name: string): Uint8Array {
  return readFileSync(join(store, snapshot.folder, name))
}

/** The key for the data of `snapshot`; signed ones have plain data. */
function cryptOf(snapshot: GoldenSnapshot): CryptConfig | null {
  return snapshot.key === null ? null : (keys.get(snapshot.key) ?? assert.fail(snapshot.key))
}

function decodeIndex(name: string, bytes: Uint8Array): ArchiveIndex {
  return parseArchiveName(name)?.kind === 'fixed'
    ? decodeFixedIndex(bytes)
    : decodeDynamicIndex(bytes)
}

function encodeAgain(index: ArchiveIndex): Uint8Array {
  const identity = { uuid: index.uuid, createdAt: index.createdAt }
  if (index.kind === 'dynamic') {
    const builder = new DynamicIndexBuilder()
    for (const [position, digest] of [...index.digests()].entries()) {
      builder.append(index.endOf(position), digest)
    }
    return builder.encode(identity)
  }
  const builder = new FixedIndexBuilder(index.size)
  for (const [position, digest] of [...index.digests()].entries()) builder.set(position, digest)
  return builder.encode(identity)
}

async function restore(index: ArchiveIndex, crypt: CryptConfig | null): Promise<string> {
  const hash = createHash('sha256')
  for (const [position, digest] of [...index.digests()].entries()) {
    const size = index.sizeOf(position)
    hash.update(await decodeChunk(readChunk(digest), { digest, size, crypt }))
  }
  return hash.digest('hex')
}

suite('chunks of stock', () => {
  test('have the magic and bytes of the list, a right CRC, and decode to their digest', async () => {
    let count = 0
    for (const { name, magic, sha256: expected } of CONTENTS.chunks) {
      const bytes = readFileSync(join(store, '.chunks', name.slice(0, 4), name))
      assert.equal(sha256(bytes), expected)
      assert.equal(bytes.toString('hex', 0, 8), magic)
      if (name.endsWith('.bad')) continue
      const info = checkBlobCrc(bytes)
      const digest = parseDigest(name)
      const plain = await decodeAny(bytes, { digest, encrypted: info.encrypted })
      const again = await encodeBlob(plain, { compress: info.compressed })
      assert.equal(
        checkBlobCrc(again).compressed,
        info.compressed,
        'we compress what stock compressed',
      )
      count += 1
    }
    assert.equal(count, 140)
  })

  async function decodeAny(
    blob: Uint8Array,
    { digest, encrypted }: { digest: Digest; encrypted: boolean },
  ): Promise<Uint8Array> {
    for (const crypt of encrypted ? keys.values() : [null]) {
      try {
        return await decodeChunk(blob, { digest, crypt })
      } catch (error) {
        if (!encrypted) throw error
      }
    }
    return assert.fail(`no key opens ${digest}`)
  }

  test('the damaged one is noticed', async () => {
    const digest = parseDigest(DAMAGED ?? '')
    const bytes = readFileSync(join(store, '.chunks', digest.slice(0, 4), `${digest}.0.bad`))
    await assert.rejects(
      decodeBlob(bytes, { checkCrc: true }).then(async () => await decodeChunk(bytes, { digest })),
    )
  })
})

suite('snapshots of stock', () => {
  for (const snapshot of CONTENTS.snapshots) {
    test(`${snapshot.folder}: ${snapshot.shows}`, async () => {
      checkFolder(snapshot)
      await checkManifest(snapshot)
      for (const file of snapshot.files) await checkFile(snapshot, file)
    })
  }

  test('lists every file of their folders', () => {
    for (const snapshot of CONTENTS.snapshots) {
      const names = snapshot.files.map(({ file }) => file).sort()
      assert.deepEqual(readdirSync(join(store, snapshot.folder)).sort(), names)
    }
  })

  function checkFolder(snapshot: GoldenSnapshot): void {
    const folder = namespaceFolder(parseNamespace(snapshot.ns))
    const name = folder === '' ? snapshot.folder : snapshot.folder.slice(folder.length + 1)
    const ref = parseSnapshot(name)
    assert.equal(ref.time, snapshot.time)
    assert.equal(`${ref.type}/${ref.id}`, snapshot.group)
    assert.equal(formatSnapshot(ref), name)
    const owner = readFileSync(join(store, snapshot.folder, '..', 'owner'), 'utf8')
    assert.equal(`${authIdText(snapshot.owner)}\n`, owner)
  }

  async function checkManifest(snapshot: GoldenSnapshot): Promise<void> {
    const blob = readSnapshotFile(snapshot, 'index.json.blob')
    const manifest = await decodeManifestBlob(blob)
    assert.deepEqual(manifestToJson(manifest), snapshot.manifest)
    const json = Buffer.from(await decodeBlob(blob)).toString()
    assert.equal(Buffer.from(formatManifest(manifest)).toString(), json)
    const crypt = cryptOf(snapshot)
    checkManifestFingerprint(manifest, crypt)
    if (crypt === null) return
    assert.equal(checkManifestSignature(manifest, crypt), true)
    assert.deepEqual(signManifest(manifest, crypt), manifest)
    const other = CryptConfig.create(new Uint8Array(32))
    assert.throws(() => checkManifestSignature(manifest, other), { code: 'MANIFEST_KEY_WRONG' })
    assert.throws(() => checkManifestFingerprint(manifest, null), { code: 'MANIFEST_KEY_MISSING' })
  }

  async function checkFile(snapshot: GoldenSnapshot, file: GoldenFile): Promise<void> {
    const bytes = readSnapshotFile(snapshot, file.file)
    assert.equal(sha256(bytes), file.stored_sha256)
    const kind = parseArchiveName(file.file)?.kind
    if (kind === undefined) return assert.equal(file.file, '.protected')
    if (kind === 'blob') return await checkBlob(snapshot, file, bytes)
    const index = decodeIndex(file.file, bytes)
    // The list leaves out the count of the index whose chunk is missing.
    assert.equal(index.count, file.chunks ?? 1)
    assert.equal(sha256(encodeAgain(index)), file.stored_sha256)
    const csum = Buffer.from(index.computeCsum()).toString('hex')
    assert.equal(Buffer.from(index.headerCsum).toString('hex'), csum)
    await compareWithManifest(snapshot, { filename: file.file, size: index.size, csum })
    if (DAMAGED !== undefined && [...index.digests()].includes(parseDigest(DAMAGED))) return
    assert.equal(await restore(index, cryptOf(snapshot)), file.plain_sha256)
  }

  async function checkBlob(
    snapshot: GoldenSnapshot,
    file: GoldenFile,
    bytes: Uint8Array,
  ): Promise<void> {
    const info = checkBlobCrc(bytes)
    const plain = await decodeBlob(bytes, { crypt: cryptOf(snapshot) })
    if (file.plain_sha256 !== undefined) assert.equal(sha256(plain), file.plain_sha256)
    if (!info.compressed && !info.encrypted) {
      assert.equal(sha256(await encodeBlob(plain, { compress: false })), file.stored_sha256)
    }
    if (file.csum === undefined) return
    await compareWithManifest(snapshot, {
      filename: file.file,
      size: bytes.length,
      csum: sha256(bytes),
    })
  }

  async function compareWithManifest(
    snapshot: GoldenSnapshot,
    actual: Parameters<typeof checkManifestFile>[1],
  ): Promise<void> {
    checkManifestFile(
      await decodeManifestBlob(readSnapshotFile(snapshot, 'index.json.blob')),
      actual,
    )
  }
})

suite('the RSA master key of stock', () => {
  test('opens the key of host/master', async () => {
    const path = join(store, 'host/master/2026-01-01T00:00:00Z/rsa-encrypted.key.blob')
    const block = await decodeBlob(readFileSync(path), { checkCrc: true })
    assert.equal(block.length, 512)
    const passphrase = goldenPassphrase('master-private.pem')
    const config = decryptKeyFromMaster(goldenKeyFile('master-private.pem'), passphrase, block)
    const { key } = await unlockKey(config, async () => await Promise.reject(new Error('asked')))
    const expected = keys.get('keys/master-used.json')
    const actual = CryptConfig.create(key)
    assert.equal(
      formatFingerprint(actual.fingerprint),
      formatFingerprint(expected?.fingerprint ?? new Uint8Array()),
    )
  })
})
