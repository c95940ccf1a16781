import assert from 'node:assert/strict'
import { existsSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { FaultFileSystem } from '../../test/support/fault-file-system.ts'
import { ForeignLock, foreignLockMissing } from '../../test/support/foreign-lock.ts'
import { backUp, begin, makeChunk, makeTestStore } from '../../test/support/test-store.ts'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { silentLog } from '../base/log.ts'
import { systemClock } from '../base/time/clock.ts'
import { ActiveOperations } from './active-operations.ts'
import { DatastoreRegistry } from './registry.ts'
import { defaultSettings, type MaintenanceType } from './settings.ts'

const DAY_1 = 1_767_225_600

suite('DatastoreRegistry', () => {
  test('refuses unknown names, and operations by maintenance mode with stock texts', async (context) => {
    const { registry, change } = await makeTestStore(context)
    await assert.rejects(registry.lookup('nope', 'lookup'), { message: "no such datastore 'nope'" })
    const cases: [MaintenanceType, Record<'lookup' | 'read' | 'write', string | null>][] = [
      ['read-only', { lookup: null, read: null, write: 'read-only maintenance mode: m' }],
      [
        'offline',
        { lookup: null, read: 'offline maintenance mode: m', write: 'offline maintenance mode: m' },
      ],
      [
        's3-refresh',
        {
          lookup: null,
          read: 'S3 refresh maintenance mode: m',
          write: 'S3 refresh maintenance mode: m',
        },
      ],
      [
        'unmount',
        {
          lookup: null,
          read: 'datastore is being unmounted',
          write: 'datastore is being unmounted',
        },
      ],
      [
        'delete',
        {
          lookup: 'datastore is being deleted',
          read: 'datastore is being deleted',
          write: 'datastore is being deleted',
        },
      ],
    ]
    for (const [type, outcomes] of cases) {
      change({ maintenance: { type, message: 'm' } })
      for (const operation of ['lookup', 'read', 'write'] as const) {
        const reason = outcomes[operation]
        const lookup = registry.lookup('store1', operation)
        if (reason === null) assert.equal((await lookup).name, 'store1')
        else
          await assert.rejects(lookup, { message: `datastore 'store1' is unavailable: ${reason}` })
      }
    }
  })

  // races.md R-53: who begins is counted before he looks, who takes out of use looks before he counts.
  test('a use is counted, and ends the datastore that was taken out of use meanwhile', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const operations = new ActiveOperations({
      fs: nodeFileSystem,
      clock: systemClock,
      folder: `${folder}/active-operations`,
      self: { pid: 1, starttime: 1 },
      isAlive: async () => false,
    })
    const { registry, change, store } = await makeTestStore(context, { operations })
    const use = await registry.use('store1', 'write')
    assert.equal(use.store, store)
    assert.deepEqual(operations.countsOf('store1'), { read: 0, write: 1 })
    change({ maintenance: { type: 'offline', message: '' } })
    await registry.letGoUnused()
    await assert.rejects(registry.use('store1', 'read'), { code: 'DATASTORE_UNAVAILABLE' })
    assert.equal(store.core.isClosed, false, 'a running operation goes on')
    assert.deepEqual(operations.countsOf('store1'), { read: 0, write: 1 })
    use[Symbol.dispose]()
    await registry.close()
    await operations.flush()
    assert.equal(store.core.isClosed, true)
    assert.deepEqual(operations.countsOf('store1'), { read: 0, write: 0 })
    assert.ok(!existsSync(`${folder}/active-operations/nope`))
  })

  test('a mode that begins while a use is counted wins', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const faults = new FaultFileSystem(nodeFileSystem)
    const operations = new ActiveOperations({
      fs: faults.fs,
      clock: systemClock,
      folder: `${folder}/active-operations`,
      self: { pid: 1, starttime: 1 },
      isAlive: async () => false,
    })
    const { registry, change } = await makeTestStore(context, { operations })
    faults.onStep(({ name }) => {
      if (name === 'rename') change({ maintenance: { type: 'delete', message: '' } })
    })
    await assert.rejects(registry.use('store1', 'write'), /datastore is being deleted/)
    await operations.flush()
    assert.deepEqual(operations.countsOf('store1'), { read: 0, write: 0 })
  })

  test('a folder without chunks does not open', async (context) => {
    const { registry, change, folder } = await makeTestStore(context)
    change({ path: `${folder}/nowhere` })
    await assert.rejects(registry.lookup('store1', 'read'), {
      message: `unable to open chunk store at "${folder}/nowhere/.chunks" - ENOENT: No such file or directory`,
    })
  })

  // races.md R-66: a link to the same folder must not get a gate and sessions of its own.
  test('R-66: two names of one folder share process lock, gate and sessions', async (context) => {
    const { store, folder } = await makeTestStore(context)
    symlinkSync(store.path, `${folder}/other-name`)
    const registry = new DatastoreRegistry({
      fs: nodeFileSystem,
      clock: systemClock,
      log: silentLog,
      paths: { state: `${folder}/state2`, locks: `${folder}/locks` },
      settingsOf: async () => defaultSettings(`${folder}/other-name`),
    })
    const other = await registry.lookup('other', 'write')
    assert.equal(other.core, store.core)
    const { digest } = await makeChunk('one')
    using _gate = await store.core.gate.acquire(digest)
    assert.equal(other.core.gate.tryAcquire(digest), null)
    const writer = await begin(store, DAY_1)
    assert.equal(other.core.sessions.count, 1)
    await writer.abort()
    await registry.close()
    assert.equal(store.core.processLock.sharedCount, 0)
    await (await begin(store, DAY_1)).abort()
  })

  test('a folder that was removed and made again is opened anew; an offline one is let go', async (context) => {
    const { registry, store, folder, change } = await makeTestStore(context)
    rmSync(`${store.path}/.lock`)
    writeFileSync(`${folder}/lock`, '')
    renameSync(`${folder}/lock`, `${store.path}/.lock`)
    const again = await registry.lookup('store1', 'write')
    assert.notEqual(again.core, store.core)
    change({ maintenance: { type: 'offline', message: '' } })
    await assert.rejects(registry.lookup('store1', 'read'), /offline/)
    change({ maintenance: null })
    assert.notEqual((await registry.lookup('store1', 'read')).core, again.core)
  })

  test('sessions survive a change of settings, and a new one sees it', async (context) => {
    const { registry, store, change } = await makeTestStore(context)
    const writer = await begin(store, DAY_1)
    change({ syncLevel: 'file', verifyNew: true })
    const changed = await registry.lookup('store1', 'write')
    assert.notEqual(changed, store)
    assert.equal(changed.settings.verifyNew, true)
    assert.equal(changed.core.sessions.count, 1)
    await writer.abort()
    await backUp(changed, DAY_1, ['one'])
  })

  test('a collection elsewhere refuses a session, which then changes nothing', {
    skip: foreignLockMissing(),
  }, async (context) => {
    const { store } = await makeTestStore(context, {
      clock: { ...systemClock, monotonic: impatient() },
    })
    const path = `${store.path}/.lock`
    {
      await using foreign = await ForeignLock.try(path, 'record', 'exclusive')
      assert.ok(foreign.isHeld)
      await assert.rejects(begin(store, DAY_1), {
        message: 'unable to get shared lock - EAGAIN: Try again',
      })
    }
    const writer = await begin(store, DAY_1)
    await using foreign = await ForeignLock.try(path, 'record', 'exclusive')
    assert.equal(foreign.isHeld, false, 'held until the session is finished')
    await writer.abort()
    await using after = await ForeignLock.try(path, 'record', 'exclusive')
    assert.ok(after.isHeld)
    rmSync(`${store.path}/host`, { recursive: true, force: true })
  })
})

/** A monotonic time that jumps a minute at every look. */
function impatient(): () => number {
  let now = 0
  return () => (now += 60_000)
}
