/** Verification of a datastore in a bucket beside what networks and others do (races.md ). */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { silentProgress } from '../../src/base/progress.ts'
import { isVerifyFailed, readManifest } from '../../src/datastore/manifest-store.ts'
import { openVerifyRun, type VerifyRun } from '../../src/datastore/verify/verify-run.ts'
import { verifySnapshot } from '../../src/datastore/verify/verify-snapshot.ts'
import { ROOT_NAMESPACE as ROOT } from '../../src/formats/namespace.ts'
import { appendArchive, backUp, begin, finish, makeChunk, UPID } from '../support/test-store.ts'
import { assertSound, type BucketRig, hasObject, keyOf, makeBucketRig } from './bucket-rig.ts'
import { ARCHIVE, assertRestores, DAY_1, DAY_2, refAt } from './rig.ts'

async function verify(
  { store }: BucketRig,
  options: { readonly time?: number; readonly run?: VerifyRun } = {},
): Promise<{ ok: boolean; lines: string[] }> {
  const lines: string[] = []
  const { time = DAY_1, run } = options
  const progress = { ...silentProgress(), log: (line: string) => void lines.push(line) }
  const { ok } = await verifySnapshot(store, ROOT, refAt(time), { progress, upid: UPID, run })
  return { ok, lines }
}

async function damaged(text: string): Promise<Uint8Array> {
  const blob = Buffer.from((await makeChunk(text)).blob)
  blob[blob.length - 1]! ^= 1
  return blob
}

suite('verification of a bucket', () => {
  test('asks the bucket, also for what there is a copy of', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, memory } = rig
    await backUp(store, DAY_1, ['one', 'two'])
    assert.equal((await verify(rig)).ok, true)
    await assertRestores(store, DAY_1)
    const key = await keyOf('one')
    memory.plant(key, await damaged('one'))
    const { ok, lines } = await verify(rig)
    assert.equal(ok, false)
    assert.ok(
      lines.some((line) => line === `corrupt chunk renamed to "${key}.0.bad"`),
      lines.join('\n'),
    )
    assert.equal(await hasObject(rig, 'one'), false)
    await backUp(store, DAY_2, ['one'])
    assert.equal((await verify(rig)).ok, true)
    await assertSound(rig)
  })

  test('R-31: a chunk that was healed since it was read stays', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, memory, objects } = rig
    await backUp(store, DAY_1, ['one'])
    const key = await keyOf('one')
    memory.plant(key, await damaged('one'))
    objects.requests.length = 0
    const first = objects.holdAnswer('get', key)
    const verified = verify(rig)
    await first.arrived
    memory.plant(key, (await makeChunk('one')).blob)
    first.release()
    assert.equal((await verified).ok, false)
    assert.equal(objects.countOf('get'), 2)
    assert.equal(await hasObject(rig, 'one'), true)
    assert.deepEqual(
      memory.keys.filter((name) => name.endsWith('.bad')),
      [],
    )
  })

  for (const failure of ['fail', 'refuse', 'loseAnswer'] as const) {
    test(`R-31: what the way to the bucket does says nothing of a chunk (${failure})`, async (context) => {
      const rig = await makeBucketRig(context)
      await backUp(rig.store, DAY_1, ['one'])
      await backUp(rig.store, DAY_2, ['one'])
      const key = await keyOf('one')
      rig.objects[failure]('get', key)
      await using run = openVerifyRun(rig.store)
      const unanswered = await verify(rig, { run })
      assert.equal(unanswered.ok, false)
      assert.ok(unanswered.lines.at(-1)?.includes('as planned'), unanswered.lines.join('\n'))
      assert.equal(
        isVerifyFailed((await readManifest(rig.store, ROOT, refAt(DAY_1))).manifest),
        false,
      )
      rig.objects.assertDone()
      assert.equal(await hasObject(rig, 'one'), true)
      assert.equal(rig.memory.keys.includes(`${key}.0.bad`), false)
      assert.deepEqual(await rig.store.core.missing.list(), [])
      // Whoever names it next looks again.
      assert.equal((await verify(rig, { run, time: DAY_2 })).ok, true)
    })
  }

  test('R-32: a session that relies on a chunk which is taken away does not finish', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, memory, objects } = rig
    await backUp(store, DAY_1, ['one'])
    const key = await keyOf('one')
    memory.plant(key, await damaged('one'))
    const writer = await begin(store, DAY_2)
    const { digest, blob, size } = await makeChunk('one')
    assert.equal((await writer.insertChunk(digest, blob, size)).duplicate, true)
    await appendArchive(writer, ARCHIVE, [{ digest, size }])
    const deleted = objects.hold('delete', key)
    const verified = verify(rig)
    await deleted.arrived
    await assert.rejects(finish(writer), /found corrupt and renamed/)
    deleted.release()
    assert.equal((await verified).ok, false)
    await writer.abort()
    await assertSound(rig)
  })
})
