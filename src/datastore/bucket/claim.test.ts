import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { suite, test } from 'node:test'
import { HOST, makeBucketStore } from '../../../test/support/bucket-store.ts'
import { STORE } from '../../../test/support/test-store.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { MemoryLedger } from '../../storage/bucket-chunks/memory-ledger.ts'
import { formatInUse } from './holder-object.ts'

suite('claimBucket()', () => {
  test("writes stock's marker and our holder, and the store opens as ours", async (context) => {
    const { memory, bucket, ledger } = await makeBucketStore(context)
    assert.deepEqual(memory.keys, [`${STORE}/.cairn-holder`, `${STORE}/.in-use`])
    const marker = await memory.get(`${STORE}/.in-use`)
    assert.equal(Buffer.from(marker?.body ?? []).toString(), `{"hostname":"${HOST}"}`)
    assert.equal(bucket.holder.doubt, null)
    assert.equal(ledger?.holder?.generation, 1)
  })

  test('a second server is refused with the name of the first', async (context) => {
    const { memory } = await makeBucketStore(context)
    await assert.rejects(makeBucketStore(context, { memory }), {
      code: 'DATASTORE_CREATE_FAILED',
      message: `Bucket already contains datastore in use by host ${HOST}`,
    })
  })

  test('a marker that names nobody is refused, too', async (context) => {
    const { memory } = await makeBucketStore(context)
    memory.plant(`${STORE}/.in-use`, Buffer.from('?'))
    await assert.rejects(makeBucketStore(context, { memory }), {
      message: 'Bucket already contains datastore in use',
    })
  })

  test('a store without conditions is asked before', async (context) => {
    const { memory } = await makeBucketStore(context)
    const verdict = { honoursIfNoneMatch: false, ifMatch: null }
    await assert.rejects(makeBucketStore(context, { memory, verdict }), {
      message: `Bucket already contains datastore in use by host ${HOST}`,
    })
  })

  test('a creation that died after its claim is repeated, but only from the same folder', async (context) => {
    const first = await makeBucketStore(context)
    const { memory, folder, ledger } = first
    await first.registry.close()
    const again = { memory, folder, ledger, reuse: true }
    const second = await makeBucketStore(context, again)
    assert.equal(second.ledger?.holder?.generation, 2)
    assert.equal(second.bucket.holder.doubt, null)
    await second.registry.close()
    // Somebody of the same name had it in between.
    memory.plant(`${STORE}/.in-use`, formatInUse(HOST), Date.now() + 60_000)
    await assert.rejects(makeBucketStore(context, again), {
      message: `Bucket already contains datastore in use by host ${HOST}`,
    })
  })

  test('overwriting takes it, and the first server stops collecting', async (context) => {
    const first = await makeBucketStore(context)
    const { memory } = first
    const second = await makeBucketStore(context, {
      memory,
      overwriteInUse: true,
      isOtherServer: true,
    })
    assert.equal(second.bucket.isStale, false)
    assert.notEqual(await first.bucket.holder.check(), null)
    assert.equal(first.bucket.isStale, true)
    await assert.rejects(first.bucket.holder.raise(), { code: 'BUCKET_STALE' })
    assert.equal(await second.bucket.holder.check(), null)
  })

  test('a marker that was written again with the same host is noticed', async (context) => {
    const { memory, bucket } = await makeBucketStore(context)
    memory.plant(`${STORE}/.in-use`, formatInUse(HOST), Date.now() + 60_000)
    assert.match((await bucket.holder.check()) ?? '', /written by somebody else/)
  })
})

suite('the generation', () => {
  test('is raised in the bucket and here', async (context) => {
    const { bucket, ledger } = await makeBucketStore(context)
    await bucket.holder.raise()
    await bucket.holder.raise()
    assert.equal(ledger?.holder?.generation, 3)
    assert.equal(ledger?.holder?.pending, null)
    assert.equal(await bucket.holder.check(), null)
  })

  test('a raise whose answer was lost is recognised', async (context) => {
    const { bucket, ledger, objects } = await makeBucketStore(context)
    objects.loseAnswer('put', /\.cairn-holder$/)
    await assert.rejects(bucket.holder.raise())
    assert.equal(ledger?.holder?.pending?.generation, 2)
    assert.equal(await bucket.holder.check(), null)
    assert.equal(ledger?.holder?.generation, 2)
    objects.assertDone()
  })

  test('a raise that is executed late is recognised after another one', async (context) => {
    const { bucket, ledger, objects } = await makeBucketStore(context)
    const late = objects.executeLater('put', /\.cairn-holder$/)
    await assert.rejects(bucket.holder.raise())
    await bucket.holder.raise()
    assert.equal(ledger?.holder?.generation, 2)
    await late.execute()
    assert.equal(await bucket.holder.check(), null)
  })

  for (const [what, crashAt] of [
    ['before it is sent', 'fail'],
    ['after it was executed', 'loseAnswer'],
  ] as const) {
    test(`a crash ${what} is recognised by the next start`, async (context) => {
      const rig = await makeBucketStore(context)
      rig.objects[crashAt]('put', /\.cairn-holder$/)
      await assert.rejects(rig.bucket.holder.raise())
      await rig.registry.close()
      const { folder, memory, ledger } = rig
      const next = await makeBucketStore(context, { folder, memory, ledger })
      assert.equal(next.bucket.holder.doubt, null)
      await next.bucket.holder.raise()
      assert.equal(ledger?.holder?.generation, crashAt === 'fail' ? 2 : 3)
    })
  }
})

suite('what was rolled back', () => {
  test('the ledger: nothing is collected, and what it knew is dropped', async (context) => {
    const rig = await makeBucketStore(context)
    const { folder, memory, ledger } = rig
    const before = ledger?.snapshot()
    await rig.bucket.holder.raise()
    await rig.registry.close()
    const old = new MemoryLedger(before)
    const next = await makeBucketStore(context, { folder, memory, ledger: old })
    assert.match(next.bucket.holder.doubt ?? '', /old copy/)
    assert.equal(old.count, 0)
    await next.registry.close()
    const again = await makeBucketStore(context, { folder, memory, ledger: old })
    assert.equal(again.bucket.isStale, true)
  })

  test('the bucket', async (context) => {
    const rig = await makeBucketStore(context)
    const { folder, memory, ledger } = rig
    const before = await memory.get(`${STORE}/.cairn-holder`)
    await rig.bucket.holder.raise()
    await rig.registry.close()
    memory.plant(`${STORE}/.cairn-holder`, before?.body ?? new Uint8Array())
    const next = await makeBucketStore(context, { folder, memory, ledger })
    assert.match(next.bucket.holder.doubt ?? '', /old copy/)
  })

  test('the tree on disk', async (context) => {
    const rig = await makeBucketStore(context)
    const { folder, memory, ledger } = rig
    cpSync(`${folder}/store/.cairn-holder`, `${folder}/old`)
    await rig.bucket.holder.raise()
    await rig.registry.close()
    cpSync(`${folder}/old`, `${folder}/store/.cairn-holder`)
    const next = await makeBucketStore(context, { folder, memory, ledger })
    assert.match(next.bucket.holder.doubt ?? '', /local tree is older/)
  })

  test('a clone: who raises first goes on, the other one stops', async (context) => {
    const rig = await makeBucketStore(context)
    const { memory, ledger } = rig
    const folder = await makeTemporaryFolder(context)
    cpSync(rig.folder, folder, { recursive: true })
    const cloned = new MemoryLedger(ledger?.snapshot())
    const isOtherServer = true
    const clone = await makeBucketStore(context, { folder, memory, ledger: cloned, isOtherServer })
    assert.equal(clone.bucket.isStale, false)
    await clone.bucket.holder.raise()
    assert.notEqual(await rig.bucket.holder.check(), null)
    assert.equal(rig.bucket.isStale, true)
    assert.equal(await clone.bucket.holder.check(), null)
  })

  test('a clone that raises in the middle of a run stops it', async (context) => {
    const rig = await makeBucketStore(context)
    const hold = rig.objects.hold('put', /\.cairn-holder$/)
    const raising = rig.bucket.holder.raise()
    await hold.arrived
    const { memory } = rig
    const theirs = await memory.get(`${STORE}/.cairn-holder`)
    const state = JSON.parse(Buffer.from(theirs?.body ?? []).toString()) as object
    const other = JSON.stringify({ ...state, generation: 2, nonce: 'theirs' })
    memory.plant(`${STORE}/.cairn-holder`, Buffer.from(other))
    hold.release()
    await assert.rejects(raising, { code: 'BUCKET_STALE' })
    assert.equal(rig.bucket.isStale, true)
  })
})
