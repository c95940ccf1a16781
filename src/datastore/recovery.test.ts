import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { FaultFileSystem } from '../../test/support/fault-file-system.ts'
import {
  appendArchive,
  backUp,
  begin,
  finish,
  makeChunk,
  makeTestStore,
  type TestStore,
  UPID,
  writeArchive,
} from '../../test/support/test-store.ts'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { systemError } from '../base/fs/system-error.ts'
import { silentProgress } from '../base/progress.ts'
import { parseGroup } from '../formats/names.ts'
import { ROOT_NAMESPACE } from '../formats/namespace.ts'
import type { SyncLevel } from './settings.ts'
import { listSnapshots } from './snapshots.ts'
import { verifySnapshot } from './verify/verify-snapshot.ts'

const GROUP = parseGroup('host/web1')
const DAY_1 = 1_767_225_600
const DAY_2 = DAY_1 + 86_400
const DAY_3 = DAY_2 + 86_400
/** The steps of the three levels differ in their syncs only: the default is walked closely, the others in part. */
const FAULT_STRIDE = 3
const STRIDES = { none: 7, filesystem: 2, file: 5 } as const

/** A second backup that reuses, writes and duplicates, on a file system that may stop; true if finish was answered. */
async function secondBackup({ store }: TestStore): Promise<boolean> {
  const writer = await begin(store, DAY_2)
  try {
    await writer.registerPrevious('root.pxar.didx')
    await writeArchive(writer, 'new.pxar.didx', ['three', 'one'])
    await appendArchive(writer, 'root.pxar.didx', [await makeChunk('two')])
    await finish(writer)
    return true
  } catch {
    await writer.abort().catch(() => {})
    return false
  }
}

async function checkAfterRestart(
  context: TestContext,
  options: { folder: string; syncLevel: SyncLevel; wasAnswered: boolean; step: string },
): Promise<void> {
  const { folder, step } = options
  const settings = { syncLevel: options.syncLevel }
  // Behind a door of its own, so that no threads are started for each of hundreds of restarts.
  const { fs } = new FaultFileSystem(nodeFileSystem)
  const { store, registry } = await makeTestStore(context, { folder, settings, fs })
  const reports: string[] = []
  await registry.recover(['store1'], (line) => void reports.push(line))
  assert.deepEqual(reports, [], step)
  const listed = await listSnapshots(store, ROOT_NAMESPACE, GROUP)
  const times = listed.map(({ ref, finished }) => (finished ? ref.time : `unfinished ${ref.time}`))
  const isThere = times.length === 2
  assert.deepEqual(times, isThere ? [DAY_1, DAY_2] : [DAY_1], step)
  if (options.wasAnswered) assert.ok(isThere, `answered but gone: ${step}`)
  for (const { ref } of listed) {
    const progress = silentProgress()
    const { ok } = await verifySnapshot(store, ROOT_NAMESPACE, ref, { progress, upid: UPID })
    assert.ok(ok, `${ref.time} does not verify: ${step}`)
  }
  const journal = `${folder}/state/datastores/store1/sessions`
  const left = existsSync(journal) ? readdirSync(journal).filter((n) => n.endsWith('.json')) : []
  assert.deepEqual(left, [], step)
  const names = readdirSync(`${store.path}/host/web1`).filter((name) => name.startsWith('.'))
  assert.deepEqual(names, [], step)
  await backUp(store, DAY_3, ['one', 'two', 'three'])
  await registry.close()
}

suite('recovery after a crash', () => {
  for (const syncLevel of ['none', 'filesystem', 'file'] as const) {
    test(`level ${syncLevel}: at every step, what was answered is there and nothing half is`, async (context) => {
      const settings = { syncLevel }
      const healthy = await makeTestStore(context, { settings })
      await backUp(healthy.store, DAY_1, ['one', 'two'])
      await healthy.registry.close()
      let stepCount = 1
      for (let at = 0; at <= stepCount; at += at === 0 ? 1 : STRIDES[syncLevel]) {
        const folder = await makeTemporaryFolder(context)
        cpSync(healthy.folder, folder, { recursive: true, preserveTimestamps: true })
        const faults = new FaultFileSystem(nodeFileSystem)
        const crashing = await makeTestStore(context, { folder, settings, fs: faults.fs })
        faults.reset()
        if (at > 0) faults.plan({ at, errno: 'EIO', forever: true })
        const wasAnswered = await secondBackup(crashing).catch(() => false)
        if (at === 0) stepCount = faults.steps.length
        else if (faults.steps.length >= at) faults.assertAllUsed()
        if (at === 0) assert.ok(wasAnswered)
        const step = `${syncLevel} ${at} ${JSON.stringify(faults.steps[at - 1])}`
        await crashing.registry.close().catch(() => {})
        await checkAfterRestart(context, { folder, syncLevel, wasAnswered, step })
      }
      assert.ok(stepCount > 50, `only ${stepCount} steps`)
    })
  }

  test('other folders without a manifest are reported and kept', async (context) => {
    const { store, registry, folder } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const foreign = `${store.path}/host/web1/2026-01-02T00:00:00Z`
    mkdirSync(foreign)
    writeFileSync(`${foreign}/root.pxar.didx`, 'somebody may need it')
    await registry.close()
    const next = await makeTestStore(context, { folder })
    const reports: string[] = []
    await next.registry.recover(['store1'], (line) => void reports.push(line))
    assert.deepEqual(reports, [`datastore 'store1': snapshot without a manifest: ${foreign}`])
    assert.equal(readFileSync(`${foreign}/root.pxar.didx`, 'utf8'), 'somebody may need it')
  })

  test("a snapshot of the same name that is not our session's is kept", async (context) => {
    const { store, registry, folder } = await makeTestStore(context)
    await store.core.journal.begin(
      { base: store.path, ns: ROOT_NAMESPACE, ref: { ...GROUP, time: DAY_1 } },
      { durable: false },
    )
    mkdirSync(`${store.path}/host/web1/2026-01-01T00:00:00Z`, { recursive: true })
    writeFileSync(`${store.path}/host/web1/2026-01-01T00:00:00Z/a.img.fidx`, 'foreign')
    await registry.close()
    const next = await makeTestStore(context, { folder })
    assert.ok(existsSync(`${store.path}/host/web1/2026-01-01T00:00:00Z/a.img.fidx`))
    assert.deepEqual(await next.store.core.journal.list(), [])
  })
})

suite('a call that fails once', () => {
  test('at every step: the session ends, the base stays, the next backup works', async (context) => {
    const settings = { syncLevel: 'filesystem' } as const
    let stepCount = 1
    for (let at = 0; at <= stepCount; at += at === 0 ? 1 : FAULT_STRIDE) {
      const faults = new FaultFileSystem(nodeFileSystem)
      const rig = await makeTestStore(context, { settings, fs: faults.fs })
      await backUp(rig.store, DAY_1, ['one', 'two'])
      faults.reset()
      if (at > 0) faults.plan({ at, errno: 'ENOSPC' })
      const wasAnswered = await secondBackup(rig).catch(() => false)
      if (at === 0) stepCount = faults.steps.length
      const step = `${at} ${JSON.stringify(faults.steps[at - 1])}`
      faults.reset()
      const { core } = rig.store
      assert.deepEqual(
        [core.gate.size, core.sessions.count, core.processLock.sharedCount],
        [0, 0, 0],
        step,
      )
      await rig.registry.close().catch(() => {})
      const { folder } = rig
      await checkAfterRestart(context, { folder, ...settings, wasAnswered, step })
    }
    assert.ok(stepCount > 50)
  })

  test('the sync of the published name: the manifest loses it again', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: faults.fs })
    const writer = await begin(store, DAY_1)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    let published = false
    faults.onStep((step) => {
      if (step.name !== 'syncFolder' || step.path !== writer.path) return
      published = existsSync(`${writer.path}/index.json.blob`)
      throw systemError('EIO', 'fsync', step.path)
    })
    await assert.rejects(finish(writer), /EIO/)
    faults.onStep(null)
    assert.ok(published)
    assert.equal(existsSync(`${writer.path}/index.json.blob`), false)
    await writer.abort()
    assert.equal(existsSync(`${store.path}/host/web1`), false)
  })
})

suite('R-62: doubt after an unclean end', () => {
  /** A store whose chunk 'one' turned into zeros of the same size in a power cut. */
  async function makeDamaged(context: TestContext): Promise<TestStore> {
    const before = await makeTestStore(context)
    await backUp(before.store, DAY_1, ['one', 'two'])
    const { digest, blob } = await makeChunk('one')
    writeFileSync(before.store.chunks.pathOf(digest), new Uint8Array(blob.length))
    await before.registry.close()
    // As after a power cut: the state file of the running server is what is left.
    const path = `${before.folder}/state/datastores/store1/state.json`
    const state = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    assert.equal(state['clean'], true)
    writeFileSync(path, JSON.stringify({ ...state, clean: false }))
    return await makeTestStore(context, { folder: before.folder })
  }

  test('a damaged chunk of the right size is overwritten by an upload', async (context) => {
    const { store } = await makeDamaged(context)
    const { digest, blob, size } = await makeChunk('one')
    const writer = await begin(store, DAY_2)
    assert.equal((await writer.insertChunk(digest, blob, size)).duplicate, false)
    assert.equal((await writer.insertChunk(digest, blob, size)).duplicate, true)
    assert.deepEqual(Buffer.from(await store.chunks.read(digest)), Buffer.from(blob))
    const two = await makeChunk('two')
    assert.equal((await writer.insertChunk(two.digest, two.blob, two.size)).duplicate, true)
    await writer.abort()
  })

  test('a damaged known chunk counts as missing', async (context) => {
    const { store } = await makeDamaged(context)
    const writer = await begin(store, DAY_2)
    await assert.rejects(writer.registerPrevious('root.pxar.didx'), /is missing/)
    await writer.abort()
  })

  test('chunks that changed long before are trusted without a look inside', async (context) => {
    const { store, folder, registry } = await makeDamaged(context)
    const { digest, blob, size } = await makeChunk('one')
    const path = store.chunks.pathOf(digest)
    const { mtimeNs, ctimeNs } = await store.fs.stat(path)
    const isDoubtful = (mtimeMs: number, ctimeMs: number): boolean =>
      store.core.doubt.isDoubtful(digest, mtimeMs, ctimeMs)
    assert.ok(isDoubtful(Number(mtimeNs) / 1e6, Number(ctimeNs) / 1e6))
    assert.equal(isDoubtful(DAY_1 * 1000 - 1e10, DAY_1 * 1000 - 1e10), false)
    utimesSync(path, 0, 0)
    const writer = await begin(store, DAY_2)
    const result = await writer.insertChunk(digest, blob, size)
    assert.equal(result.duplicate, false, 'the change time still tells')
    await writer.abort()
    await registry.close()
    const again = await makeTestStore(context, { folder })
    assert.ok(again.store.core.doubt.window, 'a clean end does not end the doubt')
  })

  test('a first session on a store syncs before it promises anything', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store, folder } = await makeTestStore(context, { fs: faults.fs })
    faults.reset()
    const writer = await begin(store, DAY_1)
    const path = `${folder}/state/datastores/store1/state.json`
    const names = faults.stepNames
    assert.ok(names.indexOf('handle.syncFileSystem') < names.indexOf('handle.sync'))
    assert.equal((JSON.parse(readFileSync(path, 'utf8')) as { clean: boolean }).clean, false)
    await writer.abort()
  })
})

suite('R-63: a failed sync', () => {
  test('fails every live session, and leaves nothing that looks finished', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: faults.fs })
    const first = await begin(store, DAY_1)
    const second = await begin(store, DAY_1, { group: 'host/web2' })
    await writeArchive(first, 'root.pxar.didx', ['one'])
    await writeArchive(second, 'root.pxar.didx', ['one', 'two'])
    faults.plan({ at: 1, name: 'handle.syncFileSystem', errno: 'EIO' })
    await assert.rejects(finish(first), /Input\/output error/)
    faults.assertAllUsed()
    await assert.rejects(finish(second), /Input\/output error/)
    for (const writer of [first, second]) {
      assert.equal(existsSync(`${writer.path}/index.json.blob`), false)
      await writer.abort()
    }
    assert.deepEqual(await listSnapshots(store, ROOT_NAMESPACE, GROUP), [])
    // What memory still shows is written again before it counts: the next sync covers it.
    const third = await begin(store, DAY_2)
    const { digest, blob, size } = await makeChunk('one')
    faults.reset()
    assert.equal((await third.insertChunk(digest, blob, size)).duplicate, true)
    assert.ok(faults.stepNames.includes('handle.write'), 'written again')
    await appendArchive(third, 'root.pxar.didx', [{ digest, size }])
    await finish(third)
    assert.equal((await listSnapshots(store, ROOT_NAMESPACE, GROUP)).length, 1)
  })

  test('sessions that finish together share syncs', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: faults.fs })
    const writers = []
    for (let number = 0; number < 8; number += 1) {
      const writer = await begin(store, DAY_1, { group: `host/web${number}` })
      await writeArchive(writer, 'root.pxar.didx', [`chunk ${number}`])
      writers.push(writer)
    }
    faults.reset()
    await Promise.all(writers.map(finish))
    const syncs = faults.stepNames.filter((name) => name === 'handle.syncFileSystem').length
    assert.ok(syncs >= 1 && syncs < 8, `${syncs} syncs`)
  })

  test('the manifest gets its name after the sync and before the answer', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: faults.fs })
    const writer = await begin(store, DAY_1)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    faults.reset()
    await finish(writer)
    const names = faults.steps.map(({ name, path }) => `${name} ${path.slice(store.path.length)}`)
    const sync = names.findIndex((name) => name.startsWith('handle.syncFileSystem'))
    const publish = names.findLastIndex(
      (name) => name.startsWith('rename') && name.includes('.pending-'),
    )
    const folder = names.findLastIndex((name) => name.startsWith('syncFolder /host/web1/2026'))
    assert.ok(sync >= 0 && sync < publish && publish < folder, names.join('\n'))
  })
})
