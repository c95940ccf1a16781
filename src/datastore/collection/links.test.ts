/** Links in the tree of a datastore (races.md R-06). */
import { strict as assert } from 'node:assert'
import { mkdir, rename, symlink } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { gc, gcStore, hasChunk, T0 } from '../../../test/support/collection.ts'
import { backUp } from '../../../test/support/test-store.ts'
import { formatBackupTime } from '../../formats/backup-time.ts'

suite('collect()', () => {
  const LINKS = ['host', 'host/web1', `host/web1/${formatBackupTime(T0)}`]
  for (const place of [...LINKS, `${LINKS[2]}/root.pxar.didx`, 'ns', 'ns/a', 'ns/a/host']) {
    test(`R-06: backups behind a link at ${place} keep their chunks`, async (context) => {
      const { store, folder } = await gcStore(context)
      await backUp(store, T0, ['d'])
      if (place.startsWith('ns')) {
        await mkdir(`${store.path}/ns/a`, { recursive: true })
        await rename(`${store.path}/host`, `${store.path}/ns/a/host`)
      }
      await rename(`${store.path}/${place}`, `${folder}/elsewhere`)
      await symlink(`${folder}/elsewhere`, `${store.path}/${place}`)
      // Links that go round, lead nowhere or lie where no backups are do no harm.
      await mkdir(`${store.path}/ns/b/ns`, { recursive: true })
      await symlink(`${store.path}/ns/b`, `${store.path}/ns/b/ns/b`)
      await symlink('/', `${store.path}/root`)
      await symlink('nowhere', `${store.path}/ct`)
      const { 'index-file-count': count } = await gc(store)
      assert.equal(count, 1)
      assert.ok(await hasChunk(store, 'd'))
    })
  }
})
