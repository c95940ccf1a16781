/** What the options of the server and of a datastore say together. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { silentProgress } from '../base/progress.ts'
import { systemClock } from '../base/time/clock.ts'
import { ConfigFiles } from '../config/config-files.ts'
import { addDatastore } from '../config/datastores.ts'
import { ensurePlaces, resolvePaths } from '../config/paths.ts'
import { createDatastore } from '../datastore/create.ts'
import { compose } from './compose.ts'

suite('compose()', () => {
  test('waits for known chunks as the datastore says, unless the server was told', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const paths = resolvePaths({ data: folder })
    const fs = nodeFileSystem
    await ensurePlaces(fs, paths)
    const files = new ConfigFiles({ fs, clock: systemClock, paths })
    const path = `${folder}/store`
    const made = { name: 'store1', path, progress: silentProgress(), chunkFolders: false }
    await createDatastore(fs, made)
    const tuning = 'known-chunk-check=register,known-chunk-wait=7'
    await addDatastore(files, { name: 'store1', path, properties: new Map([['tuning', tuning]]) })
    for (const [sessions, waitMs] of [
      [{}, 7_000],
      [{ knownChunkWaitMs: 0 }, 0],
    ] as const) {
      const composition = await compose({ paths, fingerprint: '', sessions }, () => {})
      const { settings } = await composition.context.datastores.lookup('store1', 'read')
      assert.equal(settings.knownChunkWaitMs, waitMs)
      assert.equal(settings.knownChunkCheck, 'register')
      await composition.close()
    }
  })
})
