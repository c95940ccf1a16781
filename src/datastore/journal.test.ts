import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FaultFileSystem } from '../../test/support/fault-file-system.ts'
import { begin, makeTestStore } from '../../test/support/test-store.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'

suite('Journal', () => {
  // The start of a second server read the journal while a session of the first one ended, and failed.
  test('an entry that goes between listing and reading is not there', async (context) => {
    const disk = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: disk.fs })
    const writer = await begin(store, 1_767_225_600)
    const { journal } = store.core
    assert.deepEqual(
      (await journal.list()).map(({ id }) => id),
      [writer.journalId],
    )
    disk.plan({ at: 1, name: 'readFile', errno: 'ENOENT' })
    assert.deepEqual(await journal.list(), [])
    assert.equal((await journal.list()).length, 1, 'and nothing was removed')
    await writer.abort()
    assert.deepEqual(await journal.list(), [])
  })
})
