/** Links in the tree of a datastore (races.md R-06). */
import { strict as assert } from 'node:assert'
import { mkdir, rename, symlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { suite, test } from 'node:test'
import { gc, gcStore, hasChunk, T0 } from '../../../test/support/collection.ts'
import { FaultFileSystem } from '../../../test/support/fault-file-system.ts'
import { backUp } from '../../../test/support/test-store.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { formatBackupTime } from '../../formats/backup-time.ts'

/** Collections over it start no threads, which is several times as fast; but threads read an index in their own way. */
const noThreads = new FaultFileSystem(nodeFileSystem).fs

suite('collect()', () => {
  const LINKS = ['host', 'host/web1', `host/web1/${formatBackupTime(T0)}`]
  for (const place of [...LINKS, `${LINKS[2]}/root.pxar.didx`, 'ns', 'ns/a', 'ns/a/host']) {
    test(`R-06: backups behind a link at ${place} keep their chunks`, async (context) => {
      const fs = place.endsWith('.didx') ? nodeFileSystem : noThreads
      const { store, folder } = await gcStore(context, { fs })
      await backUp(store, T0, ['d'])
      if (place.startsWith('ns')) {
        await mkdir(`${store.path}/ns/a`, { recursive: true })
        await rename(`${store.path}/host`, `${store.path}/ns/a/host`)
      }
      await rename(`${store.path}/${place}`, `${folder}/elsewhere`)
      await symlink(`${folder}/elsewhere`, `${store.path}/${place}`)
      // Links that go round, or lie where no backups are, do no harm.
      await mkdir(`${store.path}/ns/b/ns`, { recursive: true })
      await symlink(`${store.path}/ns/b`, `${store.path}/ns/b/ns/b`)
      await symlink('/', `${store.path}/root`)
      await symlink('nowhere', `${store.path}/ns/b/notes`)
      const { 'index-file-count': count } = await gc(store)
      assert.equal(count, 1)
      assert.ok(await hasChunk(store, 'd'))
    })
  }

  for (const place of ['ct', 'host/web1', 'ns/a', 'root.pxar.didx']) {
    test(`R-06: deletes nothing while a link at ${place} leads nowhere`, async (context) => {
      const { store, folder } = await gcStore(context, { fs: noThreads })
      await mkdir(`${store.path}/${dirname(place)}`, { recursive: true })
      await symlink(`${folder}/a disk that is not there`, `${store.path}/${place}`)
      await assert.rejects(gc(store), { code: 'COLLECTION_UNSAFE', message: /leads nowhere/ })
    })
  }

  test('R-06: a folder that is linked as a snapshot and as a type has its links followed', async (context) => {
    const { store, folder } = await gcStore(context, { fs: noThreads })
    await backUp(store, T0, ['d'])
    await rename(`${store.path}/host/web1`, `${folder}/group`)
    await rename(`${store.path}/host`, `${folder}/type`)
    await symlink(`${folder}/group`, `${folder}/type/web1`)
    await mkdir(`${store.path}/ct/a`, { recursive: true })
    await symlink(`${folder}/type`, `${store.path}/ct/a/b`)
    // Deeper, so that it is met after the other one.
    await mkdir(`${store.path}/ns/a/ns/b`, { recursive: true })
    await symlink(`${folder}/type`, `${store.path}/ns/a/ns/b/vm`)
    await gc(store)
    assert.ok(await hasChunk(store, 'd'))
  })

  for (const name of ['caf\xe9', 'caf\xe9.didx']) {
    const kind = name.endsWith('.didx') ? 'index' : 'folder'
    test(`R-06: a name that is not UTF-8 ends the run (${kind})`, async (context) => {
      const { store, folder } = await gcStore(context, { fs: noThreads })
      await backUp(store, T0, ['d'])
      const latin1 = Buffer.from(`${store.path}/${name}`, 'latin1')
      const snapshot = `${store.path}/${LINKS[2]}`
      await rename(name.endsWith('.didx') ? `${snapshot}/root.pxar.didx` : snapshot, latin1)
      await rename(`${store.path}/host`, `${folder}/host`)
      await backUp(store, T0 + 1, ['e'])
      await assert.rejects(gc(store), { code: 'COLLECTION_MARK_FAILED' })
      assert.ok(await hasChunk(store, 'd'))
    })
  }

  test('R-66: two datastores with the same chunks are not collected', async (context) => {
    const made = await gcStore(context, { fs: noThreads })
    const { folder, registry, change } = made
    const [one, two] = [made.store.path, `${folder}/two`]
    await backUp(made.store, T0, ['of one'])
    await mkdir(two)
    await symlink(`${one}/.chunks`, `${two}/.chunks`)
    change({ path: two })
    const second = await registry.lookup(made.store.name, 'write')
    await backUp(second, T0, ['of two'], { group: 'host/web2' })
    const shared = { code: 'COLLECTION_UNSAFE', message: /its chunks are those of the datastore/ }
    await assert.rejects(gc(second), shared)
    change({ path: one })
    const first = await registry.lookup(made.store.name, 'write')
    await assert.rejects(gc(first), shared)
    for (const text of ['of one', 'of two']) assert.ok(await hasChunk(first, text))
  })
})
