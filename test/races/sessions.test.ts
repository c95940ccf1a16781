/** Races of backup sessions with each other and with what removes (races.md sections 2, 3, 5). */
import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { suite, test } from 'node:test'
import { hasCode } from '../../src/base/errors.ts'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { setOwner } from '../../src/datastore/groups.ts'
import { createNamespace, deleteNamespace } from '../../src/datastore/namespaces.ts'
import { forgetSnapshot } from '../../src/datastore/snapshots.ts'
import { parseGroup } from '../../src/formats/names.ts'
import { ROOT_NAMESPACE as ROOT } from '../../src/formats/namespace.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { isMutating } from '../support/fault-file-system.ts'
import { backUp, begin, finish, makeChunk, writeArchive } from '../support/test-store.ts'
import {
  ARCHIVE,
  asOtherProcess,
  assertNothingHeld,
  assertRestores,
  backUpKnown,
  DAY_1,
  DAY_2,
  DAY_3,
  isCall,
  makeRig,
  mayOtherLock,
  refAt,
} from './rig.ts'

/** A whole incremental session, which may fail anywhere. */
async function runSession(store: Datastore): Promise<void> {
  const writer = await begin(store, DAY_2)
  try {
    await writer.registerPrevious(ARCHIVE)
    await writeArchive(writer, ARCHIVE, ['one', 'two'])
    await finish(writer)
  } finally {
    await writer.abort()
  }
}

suite('base and group', () => {
  test('R-45: a base that is forgotten before it is locked gives way to the one before', async (context) => {
    const { store, before } = await makeRig(context)
    await backUp(store, DAY_1, ['one'])
    await backUp(store, DAY_2, ['two'])
    const lockOfBase = store.locks.snapshotLockPath(ROOT, refAt(DAY_2))
    const other = asOtherProcess(store)
    const state = before(isCall('open', lockOfBase), async () => {
      await forgetSnapshot(other, ROOT, refAt(DAY_2))
    })
    const writer = await begin(store, DAY_3)
    assert.ok(state.ran)
    assert.equal(writer.base?.time, DAY_1)
    await assert.rejects(forgetSnapshot(store, ROOT, refAt(DAY_1)), /unable to acquire snapshot/)
    await writer.registerPrevious(ARCHIVE)
    await writeArchive(writer, ARCHIVE, ['one'])
    await finish(writer)
    await assertRestores(store, DAY_3)
  })

  test('R-45: a base in use is kept from everybody, and its chunks with it', async (context) => {
    const { store } = await makeRig(context)
    await backUp(store, DAY_1, ['one'])
    const writer = await begin(store, DAY_2)
    await assert.rejects(forgetSnapshot(store, ROOT, refAt(DAY_1)), /unable to acquire snapshot/)
    await writer.abort()
    await forgetSnapshot(store, ROOT, refAt(DAY_1))
  })

  test('R-45: a base removed by hand while finish looks at the chunks fails it', async (context) => {
    const { store } = await makeRig(context)
    const first = await backUp(store, DAY_1, ['one'])
    const writer = await begin(store, DAY_2)
    await writeArchive(writer, ARCHIVE, ['two'])
    rmSync(first.path, { recursive: true })
    await assert.rejects(finish(writer), /was removed during backup/)
    await writer.abort()
  })

  test('R-46: one writer per group, one snapshot per second, and time goes on', async (context) => {
    const { store } = await makeRig(context)
    await backUp(store, DAY_1, ['one'])
    const writer = await begin(store, DAY_2)
    await assert.rejects(begin(store, DAY_3), /unable to acquire backup group lock/)
    await writeArchive(writer, ARCHIVE, ['two'])
    await finish(writer)
    await assert.rejects(begin(store, DAY_2), /backup timestamp is older than last backup/)
    await assert.rejects(begin(store, DAY_1), /backup timestamp is older than last backup/)
    rmSync(`${writer.path}/index.json.blob`)
    await assert.rejects(begin(store, DAY_2), /backup directory already exists/)
  })

  test('R-41: a namespace that is deleted while a backup begins does not come back', async (context) => {
    const { store, before } = await makeRig(context)
    const ns = await createNamespace(store, ROOT, 'a')
    const state = before(isCall('mkdir', '/ns/a/host'), async () => {
      await deleteNamespace(store, ns, { deleteGroups: false, errorOnProtected: true })
    })
    await assert.rejects(begin(store, DAY_1, { ns }), (error) => {
      return hasCode(error, 'NAMESPACE_MISSING')
    })
    assert.ok(state.ran)
    assert.equal(existsSync(`${store.path}/ns/a`), false)
    assertNothingHeld(store)
  })

  test('R-49: a group whose maker crashed before its owner was written can be used', async (context) => {
    const { store, disk } = await makeRig(context)
    disk.onStep((step) => {
      if (isCall('open', '/host/web1/owner')(step)) throw new Error('killed')
    })
    await assert.rejects(begin(store, DAY_1), /killed/)
    disk.onStep(null)
    assert.ok(existsSync(`${store.path}/host/web1`))
    assert.equal(existsSync(`${store.path}/host/web1/owner`), false)
    await backUp(store, DAY_1, ['one'])
  })

  test('R-49: who reads the owner while it is changed reads the old one or the new', async (context) => {
    const { store, disk } = await makeRig(context)
    await backUp(store, DAY_1, ['one'])
    const owner = `${store.path}/host/web1/owner`
    const seen = new Set<string>()
    disk.onStep(async () => {
      seen.add(Buffer.from(await nodeFileSystem.readFile(owner, 100)).toString())
    })
    await setOwner(store, ROOT, parseGroup('host/web1'), 'a@pbs')
    disk.onStep(null)
    seen.add(Buffer.from(await nodeFileSystem.readFile(owner, 100)).toString())
    assert.deepEqual([...seen], ['root@pam\n', 'a@pbs\n'])
  })
})

suite('locks and what is held', () => {
  test('R-19: whatever call of a session fails, nothing stays held', async (context) => {
    const { disk: counted, store: first } = await makeRig(context)
    await backUp(first, DAY_1, ['one'])
    counted.reset()
    await runSession(first)
    const stepCount = counted.steps.filter(isMutating).length
    assert.ok(stepCount > 20, String(stepCount))
    const { disk, store } = await makeRig(context)
    await backUp(store, DAY_1, ['one'])
    for (let failing = 1; failing <= stepCount; failing += 1) {
      let count = 0
      disk.onStep((step) => {
        if (isMutating(step)) count += 1
        if (count === failing && isMutating(step)) throw new Error('failed on purpose')
      })
      await runSession(store).catch(() => {})
      disk.onStep(null)
      assertNothingHeld(store)
      assert.equal(await mayOtherLock(store, 'exclusive'), true, `after failure ${failing}`)
      if (existsSync(`${store.path}/host/web1/2026-01-02T00:00:00Z`)) {
        await forgetSnapshot(store, ROOT, refAt(DAY_2))
      }
    }
  })

  test('R-18: whatever is done with a datastore, the process lock is not lost', async (context) => {
    const { store, registry, change } = await makeRig(context)
    await backUp(store, DAY_1, ['one'])
    const writer = await begin(store, DAY_2)
    for (const act of [
      async () => void (await registry.lookup('store1', 'read')),
      async () => change({ verifyNew: true }),
      async () => void (await registry.lookup('store1', 'write')),
      async () => void (await nodeFileSystem.readFile(`${store.path}/.lock`, 100)),
      async () => change({ maintenance: { type: 'offline', message: '' } }),
      async () => void (await registry.lookup('store1', 'read').catch(() => {})),
    ]) {
      await act()
      assert.equal(await mayOtherLock(store, 'exclusive'), false)
    }
    await writer.abort()
  })

  test('R-43: a busy manifest lock fails forget after five seconds, and the snapshot is whole', async (context) => {
    const clock = new FakeClock()
    const { store } = await makeRig(context, { clock })
    await backUp(store, DAY_1, ['one'])
    const lock = await store.locks.lockManifest(ROOT, refAt(DAY_1))
    const forgotten = assert.rejects(
      forgetSnapshot(store, ROOT, refAt(DAY_1)),
      /unable to acquire manifest lock/,
    )
    const startedMs = clock.monotonic()
    const state = { isOver: false }
    void forgotten.finally(() => {
      state.isOver = true
    })
    while (!state.isOver) {
      await new Promise((resolve) => setImmediate(resolve))
      if (clock.sleeperCount > 0) await clock.advance(50)
    }
    await forgotten
    assert.ok(clock.monotonic() - startedMs >= 5_000)
    await lock.release()
    await assertRestores(store, DAY_1)
    await forgetSnapshot(store, ROOT, refAt(DAY_1))
  })
})

suite('chunks', () => {
  test('R-16: two writers of one chunk at once, and readers see one of the two whole', async (context) => {
    const { store } = await makeRig(context)
    const { digest, blob, size } = await makeChunk('one')
    const writers = [await begin(store, DAY_1), await begin(store, DAY_1, { group: 'host/b' })]
    const results = await Promise.all(
      writers.map(async (writer) => await writer.insertChunk(digest, blob, size)),
    )
    assert.equal(results.filter(({ duplicate }) => duplicate).length, 1)
    assert.deepEqual(Buffer.from(await store.chunks.read(digest)), Buffer.from(blob))
    for (const writer of writers) await writer.abort()
  })

  test('R-11: the look at finish sees an index cloned or known, not what was only offered', async (context) => {
    const { store } = await makeRig(context)
    await backUp(store, DAY_1, ['one', 'two'])
    const { digest } = await makeChunk('two')
    const writer = await begin(store, DAY_2)
    await writer.registerPrevious(ARCHIVE)
    rmSync(store.chunks.pathOf(digest))
    await writeArchive(writer, ARCHIVE, ['one'])
    await finish(writer)
    await assertRestores(store, DAY_2)
  })

  test('known chunks alone make a whole backup', async (context) => {
    const { store } = await makeRig(context)
    await backUp(store, DAY_1, ['one'])
    await backUpKnown(store, DAY_2, 'one')
    await assertRestores(store, DAY_2)
  })
})
