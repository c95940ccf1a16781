/** What a collection of a bucket starts from, and what it makes of the ledger (races.md ). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { isVerifyFailed, readManifest } from '../../src/datastore/manifest-store.ts'
import { ROOT_NAMESPACE as ROOT } from '../../src/formats/namespace.ts'
import { forget, gc } from '../support/collection.ts'
import { backUp, makeChunk, STORE } from '../support/test-store.ts'
import {
  assertSound,
  deletesOf,
  hasObject,
  isKnown,
  keyOf,
  makeBucketRig,
  makeGarbage,
  mirror,
  SOME_TIME_MS,
  timeText,
} from './bucket-rig.ts'
import { ARCHIVE, assertRestores, DAY_1, DAY_2, DAY_3, refAt } from './rig.ts'

suite('ledger and bucket', () => {
  test('R-30, R-32: a chunk that is gone is reported, its snapshot fails, and the next backup brings it', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, memory, objects } = rig
    await backUp(store, DAY_1, ['d', 'e'])
    await memory.delete([await keyOf('d')])
    const lines: string[] = []
    await gc(store, { lines })
    assert.ok(lines.some((line) => line.startsWith('warning: unable to access non-existent chunk')))
    assert.ok(isVerifyFailed((await readManifest(store, ROOT, refAt(DAY_1))).manifest))
    const { digest } = await makeChunk('d')
    assert.deepEqual(await store.core.missing.list(), [digest])
    assert.equal(await isKnown(rig, 'd'), false)
    objects.requests.length = 0
    await backUp(store, DAY_2, ['d', 'e'])
    const puts = objects.requests.filter(({ operation }) => operation === 'put')
    assert.ok(puts.some(({ keys }) => keys[0]?.endsWith(digest)))
    await assertRestores(store, DAY_2)
  })

  test('R-65: a chunk that was uploaded after its page was listed is not taken for missing', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects } = rig
    await backUp(store, DAY_1, ['base'])
    const listed = objects.holdAnswer('list', `${STORE}/.chunks/`)
    const lines: string[] = []
    const collected = gc(store, { lines })
    await listed.arrived
    await backUp(store, DAY_2, ['young'])
    listed.release()
    await collected
    assert.deepEqual(
      lines.filter((line) => line.startsWith('WARN: unable')),
      [],
    )
    await assertRestores(store, DAY_2)
    await assertSound(rig)
  })

  test('R-65: what was deleted after its page was listed does not come back into the ledger', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects, ledger } = rig
    await backUp(store, DAY_1, ['d'])
    const { digest } = await makeChunk('d')
    ledger.drop(digest)
    const listed = objects.holdAnswer('list', `${STORE}/.chunks/`)
    const collected = gc(store)
    await listed.arrived
    assert.notEqual(
      await store.chunks.markBad(digest, async () => await Promise.resolve(true)),
      null,
    )
    listed.release()
    await collected
    assert.equal(await isKnown(rig, 'd'), false)
    await assertSound(rig)
  })

  test('an object that the ledger lost is learned from the list', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['d'])
    await rig.ledger.clear()
    await gc(rig.store)
    assert.ok(await isKnown(rig, 'd'))
    await assertSound(rig)
  })
})

suite('roots of a bucket', () => {
  test('R-59: an index that only the bucket has keeps its chunks', async (context) => {
    const rig = await makeBucketRig(context)
    const { store } = rig
    await backUp(store, DAY_1, ['base'])
    await backUp(store, DAY_2, ['d'])
    await mirror(rig)
    await rm(`${store.path}/host/web1/${timeText(DAY_2)}`, { recursive: true })
    rig.clock.skip(SOME_TIME_MS)
    const lines: string[] = []
    const status = await gc(store, { lines })
    assert.equal(status['removed-chunks'], 0)
    assert.ok(await hasObject(rig, 'd'))
    assert.ok(lines.some((line) => line.startsWith('WARN: 1 index files of the bucket are not')))
  })

  test('R-59: an index that is another one in the bucket keeps its chunks, too', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, memory } = rig
    await backUp(store, DAY_1, ['base'])
    await backUp(store, DAY_2, ['one'])
    await mirror(rig)
    const path = `host/web1/${timeText(DAY_2)}/${ARCHIVE}`
    const theirs = readFileSync(`${store.path}/${path}`)
    await forget(store, DAY_2)
    await backUp(store, DAY_2, ['two'])
    await mirror(rig)
    memory.plant(`${STORE}/.cnt/${path}`, theirs)
    rig.clock.skip(SOME_TIME_MS)
    // Remembered by the first run, and still another one in the second.
    for (let run = 0; run < 2; run += 1) {
      const status = await gc(store)
      assert.equal(status['removed-chunks'], 0)
      for (const text of ['one', 'two']) assert.ok(await hasObject(rig, text))
    }
  })

  test('R-59: what only the local tree has stays a root, and is reported', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, memory } = rig
    await backUp(store, DAY_1, ['d'])
    await memory.delete(memory.keys.filter((key) => key.includes('/.cnt/')))
    rig.clock.skip(SOME_TIME_MS)
    const lines: string[] = []
    await gc(store, { lines })
    assert.ok(await hasObject(rig, 'd'))
    assert.ok(lines.some((line) => line.startsWith('WARN: 1 index files are not in the bucket')))
  })

  test('R-59: an index of the bucket that cannot be understood ends the run with nothing deleted', async (context) => {
    const rig = await makeBucketRig(context)
    await makeGarbage(rig)
    rig.memory.plant(`${STORE}/.cnt/host/web1/${timeText(DAY_3)}/${ARCHIVE}`, Buffer.from('?'))
    await assert.rejects(gc(rig.store), { code: 'COLLECTION_MARK_FAILED' })
    assert.deepEqual(deletesOf(rig), [])
  })

  test('R-39, R-59: a bucket that somebody else took is not collected', async (context) => {
    const rig = await makeBucketRig(context)
    await makeGarbage(rig)
    rig.clock.skip(SOME_TIME_MS)
    rig.memory.plant(`${STORE}/.in-use`, Buffer.from('{"hostname":"there"}'))
    await assert.rejects(gc(rig.store), { code: 'COLLECTION_UNSAFE' })
    assert.deepEqual(deletesOf(rig), [])
    await assertSound(rig)
  })

  test('R-39, R-59: nor one that is taken while it is marked', async (context) => {
    const rig = await makeBucketRig(context)
    await makeGarbage(rig)
    rig.clock.skip(SOME_TIME_MS)
    const listed = rig.objects.hold('list', `${STORE}/.chunks/`)
    const collected = gc(rig.store)
    await listed.arrived
    rig.memory.plant(`${STORE}/.in-use`, Buffer.from('{"hostname":"there"}'))
    listed.release()
    await assert.rejects(collected)
    assert.deepEqual(deletesOf(rig), [])
    await assertSound(rig)
  })

  test('R-59: an old ledger is found out before anything is deleted', async (context) => {
    const rig = await makeBucketRig(context)
    await makeGarbage(rig)
    const ledger = rig.memoryLedger
    assert.ok(ledger !== null)
    const old = ledger.snapshot()
    await gc(rig.store)
    rig.objects.requests.length = 0
    ledger.restore(old)
    await assert.rejects(gc(rig.store), { code: 'COLLECTION_UNSAFE' })
    assert.deepEqual(deletesOf(rig), [])
  })

  test('R-40: a refresh that did not end keeps collections away', async (context) => {
    const maintenance = { type: 's3-refresh', message: '' } as const
    const rig = await makeBucketRig(context)
    await makeGarbage(rig)
    const store = { ...rig.store, settings: { ...rig.store.settings, maintenance } }
    await assert.rejects(gc(store), { code: 'COLLECTION_UNSAFE' })
    assert.deepEqual(deletesOf(rig), [])
  })
})
