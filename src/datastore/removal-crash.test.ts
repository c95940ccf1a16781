/** Removals that are watched, or end, at every step (races.md R-47; datastore-semantics.md 9.1, 22). */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { suite, test } from 'node:test'
import { FaultFileSystem, isMutating } from '../../test/support/fault-file-system.ts'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { backUp, makeTestStore, UPID } from '../../test/support/test-store.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { silentProgress } from '../base/progress.ts'
import { parseGroup } from '../formats/names.ts'
import { ROOT_NAMESPACE } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import { deleteGroup, groupExists } from './groups.ts'
import { forgetSnapshot, lastFinished, listSnapshots } from './snapshots.ts'
import { verifySnapshot } from './verify/verify-snapshot.ts'

const GROUP = parseGroup('host/web1')
const DAY_1 = 1_767_225_600
const REF_1 = { ...GROUP, time: DAY_1 }
const REF_2 = { ...GROUP, time: DAY_1 + 86_400 }
const ROOT = ROOT_NAMESPACE

/** What is listed is finished and whole. */
async function assertWhole(store: Datastore, when: string): Promise<number[]> {
  const listed = await listSnapshots(store, ROOT, GROUP)
  for (const { ref, finished } of listed) {
    assert.ok(finished, `${ref.time} looks unfinished: ${when}`)
    const progress = silentProgress()
    const { ok } = await verifySnapshot(store, ROOT, ref, { progress, upid: UPID })
    assert.ok(ok, `${ref.time} is damaged: ${when}`)
  }
  return listed.map(({ ref }) => ref.time)
}

suite('R-47: a removal', () => {
  test('is seen by nobody: what is listed at any step is whole', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store, folder } = await makeTestStore(context, { fs: faults.fs })
    // Another process looks at the same folder.
    const other = await makeTestStore(context, { folder })
    for (const ref of [REF_1, REF_2]) await backUp(store, ref.time, ['one', 'two'])
    const seen = new Set<string>()
    faults.onStep(async (step) => {
      const listed = await listSnapshots(other.store, ROOT, GROUP)
      for (const { ref, finished, files } of listed) {
        assert.ok(finished, JSON.stringify(step))
        assert.deepEqual(files, ['index.json.blob', 'root.pxar.didx'], `${ref.time} ${step.name}`)
      }
      const base = await lastFinished(other.store, ROOT, GROUP)
      seen.add(`${listed.length} ${base?.time ?? 0}`)
    })
    await forgetSnapshot(store, ROOT, REF_2)
    faults.onStep(null)
    assert.deepEqual([...seen], [`2 ${REF_2.time}`, `1 ${REF_1.time}`])
  })

  for (const whole of ['snapshot', 'group'] as const) {
    test(`of a ${whole} that a crash ends at any step is finished at the next start, or never began`, async (context) => {
      const healthy = await makeTestStore(context)
      for (const ref of [REF_1, REF_2]) await backUp(healthy.store, ref.time, ['one', 'two'])
      await healthy.registry.close()
      const remove = async (store: Datastore): Promise<void> => {
        if (whole === 'snapshot') await forgetSnapshot(store, ROOT, REF_2)
        else await deleteGroup(store, ROOT, GROUP, { errorOnProtected: true })
      }
      let stepCount = 1
      for (let at = 0; at <= stepCount; at += 1) {
        const folder = await makeTemporaryFolder(context)
        cpSync(healthy.folder, folder, { recursive: true, preserveTimestamps: true })
        const faults = new FaultFileSystem(nodeFileSystem)
        const crashing = await makeTestStore(context, { folder, fs: faults.fs })
        let count = 0
        faults.onStep((step) => {
          if (!isMutating(step)) return
          count += 1
          if (at > 0 && count >= at) throw new Error('crashed')
        })
        await remove(crashing.store).catch(() => {})
        if (at === 0) stepCount = count
        await crashing.registry.close().catch(() => {})
        const when = `${whole}, step ${at} of ${stepCount}`
        const { fs } = new FaultFileSystem(nodeFileSystem)
        const { store, registry } = await makeTestStore(context, { folder, fs })
        await registry.recover(['store1'], (line) => assert.fail(`${line}: ${when}`))
        const times = await assertWhole(store, when)
        const path = `${store.path}/host/web1`
        const names = existsSync(path) ? readdirSync(path) : []
        assert.deepEqual(
          names.filter((name) => name.startsWith('.')),
          [],
          when,
        )
        // At most an empty group is left, as stock leaves one; never one that is nobody's.
        if (await groupExists(store, ROOT, GROUP)) assert.ok(names.includes('owner'), when)
        else assert.deepEqual(times, [], when)
        await registry.close()
      }
      assert.ok(stepCount > 8, String(stepCount))
    })
  }

  test('of a group passes over what another removes meanwhile, and takes rests along', async (context) => {
    const { store } = await makeTestStore(context)
    for (const ref of [REF_1, REF_2]) await backUp(store, ref.time, ['one'])
    mkdirSync(`${store.path}/host/web1/.removed-2025-01-01T00:00:00Z-00000000/x`, {
      recursive: true,
    })
    const lockSnapshot = store.locks.lockSnapshot.bind(store.locks)
    let isFirst = true
    context.mock.method(
      store.locks,
      'lockSnapshot',
      async (...args: Parameters<typeof lockSnapshot>) => {
        if (isFirst) {
          isFirst = false
          await forgetSnapshot(store, ROOT, REF_1)
        }
        return await lockSnapshot(...args)
      },
    )
    const result = await deleteGroup(store, ROOT, GROUP, { errorOnProtected: true })
    assert.deepEqual(result, { removedGroups: 1, removedSnapshots: 1, protectedSnapshots: 0 })
    assert.equal(await groupExists(store, ROOT, GROUP), false)
  })

  test('of a group keeps owner and notes while something else is in it', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, REF_1.time, ['one'])
    mkdirSync(`${store.path}/host/web1/lost+found`)
    const result = await deleteGroup(store, ROOT, GROUP, { errorOnProtected: true })
    assert.deepEqual(result, { removedGroups: 0, removedSnapshots: 1, protectedSnapshots: 0 })
    const names = readdirSync(`${store.path}/host/web1`).toSorted()
    assert.deepEqual(names, ['lost+found', 'owner'])
  })

  test('R-69: is noted before the snapshot is hidden', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, REF_1.time, ['one'])
    const rename = store.fs.rename.bind(store.fs)
    const noted: string[] = []
    context.mock.method(store.fs, 'rename', async (from: string, to: string) => {
      if (to.includes('/.removed-')) noted.push(...(await store.core.collection.removals.read()))
      await rename(from, to)
    })
    await forgetSnapshot(store, ROOT, REF_1)
    assert.deepEqual(noted, ['host/web1/2026-01-01T00:00:00Z'])
  })
})
