/** A reload of a server with a datastore in a bucket: two processes share ledger, cache and hold (races.md ). */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { cephMissing } from '../support/ceph.ts'
import { S3Rig } from '../support/s3-rig.ts'

const STORE = 'store1'
const DAY = 86_400

suite('reload with a bucket', { skip: cephMissing ?? false }, () => {
  test('a backup goes on, the next process knows what it sent, and collects', async (context) => {
    await using rig = await S3Rig.open(context)
    await rig.createStore(STORE)
    const image = join(rig.folder, 'image')
    const restored = join(rig.folder, 'restored')
    const pidOf = (): number => Number(readFileSync(join(rig.data.paths.run, 'proxy.pid'), 'utf8'))
    const backUp = async (day: number): Promise<void> => {
      const time = String(1_767_225_600 + day * DAY)
      const words = ['backup', `disk.img:${image}`, '--backup-id', 'web1', '--backup-time', time]
      await rig.goodClient(STORE, ...words)
    }
    writeFileSync(image, randomBytes(48 << 20))
    const first = pidOf()
    const running = backUp(0)
    await rig.server.waitFor(/./)
    await rig.good('reload')
    assert.notEqual(pidOf(), first)
    await running
    const before = await rig.usage(STORE)
    await backUp(1)
    const after = await rig.usage(STORE)
    // Index and manifest; no chunk, although another process sent them.
    assert.ok(after.requests.put - before.requests.put <= 4, JSON.stringify([before, after]))
    await rig.good('datastore', 'gc', STORE)
    await rig.goodClient(STORE, 'restore', 'host/web1/2026-01-02T00:00:00Z', 'disk.img', restored)
    assert.ok(readFileSync(image).equals(readFileSync(restored)))
    process.kill(pidOf(), 'SIGTERM')
    assert.equal(await rig.server.end('SIGCONT'), 0)
  })
})
