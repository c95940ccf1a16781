import { strict as assert } from 'node:assert'
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { suite, test } from 'node:test'
import {
  aheadClock,
  DAY,
  forget,
  gc,
  gcStore,
  hasChunk,
  T0,
} from '../../../test/support/collection.ts'
import { FaultFileSystem } from '../../../test/support/fault-file-system.ts'
import {
  appendArchive,
  backUp,
  begin,
  finish,
  makeChunk,
} from '../../../test/support/test-store.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { formatBackupTime } from '../../formats/backup-time.ts'
import { readGcStatus } from './status.ts'

for (const engine of ['worker', 'door'] as const) {
  const fs = engine === 'worker' ? nodeFileSystem : new FaultFileSystem(nodeFileSystem).fs
  suite(`collect() with the ${engine} engine`, () => {
    test('removes what only a forgotten snapshot used, and keeps the rest', async (context) => {
      const { store } = await gcStore(context, { fs })
      await backUp(store, T0, ['old', 'both'])
      await backUp(store, T0 + DAY, ['new', 'both'])
      await forget(store, T0)
      const lines: string[] = []
      const status = await gc(store, { lines })
      assert.equal(await hasChunk(store, 'old'), false)
      assert.equal(await hasChunk(store, 'both'), true)
      assert.equal(await hasChunk(store, 'new'), true)
      assert.equal(status['removed-chunks'], 1)
      assert.equal(status['disk-chunks'], 2)
      assert.equal(status['index-file-count'], 1)
      assert.deepEqual(await readGcStatus(store), status)
      assert.equal(store.core.gate.size, 0)
      assert.equal(store.core.processLock.isExclusive, false)
      assert.equal(store.core.sessions.onRegister, null)
      assert.ok(lines.includes('marked 100% (1 of 1 index files)'), lines.join('\n'))
    })

    test('keeps young garbage as pending', async (context) => {
      const { store } = await gcStore(context, { fs, settings: { gcGraceMs: 3_600_000 } })
      await backUp(store, T0, ['old'])
      await backUp(store, T0 + DAY, ['new'])
      await forget(store, T0)
      const status = await gc(store)
      assert.equal(await hasChunk(store, 'old'), true)
      assert.equal(status['pending-chunks'], 1)
      assert.equal(status['removed-chunks'], 0)
    })

    test('keeps what a live session uploaded and cloned', async (context) => {
      const { store } = await gcStore(context, { fs })
      await backUp(store, T0, ['base'])
      const writer = await begin(store, T0 + DAY)
      const { digest, blob, size } = await makeChunk('fresh')
      await writer.insertChunk(digest, blob, size)
      await gc(store)
      assert.equal(await hasChunk(store, 'fresh'), true)
      await appendArchive(writer, 'root.pxar.didx', [{ digest, size }])
      await finish(writer)
      await gc(store)
      assert.equal(await hasChunk(store, 'fresh'), true)
    })

    test('makes several passes when the memory is short', async (context) => {
      const { store } = await gcStore(context, { fs })
      const texts = Array.from({ length: 40 }, (_value, index) => `chunk ${index}`)
      await backUp(store, T0, texts)
      await backUp(store, T0 + DAY, texts.slice(0, 20))
      await forget(store, T0)
      const status = await gc(store, { passCount: 3 })
      assert.equal(status['removed-chunks'], 20)
      assert.equal(status['disk-chunks'], 20)
      assert.equal(status['index-file-count'], 1)
    })

    test('treats bad chunks and temporaries by their digest, and leaves other names alone', async (context) => {
      const { store } = await gcStore(context, { fs })
      await backUp(store, T0, ['good', 'lost'])
      const [good, lost, other] = await Promise.all(['good', 'lost', 'other'].map(makeChunk))
      assert.ok(good !== undefined && lost !== undefined && other !== undefined)
      const paths = [good, lost, other].map(({ digest }) => store.chunks.pathOf(digest))
      const [goodPath = '', lostPath = '', otherPath = ''] = paths
      await mkdir(dirname(otherPath), { recursive: true })
      await rename(lostPath, `${lostPath}.0.bad`)
      for (const path of [`${goodPath}.0.bad`, `${otherPath}.3.bad`, `${goodPath}.10.bad`]) {
        await writeFile(path, 'x')
      }
      await writeFile(`${goodPath}.tmp_ABCDEF`, 'x')
      await writeFile(`${dirname(goodPath)}/${other.digest}`, 'in another folder')
      const day = 86_400_000
      const clock = { ...aheadClock, now: () => aheadClock.now() + day }
      const lines: string[] = []
      const status = await gc({ ...store, clock }, { lines })
      assert.equal(status['removed-bad'], 2)
      assert.equal(status['still-bad'], 1)
      assert.equal(status['disk-chunks'], 1)
      const shown = `/host/web1/${formatBackupTime(T0)}/root.pxar.didx`
      const warning = `warning: unable to access non-existent chunk ${lost.digest}, required by "${store.path}${shown}"`
      assert.ok(lines.includes(warning), lines.join('\n'))
      assert.deepEqual(await store.core.missing.list(), [lost.digest])
      const left = [...(await readdir(dirname(goodPath))), ...(await readdir(dirname(lostPath)))]
      const wanted = [good.digest, `${good.digest}.10.bad`, other.digest, `${lost.digest}.0.bad`]
      assert.deepEqual(left.toSorted(), wanted.toSorted())
    })

    test('finds garbage in folders that it passed by before', async (context) => {
      const { store } = await gcStore(context, { fs })
      await backUp(store, T0, ['old', 'both'])
      await backUp(store, T0 + DAY, ['new', 'both'])
      const clock = { ...aheadClock, now: () => aheadClock.now() + 60_000 }
      const settled = { ...store, clock }
      const sizes = `${store.core.collection.folder}/folder-sizes`
      await gc(settled)
      assert.equal((await gc(settled))['disk-chunks'], 3)
      const before = await readFile(sizes)
      await forget(store, T0)
      const waits = { ...settled, settings: { ...store.settings, gcGraceMs: DAY * 1000 } }
      assert.equal((await gc(waits))['pending-chunks'], 1)
      // As if that run had ended before it wrote them: they go with other marks.
      await writeFile(sizes, before)
      const status = await gc(settled)
      assert.equal(status['removed-chunks'], 1)
      assert.equal(status['disk-chunks'], 2)
      assert.equal(await hasChunk(store, 'old'), false)
    })

    test('makes more passes by itself when the marks take more than gc-memory', async (context) => {
      // A table begins with 16 KiB; a block of keys is not counted beyond what is in it.
      const settings = { gcMemoryMax: 18_500 }
      const { store } = await gcStore(context, { fs, settings })
      const texts = Array.from({ length: 400 }, (_value, index) => `chunk ${index}`)
      await backUp(store, T0, texts)
      await backUp(store, T0 + DAY, texts.slice(0, 390))
      await forget(store, T0)
      const lines: string[] = []
      const status = await gc(store, { lines })
      assert.equal(status['removed-chunks'], 10)
      assert.equal(status['disk-chunks'], 390)
      assert.equal(status['index-file-count'], 1)
      const halved = lines.filter((line) => line.startsWith('marks take too much memory'))
      assert.ok(halved.length > 0, lines.join('\n'))
      const passes = lines.filter((line) => line.startsWith('Start GC phase2'))
      assert.ok(passes.length >= 2, passes.join('\n'))
    })

    test('knows sizes again without asking, and writes nothing to chunks that stay', async (context) => {
      const { store } = await gcStore(context, { fs })
      await backUp(store, T0, ['one', 'three'])
      const clock = { ...aheadClock, now: () => aheadClock.now() + 60_000 }
      const path = store.chunks.pathOf((await makeChunk('one')).digest)
      const before = await nodeFileSystem.stat(path)
      const first = await gc({ ...store, clock })
      const second = await gc({ ...store, clock })
      assert.equal(second['disk-bytes'], first['disk-bytes'])
      assert.equal(second['disk-chunks'], 2)
      const { atimeNs, mtimeNs, ctimeNs } = await nodeFileSystem.stat(path)
      assert.deepEqual(
        [atimeNs, mtimeNs, ctimeNs],
        [before.atimeNs, before.mtimeNs, before.ctimeNs],
      )
    })
  })
}
