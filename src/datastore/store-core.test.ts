/** Ends of a datastore beside sessions that begin, and beside another process on the same folders. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { FaultFileSystem } from '../../test/support/fault-file-system.ts'
import {
  backUp,
  begin,
  finish,
  makeTestStore,
  writeArchive,
} from '../../test/support/test-store.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'

const DAY_1 = 1_767_225_600

function isStampedClean(folder: string): boolean {
  const path = `${folder}/state/datastores/store1/state.json`
  return (JSON.parse(readFileSync(path, 'utf8')) as { clean: boolean }).clean
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
