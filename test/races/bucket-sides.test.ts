/** Races between a datastore's folder and its bucket, and between two servers (races.md ). */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentProgress } from '../../src/base/progress.ts'
import { createDatastore } from '../../src/datastore/create.ts'
import { setSnapshotNotes } from '../../src/datastore/manifest-store.ts'
import { forgetSnapshot, setProtected } from '../../src/datastore/snapshots.ts'
import { verifySnapshot } from '../../src/datastore/verify/verify-snapshot.ts'
import { ROOT_NAMESPACE as ROOT } from '../../src/formats/namespace.ts'
import { REQUEST_LIFE_MS } from '../../src/storage/ledger.ts'
import { makeBucketStore } from '../support/bucket-store.ts'
import { gc } from '../support/collection.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import {
  backUp,
  begin,
  finish,
  makeChunk,
  STORE,
  UPID,
  writeArchive,
} from '../support/test-store.ts'
import { type BucketRig, hasObject, makeBucketRig, SOME_TIME_MS, timeText } from './bucket-rig.ts'
import { ARCHIVE, DAY_1, DAY_2, refAt } from './rig.ts'

const FOLDER = `host/web1/${timeText(DAY_1)}`
const MANIFEST = `${STORE}/.cnt/${FOLDER}/index.json.blob`
const LEAVING = { code: 'SNAPSHOT_LEAVING' }

/** What the bucket has of the first snapshot. */
function namesOf({ memory }: BucketRig): string[] {
  return memory.keys.filter((key) => key.includes(FOLDER))
}

suite('two sides', () => {
  test('R-57: a snapshot that the bucket does not let go stays here, too', async (context) => {
    const { store, objects } = await makeBucketRig(context)
    await backUp(store, DAY_1, ['d'])
    objects.refuse('delete', MANIFEST)
    await assert.rejects(forgetSnapshot(store, ROOT, refAt(DAY_1)))
    assert.ok(existsSync(`${store.path}/${FOLDER}/index.json.blob`))
    await forgetSnapshot(store, ROOT, refAt(DAY_1))
    assert.equal(existsSync(`${store.path}/${FOLDER}`), false)
    objects.assertDone()
  })

  test('R-57: a backup is finished here only when it is in the bucket', async (context) => {
    const { store, objects } = await makeBucketRig(context)
    const writer = await begin(store, DAY_1)
    await writeArchive(writer, ARCHIVE, ['d'])
    const put = objects.hold('put', MANIFEST)
    const finished = finish(writer)
    await Promise.race([put.arrived, finished])
    assert.equal(existsSync(`${store.path}/${FOLDER}/index.json.blob`), false)
    put.release()
    await finished
    assert.ok(existsSync(`${store.path}/${FOLDER}/index.json.blob`))
    objects.assertDone()
  })

  test('R-57: what the bucket keeps protected stays protected here', async (context) => {
    const { store, objects, memory } = await makeBucketRig(context)
    await backUp(store, DAY_1, ['d'])
    await setProtected(store, ROOT, refAt(DAY_1), true)
    assert.ok(memory.keys.includes(`${STORE}/.cnt/${FOLDER}/.protected`))
    objects.refuse('delete')
    await assert.rejects(setProtected(store, ROOT, refAt(DAY_1), false))
    assert.ok(existsSync(`${store.path}/${FOLDER}/.protected`))
    objects.assertDone()
  })

  test('R-57: a removal that a kill ended between the two is ended at the next start', async (context) => {
    const rig = await makeBucketRig(context)
    await backUp(rig.store, DAY_1, ['d'])
    await backUp(rig.store, DAY_2, ['d'])
    // The manifest is gone there by then.
    const held = rig.objects.hold('delete', /idx$/)
    const forgotten = forgetSnapshot(rig.store, ROOT, refAt(DAY_1))
    await held.arrived
    const next = await makeBucketRig(context, { before: await rig.remains() })
    assert.ok(existsSync(`${next.store.path}/${FOLDER}/index.json.blob`))
    await next.registry.recover([STORE], () => {})
    assert.equal(existsSync(`${next.store.path}/${FOLDER}`), false)
    assert.deepEqual(namesOf(next), [])
    assert.ok(existsSync(`${next.store.path}/host/web1/${timeText(DAY_2)}`))
    held.release()
    await forgotten
  })

  test('R-57: a removal that was not answered is ended by a collection, and nothing is changed before', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects } = rig
    await backUp(store, DAY_1, ['d'])
    await backUp(store, DAY_2, ['e'])
    objects.loseAnswer('delete', MANIFEST)
    await assert.rejects(forgetSnapshot(store, ROOT, refAt(DAY_1)))
    await assert.rejects(setProtected(store, ROOT, refAt(DAY_1), true), LEAVING)
    await assert.rejects(setSnapshotNotes(store, ROOT, refAt(DAY_1), 'kept'), LEAVING)
    const lines: string[] = []
    const progress = { ...silentProgress(), log: (line: string) => void lines.push(line) }
    const verified = await verifySnapshot(store, ROOT, refAt(DAY_1), { progress, upid: UPID })
    assert.equal(verified.ok, true)
    assert.match(lines.join(), /SKIPPED: .* its removal began/)
    rig.clock.skip(SOME_TIME_MS)
    const collected: string[] = []
    const status = await gc(store, { lines: collected })
    assert.deepEqual(
      collected.filter((line) => line.startsWith('WARN')),
      [],
    )
    assert.equal(status['removed-chunks'], 1)
    assert.equal(existsSync(`${store.path}/${FOLDER}`), false)
    assert.deepEqual(namesOf(rig), [])
    objects.assertDone()
  })

  test('R-57: a snapshot of which nothing was removed may be kept again', async (context) => {
    const { store, objects, clock } = await makeBucketRig(context)
    await backUp(store, DAY_1, ['d'])
    objects.fail('delete', MANIFEST)
    await assert.rejects(forgetSnapshot(store, ROOT, refAt(DAY_1)))
    await assert.rejects(setProtected(store, ROOT, refAt(DAY_1), true), LEAVING)
    clock.skip(REQUEST_LIFE_MS + 1)
    await setProtected(store, ROOT, refAt(DAY_1), true)
    await setSnapshotNotes(store, ROOT, refAt(DAY_1), 'kept')
    await gc(store)
    assert.ok(existsSync(`${store.path}/${FOLDER}/index.json.blob`))
  })

  test('R-60: where a delete may still come, no snapshot begins', async (context) => {
    const { store, objects, memory, clock } = await makeBucketRig(context)
    await backUp(store, DAY_1, ['d'])
    const late = objects.executeAgainLater('delete', MANIFEST)
    await forgetSnapshot(store, ROOT, refAt(DAY_1))
    await assert.rejects(begin(store, DAY_1), { code: 'SNAPSHOT_SUSPECT' })
    await late.execute()
    clock.skip(REQUEST_LIFE_MS + 1)
    await backUp(store, DAY_1, ['d'])
    assert.ok(memory.keys.includes(MANIFEST))
  })
})

suite('two owners', () => {
  test('R-64: stock’s marker files are no evidence', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const path = `${folder}/store`
    const progress = silentProgress()
    await createDatastore(nodeFileSystem, { name: STORE, path, progress, chunkFolders: false })
    const { digest } = await makeChunk('d')
    mkdirSync(`${path}/.chunks/${digest.slice(0, 4)}`, { recursive: true })
    writeFileSync(`${path}/.chunks/${digest.slice(0, 4)}/${digest}`, '')
    const made = await makeBucketStore(context, { folder, reuse: true })
    await backUp(made.store, DAY_1, ['d'])
    assert.ok(made.memory.keys.some((key) => key.endsWith(`/${digest}`)))
    const left = readdirSync(`${path}/.chunks`, { recursive: true }).map(String)
    assert.deepEqual(
      left.filter((name) => name.endsWith(digest)),
      [],
    )
  })

  test('R-66: two folders never have one place in a bucket', async (context) => {
    const first = await makeBucketStore(context)
    const { memory } = first
    await assert.rejects(makeBucketStore(context, { memory, overwriteInUse: true }), {
      code: 'DATASTORE_OPEN_FAILED',
    })
  })

  test('R-70: a late PUT of an older manifest does not replace a newer one', async (context) => {
    const rig = await makeBucketRig(context)
    const { store, objects, memory } = rig
    await backUp(store, DAY_1, ['d'])
    await backUp(store, DAY_2, ['d'])
    const late = objects.executeLater('put', MANIFEST)
    await assert.rejects(setSnapshotNotes(store, ROOT, refAt(DAY_1), 'old'))
    await setSnapshotNotes(store, ROOT, refAt(DAY_1), 'new')
    const before = await memory.get(MANIFEST)
    await late.execute().catch(() => {})
    assert.deepEqual((await memory.get(MANIFEST))?.body, before?.body)
    assert.ok(await hasObject(rig, 'd'))
  })
})
