/** Ends of a datastore beside sessions that begin, and beside another process on the same folders. */
import assert from 'node:assert/strict'
import {
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { suite, test } from 'node:test'
import { FaultFileSystem } from '../../test/support/fault-file-system.ts'
import {
  backUp,
  begin,
  finish,
  makeChunk,
  makeTestStore,
  writeArchive,
} from '../../test/support/test-store.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import type { Datastore } from './datastore.ts'

const DAY_1 = 1_767_225_600

function isStampedClean(folder: string): boolean {
  const path = `${folder}/state/datastores/store1/state.json`
  return (JSON.parse(readFileSync(path, 'utf8')) as { clean: boolean }).clean
}

/** Whether an upload of the chunk `one`, which reads well, stores it anew. */
async function isWrittenAgain(store: Datastore, disk: FaultFileSystem): Promise<boolean> {
  const writer = await begin(store, DAY_1 + 1)
  const { digest, blob, size } = await makeChunk('one')
  disk.reset()
  const { duplicate } = await writer.insertChunk(digest, blob, size)
  assert.equal(duplicate, true)
  const isWritten = disk.stepNames.includes('handle.write')
  await writer.abort()
  return isWritten
}

suite('StoreCore', () => {
  // The one that ended said "clean" for both: after a power cut the other one's chunks were trusted unseen.
  test('is stamped clean by the last of several processes only', async (context) => {
    const { store, registry, folder } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const mark = `${folder}/state/datastores/store1/in-use.lock`
    {
      await using other = await nodeFileSystem.open(mark, 'read-write-create')
      assert.ok(other.tryLock('flock', 'shared'), 'as another process that has had a session')
      await registry.close()
      assert.equal(isStampedClean(folder), false)
    }
    const { store: again, registry: last } = await makeTestStore(context, { folder })
    await backUp(again, DAY_1 + 1, ['two'])
    await last.close()
    assert.equal(isStampedClean(folder), true)
  })

  // Prefix folders are made as they are needed: backups would end well, and be hidden as soon as it is mounted.
  test('is not opened while `.chunks` is a mount point without its file system', async (context) => {
    const { store, registry, folder } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    await registry.close()
    const chunks = `${store.path}/.chunks`
    renameSync(chunks, `${folder}/mounted`)
    mkdirSync(chunks)
    await assert.rejects(makeTestStore(context, { folder }), {
      code: 'DATASTORE_OPEN_FAILED',
      message: /is a file system not mounted\?$/,
    })
    rmdirSync(chunks)
    renameSync(`${folder}/mounted`, chunks)
    const { store: again, registry: last } = await makeTestStore(context, { folder })
    await backUp(again, DAY_1 + 1, ['one'])
    await last.close()
    // Moved to another disk.
    cpSync(chunks, `${folder}/copy`, { recursive: true })
    renameSync(chunks, `${folder}/old`)
    renameSync(`${folder}/copy`, chunks)
    const { store: moved } = await makeTestStore(context, { folder })
    await backUp(moved, DAY_1 + 2, ['one'])
  })

  // A successor took its predecessor's running sessions for a crash, and wrote over what that one knew of failed syncs.
  test('beside another process nothing is in doubt, and the doubt of both is kept', async (context) => {
    const { store, registry, folder } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    await registry.close()
    const statePath = `${folder}/state/datastores/store1/state.json`
    const state = { clean: false, lastGoodSyncMs: 5, doubt: null }
    writeFileSync(statePath, JSON.stringify(state))
    await using other = await nodeFileSystem.open(
      `${folder}/state/datastores/store1/in-use.lock`,
      'read-write-create',
    )
    assert.ok(other.tryLock('flock', 'shared'))
    const { store: again } = await makeTestStore(context, { folder })
    assert.equal(again.core.doubt.window, null)
    const doubt = { fromMs: 1, untilMs: 2 }
    writeFileSync(statePath, JSON.stringify({ ...state, doubt, rewrites: true }))
    await backUp(again, DAY_1 + 1, ['two'])
    const kept = JSON.parse(readFileSync(statePath, 'utf8')) as Record<string, unknown>
    assert.deepEqual([kept['doubt'], kept['rewrites'], kept['clean']], [doubt, true, false])
  })

  // The next process read pages that the disk never got, found them well and relied on them.
  test('what a failed sync may have lost is written again, also by the next process', async (context) => {
    const disk = new FaultFileSystem(nodeFileSystem)
    const { store, registry, folder } = await makeTestStore(context, { fs: disk.fs })
    const writer = await begin(store, DAY_1)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    disk.plan({ at: 1, name: 'handle.syncFileSystem', errno: 'EIO' })
    await assert.rejects(finish(writer), /Input\/output error/)
    await writer.abort()
    await registry.close()
    disk.reset()
    const { store: again } = await makeTestStore(context, { fs: disk.fs, folder })
    assert.ok(await isWrittenAgain(again, disk))
  })

  // The copy that the disk had was replaced by one that it had not got: the next failure or power cut took both, and
  // with them a chunk of finished snapshots.
  test('a chunk that is written again is on the disk before it takes its place', async (context) => {
    const disk = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: disk.fs })
    await backUp(store, DAY_1, ['one'])
    const writer = await begin(store, DAY_1 + 1)
    disk.plan({ at: 1, name: 'handle.syncFileSystem', errno: 'EIO' })
    await assert.rejects(store.core.sync.run())
    await writer.abort()
    const { digest, blob, size } = await makeChunk('one')
    const { ino } = statSync(store.chunks.pathOf(digest))
    const next = await begin(store, DAY_1 + 2)
    disk.reset()
    disk.plan({ at: 1, name: 'handle.sync', errno: 'EIO' })
    await assert.rejects(next.insertChunk(digest, blob, size), { code: 'EIO' })
    disk.assertAllUsed()
    assert.equal(statSync(store.chunks.pathOf(digest)).ino, ino, 'the old one stays')
    disk.reset()
    await next.insertChunk(digest, blob, size)
    assert.ok(disk.stepNames.indexOf('handle.sync') < disk.stepNames.indexOf('rename'))
    assert.notEqual(statSync(store.chunks.pathOf(digest)).ino, ino)
    await next.abort()
  })

  // Its write was over before the failing sync and counted as one after it.
  test('a chunk written while a sync fails is not trusted', async (context) => {
    const disk = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: disk.fs })
    const writer = await begin(store, DAY_1)
    disk.plan({ at: 1, name: 'handle.syncFileSystem', errno: 'EIO' })
    disk.onStep(async ({ name }) => {
      if (name !== 'rename') return
      disk.onStep(null)
      await assert.rejects(store.core.sync.run())
    })
    const { digest, blob, size } = await makeChunk('one')
    await writer.insertChunk(digest, blob, size)
    disk.assertAllUsed()
    await writer.abort()
    assert.ok(await isWrittenAgain(store, disk))
  })

  // Taken out of use between look-up and session, the store was closed and stamped clean below the session, and the
  // next look-up got a second gate and other sessions beside it.
  test('is not closed below a session that is beginning', async (context) => {
    const disk = new FaultFileSystem(nodeFileSystem)
    const { store, registry, change } = await makeTestStore(context, { fs: disk.fs })
    const begun = begin(store, DAY_1)
    change({ maintenance: { type: 'offline', message: '' } })
    await assert.rejects(registry.lookup('store1', 'read'), /offline/)
    const writer = await begun
    assert.equal(store.core.isClosed, false)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    disk.reset()
    await finish(writer)
    assert.ok(disk.stepNames.includes('handle.syncFileSystem'))
    await assert.rejects(registry.lookup('store1', 'read'), /offline/)
    assert.equal(store.core.isClosed, true, 'let go when nobody uses it')
    await assert.rejects(begin(store, DAY_1 + 1), /was closed meanwhile/)
  })
})
