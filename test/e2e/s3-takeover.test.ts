/** The bucket that a stock server wrote (test/fixtures/s3): taken over from Ceph, used, given back. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { suite, test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { cephMissing } from '../support/ceph.ts'
import { fixturePath } from '../support/fixture-files.ts'
import { S3Rig } from '../support/s3-rig.ts'

const STORES = ['fxs3', 'fxs3small']
const BAD =
  'fxs3small/.chunks/0d5d/0d5dc500fc6a55d4035be015d62dc05560b5419d6be153239f327513cb2225dc.0.bad'
const ALL = ['--ignore-verified', 'false']
const TAKE_OVER = ['--reuse-datastore', 'true', '--overwrite-in-use', 'true']

interface FixtureObject {
  readonly key: string
  readonly sha256: string
}

const { objects: fixtureObjects } = JSON.parse(
  readFileSync(fixturePath('s3', 'bucket.json'), 'utf8'),
) as { readonly objects: readonly FixtureObject[] }

suite('a bucket that stock wrote', { skip: cephMissing ?? false }, () => {
  test('is taken over, listed, verified, restored, collected and given back', async (context) => {
    await using rig = await S3Rig.open(context)
    await upload(rig)
    const inUse = await rig.bad(...rig.createWords('fxs3'), '--reuse-datastore', 'true')
    assert.match(inUse, /Bucket already contains datastore in use by host vm/)
    for (const store of STORES) {
      assert.match(await rig.createStore(store, ...TAKE_OVER), /TASK OK\n$/)
    }

    const list = await rig.goodClient('fxs3', 'snapshot', 'list', '--output-format', 'json')
    const snapshots = JSON.parse(list) as { protected: boolean; owner: string }[]
    assert.deepEqual(
      snapshots.map((snapshot) => snapshot.protected),
      [true, false],
    )
    assert.match(await rig.goodClient('fxs3', 'namespace', 'list'), /\ba\b/)
    const small = await rig.goodClient('fxs3small', 'list', '--output-format', 'json')
    assert.equal((JSON.parse(small) as object[]).length, 2)

    assert.match(await rig.good('datastore', 'verify', 'fxs3', ...ALL), /TASK OK\n$/)
    // The chunk of `throw-away` is damaged, and known to be.
    assert.match(
      await rig.bad('datastore', 'verify', 'fxs3small', ...ALL),
      /host\/throw-away\/2026-01-01/,
    )

    const restored = join(rig.folder, 'restored')
    for (const store of STORES) {
      const target = `${restored}-${store}`
      const snapshot = 'host/one/2026-01-01T00:00:00Z'
      await rig.goodClient(store, 'restore', snapshot, 'root.pxar', target)
      assert.ok(readdirSync(target).length > 0)
    }

    // Stock's own collection stops at the `.bad` file for good.
    await rig.good('datastore', 'update', 'fxs3small', '--tuning', 'gc-grace=0')
    const collected = await rig.good('datastore', 'gc', 'fxs3small')
    assert.match(
      collected,
      /\nwarning: unable to access non-existent chunk 0d5d[^]*TASK WARNINGS: 1\n$/,
    )
    assert.ok((await rig.keys()).includes(BAD), 'as long as a snapshot names its chunk')
    await rig.goodClient('fxs3small', 'group', 'forget', 'host/throw-away')
    assert.match(await rig.good('datastore', 'gc', 'fxs3small'), /TASK OK\n$/)

    for (const store of STORES) await rig.good('datastore', 'remove', store)
    await checkGivenBack(rig)
  })
})

/** All that stock has written is there, byte for byte, but for what was removed and who is in it. */
async function checkGivenBack(rig: S3Rig): Promise<void> {
  const isGone = ({ key }: FixtureObject): boolean =>
    key.endsWith('/.in-use') || key.startsWith('fxs3small/.cnt/host/throw-away/') || key === BAD
  const expected = fixtureObjects.filter((object) => !isGone(object))
  assert.deepEqual(
    await rig.keys(),
    expected.map(({ key }) => key),
  )
  for (const { key, sha256 } of expected) {
    // Verification notes its result in the manifest.
    if (key.endsWith('/index.json.blob')) continue
    const found = await rig.objects.get(key)
    const digest = createHash('sha256')
      .update(found?.body ?? '')
      .digest('hex')
    assert.equal(digest, sha256, key)
  }
  for (const store of STORES) {
    const folders = readdirSync(join(rig.folder, store, '.chunks'))
    assert.equal(folders.length, 65_536)
    assert.deepEqual(readdirSync(join(rig.folder, store, '.chunks', folders[0] ?? '')), [])
  }
}

async function upload(rig: S3Rig): Promise<void> {
  const folder = join(rig.folder, 'fixture')
  mkdirSync(folder)
  const input = zstdDecompressSync(readFileSync(fixturePath('s3', 'objects.tar.zst')))
  const { status, stderr } = spawnSync('tar', ['-x', '-f', '-', '-C', folder], { input })
  assert.equal(status, 0, stderr.toString())
  for (const { key } of fixtureObjects) {
    const body = readFileSync(join(folder, key))
    await rig.objects.put(key, body, { condition: { kind: 'always' } })
  }
}
