/** The life of a datastore in a bucket of a real Ceph, by the programs as processes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { cephMissing } from '../support/ceph.ts'
import { ENDPOINT, S3Rig } from '../support/s3-rig.ts'

const STORE = 'store1'
const [FIRST, SECOND] = ['1767225600', '1767312000']

suite('a datastore in a bucket', { skip: cephMissing ?? false }, () => {
  test('is made, filled, checked, restored, pruned, collected and refreshed', async (context) => {
    await using rig = await S3Rig.open(context)
    assert.equal(await rig.good('s3', 'check', ENDPOINT, rig.bucket), '')
    const buckets = await rig.good('s3', 'endpoint', 'list-buckets', ENDPOINT)
    assert.match(buckets, /^Result: \[\n {2}\{\n {4}"name": "/)
    assert.ok(buckets.includes(`"name": "${rig.bucket}"`))
    const made = await rig.createStore(STORE)
    assert.match(made, /TASK OK\n$/)
    const image = join(rig.folder, 'image')
    const content = randomBytes(9 << 20)
    writeFileSync(image, content)
    const backUp = async (time: string): Promise<void> => {
      const options = ['--backup-id', 'web1', '--backup-time', time]
      await rig.goodClient(STORE, 'backup', `disk.img:${image}`, ...options)
    }
    await backUp(FIRST)
    const first = await rig.usage(STORE)
    assert.equal(first.chunks.objects, 3)
    assert.ok(first.requests.uploaded > content.length)
    // What is unchanged costs no request for any chunk: index, blob, owner, manifest only.
    await backUp(SECOND)
    const second = await rig.usage(STORE)
    assert.equal(second.chunks.objects, 3)
    assert.ok(second.requests.uploaded - first.requests.uploaded < 20_000)
    assert.ok(second.requests.put - first.requests.put <= 4, JSON.stringify([first, second]))
    const shown = await rig.good('s3', 'usage', STORE, '--output-format', 'json')
    assert.deepEqual(JSON.parse(shown), await rig.usage(STORE))
    assert.match(
      await rig.good('s3', 'ls', STORE, '.cnt/host/'),
      / folder {2}\.cnt\/host\/web1\/\n$/,
    )
    const keys = await rig.keys()
    assert.equal(keys.filter((key) => key.startsWith(`${STORE}/.chunks/`)).length, 3)
    assert.ok(keys.includes(`${STORE}/.cnt/host/web1/2026-01-01T00:00:00Z/index.json.blob`))

    const restored = join(rig.folder, 'restored')
    await rig.goodClient(STORE, 'restore', 'host/web1/2026-01-01T00:00:00Z', 'disk.img', restored)
    assert.ok(content.equals(readFileSync(restored)))
    assert.match(await rig.good('datastore', 'verify', STORE), /TASK OK\n$/)

    await rig.goodClient(STORE, 'snapshot', 'forget', 'host/web1/2026-01-02T00:00:00Z')
    await rig.good('datastore', 'update', STORE, '--tuning', 'gc-grace=0')
    const none = await rig.good('datastore', 'gc', STORE)
    assert.match(none, /TASK OK\n$/)
    assert.equal((await rig.usage(STORE)).chunks.objects, 3)
    const refreshed = await rig.good('datastore', 's3-refresh', STORE)
    assert.match(refreshed, /TASK OK\n$/)
    assert.match(await rig.goodClient(STORE, 'snapshot', 'list'), /2026-01-01T00:00:00Z/)

    await rig.goodClient(STORE, 'snapshot', 'forget', 'host/web1/2026-01-01T00:00:00Z')
    await rig.good('datastore', 'gc', STORE)
    const left = await rig.keys()
    assert.deepEqual(
      left.filter((key) => key.startsWith(`${STORE}/.chunks/`)),
      [],
    )
    await rig.good('datastore', 'remove', STORE, '--destroy-data')
    assert.deepEqual(await rig.keys(), [])
  })
})
