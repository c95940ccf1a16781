/**
 * What is known here of requests on their way may be incomplete: a machine put back from an image, a lost ledger, a
 * bucket that was somebody else's (races.md R-59 together with R-60). Seed 4288 of the simulator was the first of these.
 */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { silentProgress } from '../../src/base/progress.ts'
import { refreshStore } from '../../src/datastore/bucket/refresh.ts'
import { removeSnapshot } from '../../src/datastore/remove-snapshot.ts'
import { ROOT_NAMESPACE as ROOT } from '../../src/formats/namespace.ts'
import { MemoryLedger } from '../../src/storage/bucket-chunks/memory-ledger.ts'
import { HOLDER_LOOK_MS } from '../../src/storage/ledger.ts'
import { KEYS_PER_REQUEST } from '../../src/storage/object-store.ts'
import { gc } from '../support/collection.ts'
import {
  appendArchive,
  backUp,
  begin,
  finish,
  makeChunk,
  STORE,
  writeArchive,
} from '../support/test-store.ts'
import {
  type BucketRemains,
  type BucketRig,
  deletesOf,
  hasObject,
  makeBucketRig,
  makeGarbage,
  settle,
  skipping,
  SOME_TIME_MS,
} from './bucket-rig.ts'
import { ARCHIVE, assertRestores, DAY_1, DAY_2, DAY_3, refAt } from './rig.ts'

const CHUNKS = `${STORE}/.chunks/`

/** A backup of what `late` takes away while its finish waits. */
async function backUpBeside(rig: BucketRig, late: () => Promise<void>): Promise<void> {
  const writer = await begin(rig.store, DAY_3)
  const { digest, blob, size } = await makeChunk('gone')
  await writer.insertChunk(digest, blob, size)
  await appendArchive(writer, ARCHIVE, [{ digest, size }])
  const state = { isOver: false }
  const finished = finish(writer).finally(() => (state.isOver = true))
  finished.catch(() => {})
  while (!state.isOver && rig.clock.sleeperCount === 0) await settle()
  await late()
  await skipping(rig, finished)
  // Here there may be a copy.
  assert.ok(await hasObject(rig, 'gone'), 'the bucket has it')
}

/** A collection that dies with its DELETE on the way; `late` lets the store execute it. */
async function dieDeleting(rig: BucketRig, key: string) {
  const sent = rig.objects.hold('delete', key)
  const killed = gc(rig.store)
  return {
    arrived: sent.arrived,
    late: async (): Promise<void> => {
      // Killed, it says nothing more.
      rig.objects.refuse('put', `${STORE}/.cairn-holder`)
      sent.release()
      await killed
      assert.deepEqual(deletesOf(rig), [key])
    },
  }
}

/** A delete was sent now and not answered, and the bucket says so. */
async function leaveUnanswered({ bucket, clock }: BucketRig): Promise<void> {
  await using _deletes = await bucket.holder.beginDeletes()
  await bucket.ledger.condemn([`${STORE}/.cnt/somewhere`], clock.now())
}

suite('R-59, R-60: everything is in doubt', () => {
  for (const [what, change] of [
    ['a machine that was put back', (image: BucketRemains) => image],
    [
      'a ledger that was lost',
      (image: BucketRemains) => ({ ...image, ledger: new MemoryLedger(undefined, image.clock) }),
    ],
  ] as const) {
    test(`${what}: a chunk that goes by a request of before is put again`, async (context) => {
      const rig = await makeBucketRig(context)
      const { key } = await makeGarbage(rig)
      const image = await rig.remains()
      const plan = rig.objects.executeAgainLater('delete', key)
      await gc(rig.store)
      // As it is now, but for the ledger.
      const found = what.startsWith('a ledger') ? await rig.remains() : image
      const next = await makeBucketRig(context, { before: change(found) })
      await backUpBeside(next, async () => await plan.execute())
      await assertRestores(next.store, DAY_3)
    })
  }

  test('an image of a collection: the generation is the same, and what it sent is not known', async (context) => {
    const rig = await makeBucketRig(context)
    const { key } = await makeGarbage(rig)
    const listed = rig.objects.hold('list', CHUNKS)
    const { arrived, late } = await dieDeleting(rig, key)
    await listed.arrived
    const image = await rig.remains()
    listed.release()
    await arrived
    const next = await makeBucketRig(context, { before: image })
    assert.equal(next.bucket.isStale, false)
    await backUpBeside(next, late)
    await assertRestores(next.store, DAY_3)
  })

  test('whoever has the bucket collected since the doubt began', async (context) => {
    const rig = await makeBucketRig(context)
    const { key } = await makeGarbage(rig)
    const image = await rig.remains()
    await rig.bucket.holder.raise()
    const next = await makeBucketRig(context, { before: image })
    assert.equal(next.bucket.isStale, true)
    next.clock.skip(3_600_000)
    const plan = rig.objects.executeAgainLater('delete', key)
    await gc(rig.store)
    await backUpBeside(next, async () => await plan.execute())
    await assertRestores(next.store, DAY_3)
  })

  test('files of a snapshot that went are put again, too', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['kept'])
    const image = await rig.remains()
    await leaveUnanswered(rig)
    const next = await makeBucketRig(context, { before: image })
    const folder = `${STORE}/.cnt/host/web1`
    await backUpBeside(next, async () => {
      const gone = next.memory.keys.filter(
        (key) => key === `${folder}/owner` || (key.startsWith(folder) && key.endsWith('.didx')),
      )
      assert.equal(gone.length, 3)
      await next.memory.delete(gone.filter((key) => !key.includes('2026-01-01')))
    })
    const left = next.memory.keys.filter((key) => key.startsWith(folder))
    assert.equal(left.length, 5, left.join())
  })

  test('nothing is collected meanwhile, and the collection says how long it waits', async (context) => {
    const rig = await makeBucketRig(context)
    await makeGarbage(rig)
    await leaveUnanswered(rig)
    const { clock } = rig
    const remains = await rig.remains()
    const lost = { ...remains, ledger: new MemoryLedger(undefined, clock) }
    const next = await makeBucketRig(context, { before: lost })
    const lines: string[] = []
    const collected = gc(next.store, { lines })
    while (clock.sleeperCount < 2) await settle()
    assert.equal(deletesOf(next).length, 0)
    assert.match(
      lines.join('\n'),
      /^waiting 1[12]\d\d s: until 20\d\d-\S+Z requests that are not known here may still delete chunks of /,
    )
    assert.equal((await skipping(next, collected))['removed-chunks'], 1)
    assert.equal(next.bucket.ledger.count, 1)
  })

  test('where a refresh is needed a collection says so at once', async (context) => {
    const rig = await makeBucketRig(context)
    const image = await rig.remains()
    await leaveUnanswered(rig)
    const next = await makeBucketRig(context, { before: image })
    assert.notEqual(next.ledger.allDoubtedMs, null)
    await assert.rejects(gc(next.store), { code: 'COLLECTION_UNSAFE' })
  })

  test('a ledger that was lost when all deletes were answered: nothing waits', async (context) => {
    const rig = await makeBucketRig(context)
    await makeGarbage(rig)
    assert.equal((await gc(rig.store))['removed-chunks'], 1)
    const lost = { ...(await rig.remains()), ledger: new MemoryLedger(undefined, rig.clock) }
    const next = await makeBucketRig(context, { before: lost })
    assert.equal(next.bucket.ledger.allDoubtedMs, null)
    await backUp(next.store, DAY_3, ['kept', 'gone'])
    await assertRestores(next.store, DAY_3)
  })

  for (const [bootId, isDoubtful] of [
    ['boot 1', false],
    ['boot 2', true],
  ] as const) {
    test(`a death while chunks are deleted, seen in ${bootId}`, async (context) => {
      const rig = await makeBucketRig(context, { bootId: 'boot 1' })
      const { key } = await makeGarbage(rig)
      const { arrived, late } = await dieDeleting(rig, key)
      await arrived
      const next = await makeBucketRig(context, { before: await rig.remains(), bootId })
      assert.equal(next.bucket.isStale, false)
      assert.equal(next.bucket.ledger.allDoubtedMs !== null, isDoubtful)
      await backUpBeside(next, late)
      await assertRestores(next.store, DAY_3)
    })
  }

  test('whoever takes the bucket over hears of deletes that may be on their way', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['kept'])
    const quiet = await makeBucketRig(context, { memory: rig.memory, overwriteInUse: true })
    await refreshStore(quiet.store, { progress: silentProgress(), takesOver: false })
    assert.equal(quiet.bucket.ledger.allDoubtedMs, null)
    await quiet.bucket.holder.beginDeletes()
    const next = await makeBucketRig(context, { memory: rig.memory, overwriteInUse: true })
    await refreshStore(next.store, { progress: silentProgress(), takesOver: false })
    assert.notEqual(next.bucket.ledger.allDoubtedMs, null)
  })

  test('whoever marks a chunk as bad says so in the bucket', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['bad'])
    const image = await rig.remains()
    const { digest } = await makeChunk('bad')
    assert.notEqual(await rig.store.chunks.markBad(digest, async () => true), null)
    const next = await makeBucketRig(context, { before: image })
    assert.equal(next.bucket.isStale, true)
  })

  test('a removal beside a collection does not end what that says in the bucket', async (context) => {
    const rig = await makeBucketRig(context)
    await makeGarbage(rig)
    const copy = await makeBucketRig(context, { before: await rig.remains() })
    const unfinished = await begin(rig.store, DAY_3)
    await writeArchive(unfinished, ARCHIVE, ['kept'])
    const listed = rig.objects.hold('list', CHUNKS)
    const collected = gc(rig.store)
    await listed.arrived
    await rig.bucket.holder.raise()
    await assert.rejects(begin(copy.store, DAY_3), { code: 'BUCKET_COLLECTED' })
    listed.release()
    await collected
    await unfinished.abort()
    assert.equal(await removeSnapshot(rig.store, ROOT, refAt(DAY_2)), 'removed')
  })

  test('a long collection looks again whether the bucket is ours', async (context) => {
    const rig = await makeBucketRig(context)
    const texts = Array.from({ length: KEYS_PER_REQUEST + 1 }, (_, number) => `gone ${number}`)
    await makeGarbage(rig, texts)
    const copy = await makeBucketRig(context, { before: await rig.remains() })
    const first = rig.objects.hold('delete')
    const collected = gc(rig.store)
    await first.arrived
    await copy.bucket.holder.check()
    rig.memory.plant(`${STORE}/.in-use`, Buffer.from('{"hostname":"other"}'), rig.clock.now() + 1)
    rig.clock.skip(HOLDER_LOOK_MS)
    first.release()
    await assert.rejects(collected, { code: 'COLLECTION_UNSAFE' })
    assert.equal(deletesOf(rig).length, KEYS_PER_REQUEST)
    rig.clock.skip(SOME_TIME_MS)
    assert.ok(await hasObject(rig, 'kept'))
  })
})
