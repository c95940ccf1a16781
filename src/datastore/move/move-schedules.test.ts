/** Moves beside a collection, and moves that a crash ends, at every step (races.md ). */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { suite, test } from 'node:test'
import { gc, gcStore, hasChunk } from '../../../test/support/collection.ts'
import { FaultFileSystem, isMutating } from '../../../test/support/fault-file-system.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { backUp, makeTestStore, UPID } from '../../../test/support/test-store.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { silentProgress } from '../../base/progress.ts'
import { parseGroup } from '../../formats/names.ts'
import { type NamespacePath, parseNamespace, ROOT_NAMESPACE } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { groupExists, readGroupNotes, readOwner, setGroupNotes } from '../groups.ts'
import { createNamespace } from '../namespaces.ts'
import { listSnapshots } from '../snapshots.ts'
import { verifySnapshot } from '../verify/verify-snapshot.ts'
import { moveGroup } from './move-group.ts'

const GROUP = parseGroup('host/web1')
const DAY = 86_400
const DAY_1 = 1_767_225_600
const ROOT = ROOT_NAMESPACE
const A = parseNamespace('a')
const CHUNKS = ['one', 'two', 'common']
/** Every third step: a collection has some hundred, most of them alike. */
const STRIDE = 3
/** Restarts take most of the time. */
const CRASH_STRIDE = 2
/** Far more than a small collection needs. */
const TURNS = 400

/** Two snapshots, three chunks; `host/web1` is in the root. */
async function fill(store: Datastore): Promise<void> {
  await createNamespace(store, ROOT, 'a')
  await backUp(store, DAY_1, ['one', 'common'])
  await backUp(store, DAY_1 + DAY, ['two', 'common'])
  await setGroupNotes(store, ROOT, GROUP, 'notes')
}

async function timesIn(store: Datastore, ns: NamespacePath): Promise<number[]> {
  return (await listSnapshots(store, ns, GROUP)).map(({ ref }) => ref.time)
}

/** To the other of the two namespaces. */
async function moveAcross(store: Datastore): Promise<void> {
  const isInRoot = await groupExists(store, ROOT, GROUP)
  const [source, target] = isInRoot ? [ROOT, A] : [A, ROOT]
  const progress = silentProgress()
  await moveGroup(store, { source, target, group: GROUP, mergeGroup: true, progress })
}

async function assertChunks(store: Datastore, when: string): Promise<void> {
  for (const text of CHUNKS) assert.ok(await hasChunk(store, text), `${text} is lost: ${when}`)
}

suite('R-04, R-61', () => {
  test('a move at any step of a collection loses no chunk', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store } = await gcStore(context, { fs: faults.fs })
    await fill(store)
    await gc(store)
    faults.reset()
    await gc(store)
    const stepCount = faults.steps.length
    assert.ok(stepCount > 20, String(stepCount))
    let moveCount = 0
    for (let at = 1; at <= stepCount; at += STRIDE) {
      let count = 0
      faults.onStep(async () => {
        count += 1
        if (count !== at) return
        moveCount += 1
        await moveAcross(store)
      })
      await gc(store)
      faults.onStep(null)
      await assertChunks(store, `move before step ${at} of ${stepCount}`)
    }
    assert.ok(moveCount >= Math.floor(stepCount / STRIDE) - 1, String(moveCount))
    context.diagnostic(`${moveCount} of ${stepCount} steps`)
  })

  test('a collection that begins at any step of a move loses no chunk', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store } = await gcStore(context, { fs: faults.fs })
    await fill(store)
    faults.reset()
    await moveAcross(store)
    const stepCount = faults.steps.length
    const { collection } = store.core
    const untilNoMoves = collection.untilNoMoves.bind(collection)
    const seen = { isWaiting: false }
    context.mock.method(collection, 'untilNoMoves', async (signal?: AbortSignal) => {
      seen.isWaiting = true
      await untilNoMoves(signal)
    })
    let waitCount = 0
    for (let at = 1; at <= stepCount; at += STRIDE) {
      seen.isWaiting = false
      let count = 0
      const collections: Promise<unknown>[] = []
      faults.onStep(async () => {
        count += 1
        if (count !== at) return
        faults.onStep(null)
        collections.push(gc(store))
        // Ahead of the move as far as it gets; it may wait for what the move holds.
        for (let turn = 0; turn < TURNS && !seen.isWaiting; turn += 1) {
          // A turn with real I/O in it: the collection gets as far on a slow machine.
          await nodeFileSystem.stat(store.path)
        }
        if (seen.isWaiting) waitCount += 1
      })
      await moveAcross(store)
      faults.onStep(null)
      await Promise.all(collections)
      await assertChunks(store, `collection from step ${at} of ${stepCount}`)
    }
    assert.ok(waitCount > 0)
    assert.equal(store.core.sessions.count, 0)
  })
})

suite('a crash at any step of a move', () => {
  test('leaves every snapshot whole at one of the two places, and another move goes on', async (context) => {
    const healthy = await makeTestStore(context)
    await fill(healthy.store)
    await healthy.registry.close()
    let stepCount = 1
    for (let at = 0; at <= stepCount; at += at === 0 ? 1 : CRASH_STRIDE) {
      const folder = await makeTemporaryFolder(context)
      cpSync(healthy.folder, folder, { recursive: true, preserveTimestamps: true })
      const faults = new FaultFileSystem(nodeFileSystem)
      const crashing = await makeTestStore(context, { folder, fs: faults.fs })
      faults.reset()
      let count = 0
      faults.onStep((step) => {
        if (!isMutating(step)) return
        count += 1
        // From then on nothing is written any more.
        if (at > 0 && count >= at) throw new Error('crashed')
      })
      await moveAcross(crashing.store).catch(() => {})
      if (at === 0) stepCount = count
      await crashing.registry.close().catch(() => {})
      await checkAfterCrash(folder, `step ${at} of ${stepCount}`)
    }
    assert.ok(stepCount > 15, String(stepCount))

    async function checkAfterCrash(folder: string, when: string): Promise<void> {
      const { store, registry } = await makeTestStore(context, {
        folder,
        fs: new FaultFileSystem(nodeFileSystem).fs,
      })
      const reports: string[] = []
      await registry.recover(['store1'], (line) => void reports.push(line))
      assert.deepEqual(reports, [], when)
      const [inRoot, inA] = [await timesIn(store, ROOT), await timesIn(store, A)]
      assert.deepEqual([...inA, ...inRoot], [DAY_1, DAY_1 + DAY], when)
      for (const ns of [ROOT, A]) {
        for (const { ref } of await listSnapshots(store, ns, GROUP)) {
          const progress = silentProgress()
          const { ok } = await verifySnapshot(store, ns, ref, { progress, upid: UPID })
          assert.ok(ok, when)
        }
      }
      if (await groupExists(store, ROOT, GROUP)) await moveAcross(store)
      assert.deepEqual(await timesIn(store, A), [DAY_1, DAY_1 + DAY], when)
      assert.equal(await groupExists(store, ROOT, GROUP), false, when)
      assert.equal(await readOwner(store, A, GROUP), 'root@pam', when)
      assert.equal(await readGroupNotes(store, A, GROUP), 'notes', when)
      await registry.close()
    }
  })
})
