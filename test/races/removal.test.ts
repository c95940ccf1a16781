/** Removals beside everything that looks at snapshots (races.md section 5). */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { FileSystem } from '../../src/base/fs/file-system.ts'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentProgress } from '../../src/base/progress.ts'
import {
  readManifest,
  readSnapshotNotes,
  setSnapshotNotes,
  updateUnprotected,
} from '../../src/datastore/manifest-store.ts'
import { beginRead } from '../../src/datastore/sessions/begin-read.ts'
import {
  forgetSnapshot,
  isProtected,
  listSnapshots,
  setProtected,
} from '../../src/datastore/snapshots.ts'
import { verifySnapshot } from '../../src/datastore/verify/verify-snapshot.ts'
import { parseGroup } from '../../src/formats/names.ts'
import { ROOT_NAMESPACE as ROOT } from '../../src/formats/namespace.ts'
import { gc } from '../support/collection.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { backUp, begin, UPID } from '../support/test-store.ts'
import {
  ARCHIVE,
  assertRestores,
  DAY_1,
  DAY_2,
  DAY_3,
  isCall,
  makeRig,
  refAt,
  asOtherProcess,
} from './rig.ts'

const GROUP = parseGroup('host/web1')

suite('forget', () => {
  test('R-47: at no step of a removal is a snapshot seen that is not whole', async (context) => {
    const door: { fs: FileSystem } = { fs: nodeFileSystem }
    // Call by call, as the real one does without showing it.
    const fs = {
      ...nodeFileSystem,
      removeTree: async (path: string) => await removeAll(door.fs, path),
    }
    const { store, disk } = await makeRig(context, { fs })
    door.fs = disk.fs
    await backUp(store, DAY_1, ['one'])
    await backUp(store, DAY_2, ['two'])
    const ref = refAt(DAY_1)
    let stepCount = 0
    let isLooking = false
    const options = { progress: silentProgress(), upid: UPID }
    disk.onStep(async ({ path }) => {
      // A collection waits for a note that is just being written.
      if (isLooking || path.includes('/removals')) return
      isLooking = true
      stepCount += 1
      const listed = await listSnapshots(store, ROOT, GROUP)
      const mine = listed.find((listing) => listing.ref.time === DAY_1)
      if (mine !== undefined) {
        assert.deepEqual(mine.files, ['index.json.blob', ARCHIVE])
        assert.ok(mine.finished)
        await assertRestores(store, DAY_1)
      }
      assert.ok((await verifySnapshot(store, ROOT, ref, options)).ok)
      await gc(store)
      await assertRestores(store, DAY_2)
      isLooking = false
    })
    await forgetSnapshot(store, ROOT, ref)
    disk.onStep(null)
    assert.ok(stepCount > 10, String(stepCount))
    const writer = await begin(store, DAY_3)
    assert.equal(writer.base?.time, DAY_2)
    await writer.abort()
  })

  test('R-48: a snapshot that is protected before its removal has it locked stays', async (context) => {
    const { store, before } = await makeRig(context)
    await backUp(store, DAY_1, ['one'])
    const lock = store.locks.snapshotLockPath(ROOT, refAt(DAY_1))
    const state = before(isCall('open', lock), async () => {
      await setProtected(asOtherProcess(store), ROOT, refAt(DAY_1), true)
    })
    await assert.rejects(forgetSnapshot(store, ROOT, refAt(DAY_1)), /protected snapshot/)
    assert.ok(state.ran)
    assert.ok(await isProtected(store, ROOT, refAt(DAY_1)))
    await assertRestores(store, DAY_1)
  })

  test('R-42: an update of the manifest and a removal follow each other', async (context) => {
    const clock = new FakeClock()
    const { store, before } = await makeRig(context, { clock })
    await backUp(store, DAY_1, ['one'])
    const later: Promise<void>[] = []
    const state = before(isCall('rename', 'index.json.blob'), async () => {
      // The update is about to publish: a removal that did not wait would take the folder from under it.
      const forgotten = forgetSnapshot(store, ROOT, refAt(DAY_1))
      later.push(forgotten)
      await Promise.race([
        forgotten.then(() => assert.fail('it did not wait')),
        clock.untilSleeping(),
      ])
    })
    await setSnapshotNotes(store, ROOT, refAt(DAY_1), 'a note')
    assert.ok(state.ran)
    await clock.advance(1_000)
    await Promise.all(later)
    await assert.rejects(readSnapshotNotes(store, ROOT, refAt(DAY_1)))
  })

  test('R-42: a later update sees what an earlier one wrote', async (context) => {
    const clock = new FakeClock()
    const { store, before } = await makeRig(context, { clock })
    await backUp(store, DAY_1, ['one'])
    const second: Promise<void>[] = []
    const state = before(isCall('rename', 'index.json.blob'), async () => {
      const updated = updateUnprotected(store, ROOT, refAt(DAY_1), (unprotected) => {
        return { ...unprotected, other: 1 }
      })
      second.push(updated)
      await Promise.race([updated, clock.untilSleeping()])
    })
    await setSnapshotNotes(store, ROOT, refAt(DAY_1), 'a note')
    await clock.advance(1_000)
    await Promise.all(second)
    assert.ok(state.ran)
    const { unprotected } = (await readManifest(store, ROOT, refAt(DAY_1))).manifest
    assert.equal(unprotected['notes'], 'a note')
    assert.equal(unprotected['other'], 1)
  })

  test('I11: what is being read is not removed', async (context) => {
    const { store } = await makeRig(context)
    await backUp(store, DAY_1, ['one'])
    {
      await using _reader = await beginRead(store, {
        ns: ROOT,
        ref: refAt(DAY_1),
        checkOwner: null,
      })
      await assert.rejects(forgetSnapshot(store, ROOT, refAt(DAY_1)), /unable to acquire/)
    }
    await forgetSnapshot(store, ROOT, refAt(DAY_1))
  })
})

async function removeAll(fs: FileSystem, path: string): Promise<void> {
  for (const { name } of await fs.readDir(path)) await fs.unlink(`${path}/${name}`)
  await fs.rmdir(path)
}
