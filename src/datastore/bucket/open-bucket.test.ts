/** A datastore in a bucket: what is opened once, what survives a change, what a start makes of an end. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { type BucketStore, makeBucketStore } from '../../../test/support/bucket-store.ts'
import { AwayBucket } from '../../../test/support/away-bucket.ts'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import {
  backUp,
  begin,
  finish,
  STORE,
  writeArchive,
  writeManifest,
} from '../../../test/support/test-store.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { silentLog } from '../../base/log.ts'
import { silentProgress } from '../../base/progress.ts'
import { systemClock } from '../../base/time/clock.ts'
import { parseGroup } from '../../formats/names.ts'
import { ROOT_NAMESPACE } from '../../formats/namespace.ts'
import { MemoryLedger } from '../../storage/bucket-chunks/memory-ledger.ts'
import type { ObjectStore } from '../../storage/object-store.ts'
import { createDatastore } from '../create.ts'
import { DatastoreRegistry } from '../registry.ts'
import { defaultSettings } from '../settings.ts'
import { listSnapshots } from '../snapshots.ts'
import { refreshStore } from './refresh.ts'

const GROUP = parseGroup('host/web1')
const DAY_1 = 1_767_225_600
const DAY_2 = DAY_1 + 86_400
const S3 = { kind: 's3', endpointId: 'here', bucket: 'b', maxCacheBytes: null } as const

suite('R-66: one bucket, one core', () => {
  test('a change of the configuration keeps gate, sessions and ledger', async (context) => {
    const { registry, store, change } = await makeBucketStore(context)
    const writer = await begin(store, DAY_1)
    change({ verifyNew: true, backend: { ...S3, maxCacheBytes: 1 << 20 } })
    const again = await registry.lookup(STORE, 'write')
    assert.notEqual(again, store)
    assert.equal(again.core, store.core)
    assert.equal(again.bucket, store.bucket)
    await writer.abort()
  })

  test('another folder for a bucket that is in use is refused', async (context) => {
    const { registry, store, change, folder } = await makeBucketStore(context)
    const writer = await begin(store, DAY_1)
    const path = `${folder}/other`
    const progress = silentProgress()
    await createDatastore(nodeFileSystem, { name: STORE, path, progress, chunkFolders: false })
    change({ path })
    await assert.rejects(registry.lookup(STORE, 'write'), {
      code: 'DATASTORE_OPEN_FAILED',
      message: /memory\/bucket\/store1 is open with another folder/,
    })
    await writer.abort()
    const moved = await registry.lookup(STORE, 'write')
    assert.equal(moved.path, path)
    assert.equal(moved.bucket?.isStale, true, 'nobody knows the tree of this folder')
  })

  test('another bucket, or none, for a folder that is in use is refused', async (context) => {
    const { registry, store, change } = await makeBucketStore(context)
    const writer = await begin(store, DAY_1)
    const backends = [{ ...S3, bucket: 'other' }, { kind: 'filesystem' } as const]
    for (const backend of backends) {
      change({ backend })
      await assert.rejects(registry.lookup(STORE, 'write'), {
        message: /it is open with another backend/,
      })
    }
    await writer.abort()
    assert.equal((await registry.lookup(STORE, 'write')).bucket, null)
  })

  test('a second name for the folder is refused: its objects would go astray', async (context) => {
    const { store, objects, bucket, folder } = await makeBucketStore(context)
    const { verdict } = bucket
    const registry = new DatastoreRegistry({
      fs: nodeFileSystem,
      clock: systemClock,
      log: silentLog,
      paths: { state: `${folder}/state`, locks: `${folder}/locks` },
      settingsOf: async () => ({ ...defaultSettings(store.path), backend: S3 }),
      openObjects: async () => ({ objects, verdict }),
      openLedger: async () => new MemoryLedger(),
    })
    context.after(async () => await registry.close())
    await assert.rejects(registry.lookup('another', 'write'), {
      message: /it is open with another backend/,
    })
  })

  test('a bucket that does not answer is waited for no longer than 15 s', async (context) => {
    const { registry, folder, memory, ledger, store } = await makeBucketStore(context)
    await backUp(store, DAY_1, ['one'])
    await registry.close()
    const clock = new FakeClock()
    const bucket = new AwayBucket()
    bucket.away = 'silent'
    const wrap = (objects: ObjectStore): ObjectStore => bucket.wrap(objects)
    assert.ok(ledger !== null)
    const opening = makeBucketStore(context, { folder, memory, ledger, clock, wrap })
    await clock.untilSleeping()
    await clock.advance(15_000)
    const next = await opening
    assert.equal(bucket.asked.length, 2, 'the holder and the mark')
    assert.equal((await listSnapshots(next.store, ROOT_NAMESPACE, GROUP)).length, 1)
    await next.registry.close()
  })

  test('closed, it can be opened again', async (context) => {
    const { registry, store } = await makeBucketStore(context)
    await registry.close()
    const again = await registry.lookup(STORE, 'write')
    assert.notEqual(again.core, store.core)
    await backUp(again, DAY_1, ['one'])
  })

  test('with the ledger in its file', async (context) => {
    const rig = await makeBucketStore(context, { ledger: null })
    await backUp(rig.store, DAY_1, ['one', 'two'])
    await rig.bucket.holder.raise()
    await rig.registry.close()
    const { folder, memory } = rig
    const next = await makeBucketStore(context, { folder, memory, ledger: null })
    assert.equal(next.bucket.isStale, false)
    assert.equal(next.bucket.ledger.count, 2)
    await next.registry.close()
    rmSync(`${folder}/state/datastores/${STORE}/ledger.sqlite`)
    const lost = await makeBucketStore(context, { folder, memory, ledger: null })
    await lost.bucket.endRebuild('wait')
    assert.equal(lost.bucket.isStale, false)
    assert.equal(lost.bucket.ledger.count, 2)
    assert.equal(existsSync(`${folder}/state/datastores/${STORE}/bucket-rebuilding`), false)
  })
})

suite('a start after a crash', () => {
  test('what is finished in the bucket and not here is finished', async (context) => {
    const rig = await makeBucketStore(context)
    const writer = await begin(rig.store, DAY_1)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    const hold = rig.objects.holdAnswer('put', /index\.json\.blob$/)
    const finishing = finish(writer)
    await hold.arrived
    const restore = await saveDisk(context, rig)
    hold.release()
    await finishing
    const next = await restore()
    const listed = await listSnapshots(next.store, ROOT_NAMESPACE, GROUP)
    assert.deepEqual(
      listed.map(({ ref, finished, files }) => [ref.time, finished, files]),
      [[DAY_1, true, ['index.json.blob', 'root.pxar.didx']]],
    )
  })

  test('an old copy of the disk does not take what was finished later for unfinished', async (context) => {
    const rig = await makeBucketStore(context)
    const writer = await begin(rig.store, DAY_1)
    const restore = await saveDisk(context, rig)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    await finish(writer)
    const { memory } = rig
    const keys = [...memory.keys]
    const sameGeneration = await restore()
    const listed = await listSnapshots(sameGeneration.store, ROOT_NAMESPACE, GROUP)
    assert.deepEqual(
      listed.map(({ finished }) => finished),
      [true],
    )
    assert.deepEqual(memory.keys, keys)
  })

  test('nor one that is too old to be trusted at all', async (context) => {
    const rig = await makeBucketStore(context)
    const writer = await begin(rig.store, DAY_1)
    const restore = await saveDisk(context, rig)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    await finish(writer)
    await rig.bucket.holder.raise()
    const { memory } = rig
    const keys = [...memory.keys]
    const next = await restore()
    assert.equal(next.bucket.isStale, true)
    assert.deepEqual(memory.keys, keys)
    const progress = silentProgress()
    await refreshStore(next.store, { progress, takesOver: false, hostname: 'vm' })
    const listed = await listSnapshots(next.store, ROOT_NAMESPACE, GROUP)
    assert.deepEqual(
      listed.map(({ finished }) => finished),
      [true],
    )
    await backUp(next.store, DAY_2, ['one', 'two'])
  })

  test('a session that failed at its very end is not finished by it', async (context) => {
    const rig = await makeBucketStore(context)
    const writer = await begin(rig.store, DAY_1)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    await writeManifest(writer)
    const hold = rig.objects.holdAnswer('put', /index\.json\.blob$/)
    const finishing = writer.finish({ count: 0, size: 0, compressed_size: 0, duplicates: 0 })
    await hold.arrived
    writer.fail(new Error('a chunk is corrupt'))
    rig.objects.fail('delete', /index\.json\.blob$/)
    rig.objects.fail('list', /2026-01-01/)
    hold.release()
    await assert.rejects(finishing, /a chunk is corrupt/)
    await assert.rejects(writer.abort())
    rig.objects.assertDone()
    await rig.registry.close()
    const { folder, memory, ledger } = rig
    const next = await makeBucketStore(context, { folder, memory, ledger })
    assert.deepEqual(await listSnapshots(next.store, ROOT_NAMESPACE, GROUP), [])
    assert.ok(!memory.keys.some((key) => key.endsWith('/index.json.blob')))
  })
})

/** Keeps disk and ledger as they are now; the result puts them back in place of what came after, and starts again. */
async function saveDisk(
  context: TestContext,
  rig: BucketStore,
): Promise<() => Promise<BucketStore>> {
  const copy = await makeTemporaryFolder(context)
  cpSync(rig.folder, copy, { recursive: true })
  const ledger = new MemoryLedger(rig.ledger?.snapshot())
  return async () => {
    await rig.registry.close()
    const { folder, memory } = rig
    rmSync(`${folder}/state`, { recursive: true })
    // These two are what tells the store from others: an image of a disk has them as they were.
    for (const name of readdirSync(`${folder}/store`)) {
      if (name !== '.lock' && name !== '.chunks')
        rmSync(`${folder}/store/${name}`, { recursive: true })
    }
    cpSync(copy, folder, { recursive: true })
    return await makeBucketStore(context, { folder, memory, ledger })
  }
}
