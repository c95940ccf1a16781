/** The datastore that stock 4.2.3 wrote: opened, listed, verified, restored, given back unchanged. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentLog } from '../../src/base/log.ts'
import { silentProgress } from '../../src/base/progress.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { CryptConfig } from '../../src/crypto/crypt-config.ts'
import { parseKeyConfig, unlockKey } from '../../src/crypto/key-config.ts'
import { openArchive } from '../../src/datastore/archive-reader.ts'
import { createDatastore } from '../../src/datastore/create.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { listGroups, readGroupNotes, readOwner } from '../../src/datastore/groups.ts'
import { readManifest } from '../../src/datastore/manifest-store.ts'
import { listNamespaces } from '../../src/datastore/namespaces.ts'
import { DatastoreRegistry } from '../../src/datastore/registry.ts'
import { beginRead } from '../../src/datastore/sessions/begin-read.ts'
import { defaultSettings } from '../../src/datastore/settings.ts'
import { openSnapshotFile } from '../../src/datastore/snapshot-files.ts'
import { listSnapshots } from '../../src/datastore/snapshots.ts'
import { verifySnapshot } from '../../src/datastore/verify/verify-snapshot.ts'
import { decodeBlob } from '../../src/formats/data-blob.ts'
import { manifestToJson } from '../../src/formats/manifest.ts'
import {
  formatGroup,
  parseSnapshot,
  parseGroup,
  type SnapshotRef,
} from '../../src/formats/names.ts'
import { type NamespacePath, parseNamespace } from '../../src/formats/namespace.ts'
import {
  goldenContents,
  goldenKeyFile,
  goldenPassphrase,
  type GoldenSnapshot,
  openGoldenStore,
} from '../support/golden-datastore.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const CONTENTS = goldenContents()
const UPID = 'UPID:vm:00000001:00000001:00000001:6B016C27:verify:fxgold:root@pam:'

async function openStore(context: TestContext, options: { fresh?: boolean } = {}) {
  const shared = await openGoldenStore()
  const folder = await makeTemporaryFolder(context)
  const path = options.fresh === true ? `${folder}/fxgold` : shared
  if (options.fresh === true) cpSync(shared, path, { recursive: true, preserveTimestamps: true })
  const registry = new DatastoreRegistry({
    fs: nodeFileSystem,
    clock: systemClock,
    log: silentLog,
    paths: { state: `${folder}/state`, locks: `${folder}/locks` },
    settingsOf: async () => defaultSettings(path),
  })
  context.after(async () => await registry.close())
  return { registry, store: await registry.lookup('fxgold', 'read') }
}

function placeOf(snapshot: GoldenSnapshot): { ns: NamespacePath; ref: SnapshotRef } {
  const { type, id } = parseGroup(snapshot.group)
  return { ns: parseNamespace(snapshot.ns), ref: { type, id, time: snapshot.time } }
}

async function cryptOf(key: string | null): Promise<CryptConfig | null> {
  if (key === null) return null
  const config = parseKeyConfig(goldenKeyFile(key))
  const unlocked = await unlockKey(config, async () => goldenPassphrase(key) ?? new Uint8Array())
  return CryptConfig.create(unlocked.key)
}

suite('stock datastore', () => {
  test('namespaces, groups, owners and snapshots are listed as stock lists them', async (context) => {
    const { store } = await openStore(context)
    assert.deepEqual(await listNamespaces(store), ['', 'a', 'a/b', 'empty'])
    const found: Record<string, unknown>[] = []
    for (const ns of await listNamespaces(store)) {
      for (const group of await listGroups(store, ns)) {
        const owner = await readOwner(store, ns, group)
        for (const one of await listSnapshots(store, ns, group)) {
          const { manifest, blobSize } = await readManifest(store, ns, one.ref)
          const sizes = new Map(manifest.files.map((file) => [file.filename, file.size]))
          sizes.set('index.json.blob', blobSize)
          found.push({
            ns,
            group: formatGroup(group),
            time: one.ref.time,
            owner,
            protected: one.protected,
            files: one.files.map((name) => [name, sizes.get(name)]),
          })
        }
      }
    }
    const expected = CONTENTS.snapshots.map((snapshot) => ({
      ns: snapshot.ns,
      group: snapshot.group,
      time: snapshot.time,
      owner: snapshot.owner,
      protected: snapshot.listed['protected'],
      files: (snapshot.listed['files'] as { filename: string; size?: number }[])
        .map(({ filename, size }) => [filename, size])
        .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    }))
    const byPlace = (a: Record<string, unknown>, b: Record<string, unknown>): number => {
      const key = (one: Record<string, unknown>): string =>
        JSON.stringify([one['ns'], one['group'], one['time']])
      return key(a) < key(b) ? -1 : 1
    }
    assert.deepEqual(found.toSorted(byPlace), expected.toSorted(byPlace))
    assert.ok(found.length >= 20)
  })

  test('notes and manifests read as recorded', async (context) => {
    const { store } = await openStore(context)
    for (const snapshot of CONTENTS.snapshots) {
      const { ns, ref } = placeOf(snapshot)
      const { manifest } = await readManifest(store, ns, ref)
      assert.deepEqual(manifestToJson(manifest), snapshot.manifest, snapshot.folder)
    }
    const group = parseGroup('vm/100')
    assert.notEqual(await readGroupNotes(store, parseNamespace('a'), group), '')
  })

  test('every archive restores to its recorded content', async (context) => {
    const { store } = await openStore(context)
    let count = 0
    for (const snapshot of CONTENTS.snapshots) {
      if (snapshot.group === 'host/throw-away') continue
      const { ns, ref } = placeOf(snapshot)
      const crypt = await cryptOf(snapshot.key)
      for (const file of snapshot.files) {
        if (file.plain_sha256 === undefined) continue
        const plain = file.file.endsWith('.blob')
          ? await readBlob(store, ns, ref, { name: file.file, crypt })
          : await hashArchive(store, ns, ref, { name: file.file, crypt })
        assert.deepEqual(
          plain,
          [file.plain_size, file.plain_sha256],
          `${snapshot.folder}/${file.file}`,
        )
        count += 1
      }
    }
    assert.ok(count >= 60, `${count} files`)
  })

  test('verification finds the damaged snapshot and no other', async (context) => {
    const { store } = await openStore(context, { fresh: true })
    const failed: string[] = []
    const lines: string[] = []
    for (const snapshot of CONTENTS.snapshots) {
      const { ns, ref } = placeOf(snapshot)
      const progress = { ...silentProgress(), log: (line: string) => void lines.push(line) }
      const { ok } = await verifySnapshot(store, ns, ref, { progress, upid: UPID })
      if (!ok) failed.push(snapshot.folder)
      const { manifest } = await readManifest(store, ns, ref)
      const state = { state: ok ? 'ok' : 'failed', upid: UPID }
      assert.deepEqual(manifest.unprotected['verify_state'], state)
    }
    const damaged = parseSnapshot('host/throw-away/2026-01-02T00:00:00Z')
    assert.deepEqual(failed, ['host/throw-away/2026-01-02T00:00:00Z'], String(damaged.time))
    const start = lines.indexOf('verify fxgold:host/throw-away/2026-01-02T00:00:00Z')
    const [check, load, speed, end] = lines.slice(start + 1)
    assert.equal(check, '  check victim.img.fidx')
    assert.match(
      load ?? '',
      /^can't verify chunk, load failed - store 'fxgold', unable to load chunk '0d5d/,
    )
    assert.match(
      speed ?? '',
      /^ {2}verified \d+\.\d\d\/\d+\.\d\d MiB in \d+\.\d\d seconds, speed \d+\.\d\d\/\d+\.\d\d MiB\/s \(1 errors\)$/,
    )
    assert.equal(
      end,
      'verify fxgold:host/throw-away/2026-01-02T00:00:00Z/victim.img.fidx failed: chunks could not be verified',
    )
  })

  test('a reader session hands out what it opened and nothing else', async (context) => {
    const { store } = await openStore(context)
    const snapshot = CONTENTS.snapshots.find((one) => one.group === 'vm/100' && one.ns === '')!
    await using reader = await beginRead(store, { ...placeOf(snapshot), checkOwner: null })
    const image = snapshot.files.find((file) => file.file.endsWith('.fidx'))!
    const { index } = await openArchive(store, reader.ns, reader.ref, image.file)
    assert.equal(reader.isAllowed(index.digestAt(0)), false)
    const file = await reader.openFile(image.file)
    const hash = createHash('sha256')
    for await (const piece of file.stream()) hash.update(piece)
    assert.equal(hash.digest('hex'), image.stored_sha256)
    const recorded = new Map(CONTENTS.chunks.map((chunk) => [chunk.name, chunk.sha256]))
    for (const digest of index.digests()) {
      assert.ok(reader.isAllowed(digest))
      const { bytes: blob } = await reader.readChunk(digest)
      assert.equal(createHash('sha256').update(blob).digest('hex'), recorded.get(digest))
    }
    await assert.rejects(reader.openFile('x.txt'), { message: 'unknown archive type: "x.txt"' })
    await assert.rejects(reader.openFile('x.blob'), { code: 'FILE_MISSING' })
  })

  test('is taken over as it is: modes are those that stock demands', async (context) => {
    await openStore(context)
    const path = await openGoldenStore()
    const progress = silentProgress()
    const options = { name: 'fxgold', path, reuse: true, progress, chunkFolders: false }
    await createDatastore(nodeFileSystem, options)
    await assert.rejects(createDatastore(nodeFileSystem, { ...options, reuse: false }), {
      message: 'datastore path not empty',
    })
  })
})

interface ReadOptions {
  readonly name: string
  readonly crypt: CryptConfig | null
}

async function readBlob(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: ReadOptions,
) {
  const file = await openSnapshotFile(store, ns, ref, options.name)
  const pieces: Uint8Array[] = []
  for await (const piece of file.stream()) pieces.push(piece)
  const plain = await decodeBlob(Buffer.concat(pieces), { crypt: options.crypt, checkCrc: true })
  return [plain.length, createHash('sha256').update(plain).digest('hex')]
}

async function hashArchive(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: ReadOptions,
) {
  const { crypt } = options
  const archive = await openArchive(store, ns, ref, options.name, { crypt })
  const hash = createHash('sha256')
  let size = 0
  for await (const piece of archive.stream()) {
    hash.update(piece)
    size += piece.length
  }
  return [size, hash.digest('hex')]
}
