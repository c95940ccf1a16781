/** Two of us on one bucket, by a copy of the machine (races.md R-59): found by the simulator, each as a schedule of its own. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { suite, test, type TestContext } from 'node:test'
import { setSnapshotNotes } from '../../src/datastore/manifest-store.ts'
import { removeSnapshot } from '../../src/datastore/remove-snapshot.ts'
import { ROOT_NAMESPACE as ROOT } from '../../src/formats/namespace.ts'
import { REQUEST_LIFE_MS } from '../../src/storage/ledger.ts'
import { gc } from '../support/collection.ts'
import { backUp, begin, finish, makeChunk, STORE, writeArchive } from '../support/test-store.ts'
import {
  type BucketRemains,
  type BucketRig,
  hasObject,
  makeBucketRig,
  makeGarbage,
  skipping,
  timeText,
} from './bucket-rig.ts'
import { ARCHIVE, DAY_1, DAY_2, DAY_3, refAt } from './rig.ts'

const MANIFEST = 'index.json.blob'

function contentKey(time: number, file: string): string {
  return `${STORE}/.cnt/host/web1/${timeText(time)}/${file}`
}

/** Opened at its start, it removes what it finds unfinished. Here it lies in another folder, which a real copy does not. */
async function startCopy(
  context: TestContext,
  original: BucketRig,
  before: BucketRemains,
): Promise<BucketRig> {
  const state = `${before.folder}/state/datastores/${STORE}`
  await rm(`${state}/store.json`)
  const sessions = `${state}/sessions`
  for (const name of await readdir(sessions)) {
    const text = await readFile(`${sessions}/${name}`, 'utf8')
    await writeFile(`${sessions}/${name}`, text.replaceAll(original.folder, before.folder))
  }
  return await makeBucketRig(context, { before })
}

suite('R-59: a copy of ourselves', () => {
  test('its collection is a root for a backup that ends beside it, or that fails', async (context) => {
    const rig = await makeBucketRig(context)
    await makeGarbage(rig)
    const copy = await makeBucketRig(context, { before: await rig.remains() })
    const before = await begin(rig.store, DAY_3)
    const { digest, blob, size } = await makeChunk('gone')
    assert.ok((await before.insertChunk(digest, blob, size)).duplicate)
    const listed = copy.objects.hold('list', `${STORE}/.chunks/`)
    const collected = gc(copy.store)
    await listed.arrived
    await writeArchive(before, ARCHIVE, ['gone'])
    await assert.rejects(finish(before), { code: 'SESSION_FAILED' })
    await before.abort()
    listed.release()
    assert.equal((await collected)['removed-chunks'], 1)
  })

  test('no backup begins here while it collects, and they begin again after that', async (context) => {
    const rig = await makeBucketRig(context)
    await makeGarbage(rig)
    const copy = await makeBucketRig(context, { before: await rig.remains() })
    const listed = copy.objects.hold('list', `${STORE}/.chunks/`)
    const collected = gc(copy.store)
    await listed.arrived
    await assert.rejects(begin(rig.store, DAY_3), { code: 'BUCKET_COLLECTED' })
    listed.release()
    await collected
    await skipping(rig, backUp(rig.store, DAY_3, ['gone']))
    assert.ok(await hasObject(rig, 'gone'))
  })

  test('takes a running backup for an unfinished one: that cannot end well', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['kept'])
    const writer = await begin(rig.store, DAY_2)
    await writeArchive(writer, ARCHIVE, ['new'])
    assert.ok(await rig.memory.head(contentKey(DAY_2, ARCHIVE)))
    await startCopy(context, rig, await rig.remains())
    assert.equal(await rig.memory.head(contentKey(DAY_2, ARCHIVE)), null)
    await assert.rejects(finish(writer), { code: 'SESSION_FAILED' })
    await writer.abort()
    assert.equal(await rig.memory.head(contentKey(DAY_2, MANIFEST)), null)
  })

  test('forgets what is unfinished there and runs here: that cannot end well either', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['kept'])
    const writer = await begin(rig.store, DAY_2)
    await writeArchive(writer, ARCHIVE, ['new'])
    const copy = await makeBucketRig(context, { before: await rig.remains() })
    assert.equal(await removeSnapshot(copy.store, ROOT, refAt(DAY_2)), 'removed')
    assert.equal(await rig.memory.head(contentKey(DAY_2, ARCHIVE)), null)
    await assert.rejects(finish(writer), { code: 'SESSION_FAILED' })
    await writer.abort()
    assert.equal(await rig.memory.head(contentKey(DAY_2, MANIFEST)), null)
  })

  test('a backup looks again behind its manifest, before it is answered', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['kept'])
    const writer = await begin(rig.store, DAY_2)
    await writeArchive(writer, ARCHIVE, ['new'])
    const before = await rig.remains()
    const put = rig.objects.hold('put', contentKey(DAY_2, MANIFEST))
    const finished = finish(writer)
    await put.arrived
    await startCopy(context, rig, before)
    put.release()
    await assert.rejects(finished, { code: 'SESSION_FAILED' })
    await writer.abort()
    assert.equal(await rig.memory.head(contentKey(DAY_2, MANIFEST)), null)
  })

  test('forgot a snapshot: notes of it do not make it look finished again', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['kept'])
    const keys = rig.memory.keys.filter((key) => key.includes(timeText(DAY_1)))
    await rig.memory.delete(keys)
    const noted = setSnapshotNotes(rig.store, ROOT, refAt(DAY_1), 'notes')
    await assert.rejects(noted, { code: 'BUCKET_OBJECT_GONE' })
    assert.equal(await rig.memory.head(contentKey(DAY_1, MANIFEST)), null)
  })

  test('ended a removal and made the snapshot anew: its removal does not begin again here', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['kept'])
    rig.objects.fail('delete', contentKey(DAY_1, MANIFEST))
    await assert.rejects(removeSnapshot(rig.store, ROOT, refAt(DAY_1)))
    const before = await rig.remains()
    await gc(rig.store)
    rig.clock.skip(REQUEST_LIFE_MS + 1)
    await backUp(rig.store, DAY_1, ['new'])
    const copy = await makeBucketRig(context, { before })
    await copy.registry.recover([STORE], () => {})
    assert.ok(await rig.memory.head(contentKey(DAY_1, MANIFEST)))
  })
})

suite('R-60: a manifest that is written late', () => {
  test('does not finish a backup whose removal began', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['kept'])
    const writer = await begin(rig.store, DAY_2)
    await writeArchive(writer, ARCHIVE, ['new'])
    const before = await rig.remains()
    const folder = `store/host/web1/${timeText(DAY_2)}`
    await writeFile(`${before.folder}/${folder}/.removing`, '')
    const manifest = await rig.memory.get(contentKey(DAY_1, MANIFEST))
    rig.memory.plant(contentKey(DAY_2, MANIFEST), manifest?.body ?? new Uint8Array())
    const next = await startCopy(context, rig, before)
    assert.equal(existsSync(`${next.folder}/${folder}`), false)
    assert.equal(await rig.memory.head(contentKey(DAY_2, MANIFEST)), null)
    await assert.rejects(finish(writer))
    await writer.abort()
  })
})
