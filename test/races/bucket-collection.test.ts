/** Races of the collection of a datastore in a bucket (races.md 4, 9, 10), on the real code over a bucket in memory. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { silentProgress } from '../../src/base/progress.ts'
import type { Digest } from '../../src/formats/digest.ts'
import { REQUEST_LIFE_MS } from '../../src/storage/ledger.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import { gc } from '../support/collection.ts'
import { Mortality } from '../support/mortal-store.ts'
import { appendArchive, backUp, begin, finish, makeChunk, STORE } from '../support/test-store.ts'
import {
  assertNothingHeld,
  assertSound,
  type BucketRig,
  chunkKey,
  copyMemory,
  hasObject,
  isKnown,
  keyOf,
  makeBucketRig,
  makeGarbage,
  settle,
  skipping,
  SOME_TIME_MS,
} from './bucket-rig.ts'
import { ARCHIVE, assertRestores, DAY_1, DAY_2, DAY_3 } from './rig.ts'

suite('sweep of a bucket', () => {
  test('removes what nobody needs, in one request, and confirms it by name', async (context) => {
    const rig = await makeBucketRig(context)
    await makeGarbage(rig, ['gone', 'too'])
    assert.equal(copiesOf(rig).length, 3)
    const lines: string[] = []
    const status = await gc(rig.store, { lines })
    assert.equal(status['removed-chunks'], 2)
    assert.equal(status['disk-chunks'], 1)
    assert.equal(copiesOf(rig).length, 1)
    assert.equal(rig.objects.countOf('delete'), 1)
    assert.equal(await hasObject(rig, 'gone'), false)
    assert.equal(await hasObject(rig, 'kept'), true)
    assert.ok(lines.includes('processed 3 total chunks'), lines.join('\n'))
    assert.deepEqual(await rig.ledger.suspects(), [])
    await assertRestores(rig.store, DAY_2)
    await assertSound(rig)
  })

  test('R-25, D1: an object whose upload was not answered yet stays', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects } = rig
    await backUp(store, DAY_1, ['base'])
    const { digest, blob, size } = await makeChunk('d')
    const put = objects.holdAnswer('put', await keyOf('d'))
    const writer = await begin(store, DAY_2)
    const upload = writer.insertChunk(digest, blob, size)
    await put.arrived
    rig.clock.skip(SOME_TIME_MS)
    await gc(store)
    assert.ok(await hasObject(rig, 'd'))
    put.release()
    await upload
    await appendArchive(writer, ARCHIVE, [{ digest, size }])
    await finish(writer)
    await assertRestores(store, DAY_2)
    objects.assertDone()
    await assertSound(rig)
  })

  test('R-25, R-34: an upload beside the DELETE waits for its answer, and puts the object again', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects } = rig
    const { key } = await makeGarbage(rig)
    const deleted = objects.hold('delete', key)
    const collected = gc(store)
    await deleted.arrived
    const { digest, blob, size } = await makeChunk('gone')
    const writer = await begin(store, DAY_3)
    const upload = writer.insertChunk(digest, blob, size)
    await settle()
    assert.ok(store.core.gate.isWaitedFor(digest))
    deleted.release()
    const status = await collected
    assert.equal(status['removed-chunks'], 1)
    assert.equal((await upload).duplicate, false)
    await appendArchive(writer, ARCHIVE, [{ digest, size }])
    await finish(writer)
    await assertRestores(store, DAY_3)
    await assertSound(rig)
  })

  test('R-34: other uploads go on while a DELETE hangs', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects } = rig
    const { key } = await makeGarbage(rig)
    const deleted = objects.hold('delete', key)
    const collected = gc(store)
    await deleted.arrived
    const writer = await begin(store, DAY_3)
    const { digest, blob, size } = await makeChunk('other')
    assert.equal((await writer.insertChunk(digest, blob, size)).duplicate, false)
    deleted.release()
    await collected
    assert.ok(await hasObject(rig, 'other'))
    await writer.abort()
  })

  test('R-29, R-67: a chunk that a session found by the ledger after it was listed stays', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects } = rig
    await makeGarbage(rig)
    const listed = objects.holdAnswer('list', `${STORE}/.chunks/`)
    const collected = gc(store)
    await listed.arrived
    const writer = await begin(store, DAY_3)
    const { digest, blob, size } = await makeChunk('gone')
    const before = objects.countOf('put')
    assert.equal((await writer.insertChunk(digest, blob, size)).duplicate, true)
    assert.equal(objects.countOf('put'), before)
    listed.release()
    const status = await collected
    assert.equal(status['removed-chunks'], 0)
    await appendArchive(writer, ARCHIVE, [{ digest, size }])
    await finish(writer)
    await assertRestores(store, DAY_3)
    await assertSound(rig)
  })

  for (const failure of ['fail', 'loseAnswer'] as const) {
    test(`R-26: of two uploads of one chunk the second puts its own bytes (${failure})`, async (context) => {
      const rig = await makeBucketRig(context)
      const { store, objects } = rig
      await backUp(store, DAY_1, ['base'])
      const { digest, blob, size } = await makeChunk('d')
      const first = await begin(store, DAY_2)
      const second = await begin(store, DAY_2, { group: 'host/web2' })
      objects[failure]('put', await keyOf('d'))
      const held = objects.hold('put', await keyOf('d'))
      const failed = first.insertChunk(digest, blob, size).catch((error: Error) => error)
      const upload = second.insertChunk(digest, blob, size)
      assert.ok((await failed) instanceof Error)
      await first.abort()
      await Promise.race([held.arrived, upload])
      rig.clock.skip(SOME_TIME_MS)
      await gc(store)
      held.release()
      await upload
      assert.ok(await hasObject(rig, 'd'))
      await appendArchive(second, ARCHIVE, [{ digest, size }])
      await finish(second)
      await gc(store)
      assert.ok(await hasObject(rig, 'd'))
      await assertSound(rig)
    })
  }

  test('R-26b: of three uploads of one chunk two fail, with collections between', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects, clock } = rig
    await backUp(store, DAY_1, ['base'])
    const { digest, blob, size } = await makeChunk('d')
    const key = await keyOf('d')
    const writers = []
    for (const group of ['host/a', 'host/b', 'host/c']) {
      writers.push(await begin(store, DAY_2, { group }))
    }
    objects.loseAnswer('put', key)
    objects.fail('put', key)
    const last = objects.hold('put', key)
    const [first, second, third] = writers.map(async (writer) => {
      const upload = writer.insertChunk(digest, blob, size)
      return await upload.then(
        () => true,
        () => false,
      )
    })
    for (const [index, upload] of [first, second].entries()) {
      assert.equal(await upload, false)
      clock.skip(SOME_TIME_MS)
      await gc(store)
      await writers[index]?.abort()
    }
    await Promise.race([last.arrived, third])
    await gc(store)
    last.release()
    assert.equal(await third, true)
    await gc(store)
    assert.ok(await hasObject(rig, 'd'))
    await writers[2]?.abort()
    await assertSound(rig)
  })

  test('R-28: what a session without cache uploaded stays', async (context) => {
    const rig = await makeBucketRig(context)
    const { store } = rig
    await backUp(store, DAY_1, ['base'])
    const writer = await begin(store, DAY_2)
    const { digest, blob, size } = await makeChunk('d')
    const session = [...store.core.sessions][0]
    assert.ok(session !== undefined)
    await store.chunks.insert(digest, { blob, size }, session.digests, { isCached: false })
    rig.clock.skip(SOME_TIME_MS)
    await gc(store)
    assert.ok(await hasObject(rig, 'd'))
    await writer.abort()
    await gc(store)
    assert.equal(await hasObject(rig, 'd'), false)
  })

  test('R-38: a bad object stays while it is needed, and never stops a run', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, memory } = rig
    await backUp(store, DAY_1, ['d'])
    const key = await keyOf('d')
    const bad = `${key}.0.bad`
    const strange = `${STORE}/.chunks/0000/readme`
    memory.plant(bad, Buffer.from('damaged'))
    memory.plant(`${await keyOf('nobody')}.3.bad`, Buffer.from('damaged, too'))
    memory.plant(strange, Buffer.from('?'))
    await memory.delete([key])
    rig.clock.skip(SOME_TIME_MS)
    const status = await gc(store)
    assert.equal(status['still-bad'], 1)
    assert.equal(status['removed-bad'], 1)
    assert.ok(memory.keys.includes(bad))
    assert.ok(memory.keys.includes(strange))
    await backUp(store, DAY_2, ['d'])
    rig.clock.skip(SOME_TIME_MS)
    const healed = await gc(store)
    assert.equal(healed['removed-bad'], 1)
    assert.equal(memory.keys.includes(bad), false)
    await assertRestores(store, DAY_1)
  })

  test('R-70: a store without conditions and with an unknown ledger keeps what it has', async (context) => {
    const rig = await makeBucketRig(context, { verdict: { honoursIfNoneMatch: false } })
    const { store, memory, ledger } = rig
    await backUp(store, DAY_1, ['d'])
    const key = await keyOf('d')
    const before = await memory.get(key)
    await ledger.clear()
    const { digest, blob, size } = await makeChunk('d')
    const junk = Buffer.from(blob)
    junk.fill(0, junk.length - 1)
    const writer = await begin(store, DAY_2)
    assert.equal((await writer.insertChunk(digest, junk, size)).duplicate, true)
    await writer.abort()
    assert.deepEqual((await memory.get(key))?.body, before?.body)
  })

  test('the age of an object is told by the bucket’s own clock', async (context) => {
    const day = 86_400_000
    const rig = await makeBucketRig(context, { skewMs: -2 * day, settings: { gcGraceMs: day } })
    await makeGarbage(rig)
    const young = await gc(rig.store)
    assert.equal(young['pending-chunks'], 1)
    rig.clock.skip(day)
    const old = await gc(rig.store)
    assert.equal(old['removed-chunks'], 1)
  })

  test('D11, R-34: nine thousand objects go in batches of a thousand, by a list in ranges', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, memory, ledger, objects } = rig
    await backUp(store, DAY_1, ['kept'])
    const body = Buffer.from('x')
    const count = 9_000
    for (let number = 0; number < count; number += 1) {
      const digest = hash('sha256', `garbage ${number}`) as Digest
      memory.plant(chunkKey(digest), body)
      ledger.add(digest, 1)
    }
    rig.clock.skip(SOME_TIME_MS)
    objects.requests.length = 0
    let gateMax = 0
    const deleteNow = memory.delete.bind(memory)
    memory.delete = async (keys) => {
      gateMax = Math.max(gateMax, store.core.gate.size)
      return await deleteNow(keys)
    }
    const status = await gc(store)
    assert.equal(status['removed-chunks'], count)
    assert.ok(gateMax <= 1_000, `${gateMax} gates`)
    assert.equal(objects.countOf('delete'), count / 1_000)
    assert.ok(objects.requests.length <= 10 + 1 + 9 + 20, `${objects.requests.length} requests`)
    assert.equal(ledger.count, 1)
    await assertSound(rig)
  })
})

suite('deletes of a bucket', () => {
  test('R-65: the ledger forgets, and suspects, before the DELETE is sent', async (context) => {
    const rig = await makeBucketRig(context)
    const { key } = await makeGarbage(rig)
    const deleted = rig.objects.hold('delete', key)
    const collected = gc(rig.store)
    await deleted.arrived
    assert.equal(await isKnown(rig, 'gone'), false)
    assert.equal(rig.ledger.isSuspect(key), true)
    deleted.release()
    await collected
    assert.equal(rig.ledger.isSuspect(key), false)
  })

  test('R-34b, R-60: a DELETE that was repeated may come again: the key stays suspect, and finish waits', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects, clock } = rig
    const { key } = await makeGarbage(rig)
    const late = objects.executeAgainLater('delete', key)
    const status = await gc(store)
    assert.equal(status['removed-chunks'], 1)
    assert.ok(rig.ledger.isSuspect(key))
    await backUpAndDelay(rig, async () => await late.execute())
    assert.equal(rig.ledger.isSuspect(key), false)
    await assertRestores(store, DAY_3)
    assert.equal(clock.sleeperCount, 0)
    await assertSound(rig)
  })

  test('R-60: a DELETE without an answer is tried again by the next run, and that says nothing of the first', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects } = rig
    const { key } = await makeGarbage(rig)
    const late = objects.executeLater('delete', key)
    await assert.rejects(gc(store), { code: 'COLLECTION_SWEEP_FAILED' })
    assert.ok(await hasObject(rig, 'gone'))
    const status = await gc(store)
    assert.equal(status['removed-chunks'], 1)
    assert.ok(rig.ledger.isSuspect(key))
    await backUpAndDelay(rig, async () => await late.execute())
    await assertRestores(store, DAY_3)
    await assertSound(rig)
  })

  test('R-37, R-60: killed with a DELETE in flight, the successor keeps what it is given', async (context) => {
    const rig = await makeBucketRig(context)
    const { key } = await makeGarbage(rig)
    const sent = rig.objects.hold('delete', key)
    const killed = gc(rig.store)
    await sent.arrived
    const next = await makeBucketRig(context, { before: await rig.remains() })
    // Killed, it says nothing more.
    rig.objects.refuse('put', `${STORE}/.cairn-holder`)
    await backUpAndDelay(next, async () => {
      sent.release()
      await killed
    })
    await assertRestores(next.store, DAY_3)
    await assertSound(next)
  })

  test('a key that the store does not delete stays, and the others go', async (context) => {
    const rig = await makeBucketRig(context)
    const { key } = await makeGarbage(rig, ['gone', 'too'])
    rig.objects.failPartly(key, 'InternalError')
    const lines: string[] = []
    const status = await gc(rig.store, { lines })
    assert.equal(status['removed-chunks'], 1)
    assert.equal(status['pending-chunks'], 1)
    assert.ok(rig.ledger.isSuspect(key))
    assert.ok(
      lines.some((line) => /^WARN: deleting ".*" was not confirmed: InternalError$/.test(line)),
    )
    rig.clock.skip(REQUEST_LIFE_MS + SOME_TIME_MS)
    await gc(rig.store)
    assert.equal(await hasObject(rig, 'gone'), false)
  })

  test('suspects are acquitted when their time is over', async (context) => {
    const rig = await makeBucketRig(context)
    const { key } = await makeGarbage(rig)
    rig.objects.executeAgainLater('delete', key)
    await gc(rig.store)
    await gc(rig.store)
    assert.ok(rig.ledger.isSuspect(key))
    rig.clock.skip(REQUEST_LIFE_MS + 1)
    await gc(rig.store)
    assert.equal(rig.ledger.isSuspect(key), false)
  })

  test('R-60: an abort while a DELETE is on its way waits for its answer', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects } = rig
    const { key } = await makeGarbage(rig)
    const deleted = objects.hold('delete', key)
    const abort = new AbortController()
    const progress = { ...silentProgress(), signal: abort.signal }
    const collected = gc(store, { progress }).catch((error: Error) => error.message)
    await deleted.arrived
    abort.abort(new Error('enough'))
    await settle()
    const { digest } = await makeChunk('gone')
    assert.equal(store.core.gate.tryAcquire(digest), null)
    deleted.release()
    assert.equal(await collected, 'enough')
    await assertSound(rig)
  })
})

suite('killed', () => {
  test('D9: at any step on disk or in the bucket, nothing is lost, and the successor ends the work', async (context) => {
    const base = await makeBucketRig(context)
    await makeGarbage(base)
    const { steps } = await collectMortal(context, base, 0)
    const kinds = steps.map((step) => step.replaceAll(/ \/.*\/|[0-9a-f]{8,}/g, ' '))
    const dying = kinds.flatMap((kind, index) => (kinds.indexOf(kind) === index ? [index + 1] : []))
    assert.ok(dying.length > 10, kinds.join('\n'))
    for (const at of dying) {
      const { rig } = await collectMortal(context, base, at)
      const next = await makeBucketRig(context, { before: await rig.remains() })
      await assertRestores(next.store, DAY_2)
      next.clock.skip(SOME_TIME_MS)
      await skipping(next, gc(next.store, { isConfirmed: true }))
      await assertRestores(next.store, DAY_2)
      assert.equal(await hasObject(next, 'gone'), false, String(kinds[at - 1]))
      await assertSound(next)
      await next.registry.close()
      await rig.registry.close().catch(() => {})
    }
  })
})

/** Local copies of chunks. */
function copiesOf({ store }: BucketRig): readonly string[] {
  const names = readdirSync(`${store.path}/.cairn-cache`, { recursive: true }).map(String)
  return names.filter((name) => /[0-9a-f]{64}$/.test(name))
}

/** A backup that uploads a suspect; while its finish waits, the store executes what it was sent long ago. */
async function backUpAndDelay(rig: BucketRig, execute: () => Promise<void>): Promise<void> {
  const { store, clock } = rig
  const writer = await begin(store, DAY_3)
  const { digest, blob, size } = await makeChunk('gone')
  await writer.insertChunk(digest, blob, size)
  await appendArchive(writer, ARCHIVE, [{ digest, size }])
  const state = { isOver: false }
  const finished = finish(writer).finally(() => (state.isOver = true))
  while (!state.isOver && clock.sleeperCount === 0) await settle()
  await execute()
  await skipping(rig, finished)
}

/** A copy of `base`, whose collection dies at a step; 0: never. */
async function collectMortal(
  context: TestContext,
  base: BucketRig,
  at: number,
): Promise<{ readonly rig: BucketRig; readonly steps: readonly string[] }> {
  const mortality = new Mortality()
  const wrap = (objects: ObjectStore): ObjectStore => mortality.wrap(objects)
  const before = { ...(await base.remains()), memory: await copyMemory(base) }
  const rig = await makeBucketRig(context, { before, fs: mortality.fs, wrap })
  mortality.plan(at)
  await gc(rig.store).catch(() => {})
  assert.equal(mortality.isDead, at > 0)
  assertNothingHeld(rig)
  return { rig, steps: mortality.steps }
}
