import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { FaultFileSystem } from '../../test/support/fault-file-system.ts'
import { ForeignLock, foreignLockMissing } from '../../test/support/foreign-lock.ts'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { runAs } from '../base/async/current-operation.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { type Log, silentLog } from '../base/log.ts'
import { type Clock, systemClock } from '../base/time/clock.ts'
import { parseSnapshot } from '../formats/names.ts'
import { ROOT_NAMESPACE } from '../formats/namespace.ts'
import { LockTable } from './locks.ts'
import { NameLocks } from './name-locks.ts'

const REF = parseSnapshot('host/web1/2026-01-01T00:00:00Z')

async function makeTable(
  context: TestContext,
  options: { fs?: FileSystem; clock?: Clock; log?: Log } = {},
): Promise<LockTable> {
  const folder = `${await makeTemporaryFolder(context)}/locks`
  const { fs = nodeFileSystem, clock = systemClock, log = silentLog } = options
  return new LockTable(fs, { clock, folder, store: 's', owner: undefined, log })
}

/** Tables that share a folder of lock files: of other processes, or of one that knows the store by several names. */
async function makeTables(
  context: TestContext,
  tables: readonly {
    readonly fs?: FileSystem
    readonly store?: string
    readonly names?: NameLocks
  }[],
): Promise<LockTable[]> {
  const folder = `${await makeTemporaryFolder(context)}/locks`
  return tables.map(({ fs = nodeFileSystem, store = 's', names = new NameLocks() }) => {
    return new LockTable(fs, { clock: systemClock, folder, store, owner: undefined, names })
  })
}

suite('LockTable', () => {
  test('exclusive and shared locks, at once or not at all, with stock texts', async (context) => {
    const table = await makeTable(context)
    const path = table.snapshotLockPath(ROOT_NAMESPACE, REF)
    await using shared = await table.lockSnapshot(ROOT_NAMESPACE, REF, 'shared')
    await using _other = await table.lockSnapshot(ROOT_NAMESPACE, REF, 'shared')
    assert.equal(statSync(shared.path).mode & 0o777, 0o660)
    await assert.rejects(table.lockSnapshot(ROOT_NAMESPACE, REF, 'exclusive'), {
      code: 'SNAPSHOT_LOCK_BUSY',
      message: `unable to acquire snapshot lock ${JSON.stringify(path)}`,
    })
    await using group = await table.lockGroup(ROOT_NAMESPACE, REF)
    await assert.rejects(table.lockGroup(ROOT_NAMESPACE, REF), (error: Error) => {
      assert.equal(error.message, `unable to acquire backup group lock "${group.path}"`)
      const { message } = error.cause as Error
      assert.equal(
        message,
        `Unable to acquire lock "${group.path}" - Resource temporarily unavailable (os error 11)`,
      )
      return true
    })
  })

  test('the manifest lock waits five seconds', async (context) => {
    const clock = new FakeClock()
    const table = await makeTable(context, { clock })
    const first = await table.lockManifest(ROOT_NAMESPACE, REF)
    const second = table.lockManifest(ROOT_NAMESPACE, REF)
    await clock.untilSleeping()
    await first.release()
    await clock.advance(1_000)
    await using _second = await second
    const startedMs = clock.monotonic()
    const third = table.lockManifest(ROOT_NAMESPACE, REF)
    await assert.rejects(clock.advanceUntil(third, 250), { code: 'MANIFEST_LOCK_BUSY' })
    const waitedMs = clock.monotonic() - startedMs
    assert.ok(waitedMs >= 5_000 && waitedMs < 7_000, `${waitedMs} ms`)
  })

  // races.md: B has opened the lock file that A holds; A removes it; C makes a new one. B and C must not both
  // believe that they hold the lock.
  test('R-21, R-22: removing a lock file never makes two holders', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const [table, theirs] = await makeTables(context, [{ fs: faults.fs }, { fs: faults.fs }])
    assert.ok(table !== undefined && theirs !== undefined)
    const a = await table.lockGroup(ROOT_NAMESPACE, REF)
    const holders: string[] = []
    let isDone = false
    const opened = Promise.withResolvers<void>()
    faults.onStep(async (step) => {
      if (isDone || step.name !== 'open' || !step.path.includes('host-web1')) return
      isDone = true
      // B is about to open the old file: let it, and swap the file right after.
      opened.resolve()
    })
    const b = theirs.lockGroup(ROOT_NAMESPACE, REF).then(
      (lock) => {
        holders.push('b')
        return lock
      },
      () => null,
    )
    await opened.promise
    await a.unlinkAndRelease()
    const c = await table.lockGroup(ROOT_NAMESPACE, REF).catch(() => null)
    if (c !== null) holders.push('c')
    const lockOfB = await b
    assert.equal(holders.length, 1, holders.join())
    await lockOfB?.release()
    await c?.release()
    await (await table.lockGroup(ROOT_NAMESPACE, REF)).release()
  })

  test('R-66: two names of one store exclude each other, and give back what they took', async (context) => {
    const names = new NameLocks()
    const made = await makeTables(context, [{ names }, { names, store: 'other' }])
    const [one, other] = made as [LockTable, LockTable]
    const group = await one.lockGroup(ROOT_NAMESPACE, REF)
    await assert.rejects(other.lockGroup(ROOT_NAMESPACE, REF), { code: 'GROUP_LOCK_BUSY' })
    await group.unlinkAndRelease()
    await (await other.lockGroup(ROOT_NAMESPACE, REF)).release()
    {
      await using _shared = await one.lockSnapshot(ROOT_NAMESPACE, REF, 'shared')
      await using _also = await other.lockSnapshot(ROOT_NAMESPACE, REF, 'shared')
      await assert.rejects(other.lockSnapshot(ROOT_NAMESPACE, REF, 'exclusive'), {
        code: 'SNAPSHOT_LOCK_BUSY',
      })
    }
    const manifest = await one.lockManifest(ROOT_NAMESPACE, REF)
    const waiting = other.lockManifest(ROOT_NAMESPACE, REF)
    await manifest.release()
    await (await waiting).release()
    assert.equal(names.size, 0)
  })

  test('R-22: a lock on a file that lost its name is not held; the next round takes the new one', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const table = await makeTable(context, { fs: faults.fs })
    const path = table.groupLockPath(ROOT_NAMESPACE, REF)
    mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true })
    writeFileSync(path, '')
    let removals = 2
    faults.onStep((step) => {
      if (step.name !== 'handle.stat' || removals === 0) return
      removals -= 1
      rmSync(path)
    })
    await using lock = await table.lockGroup(ROOT_NAMESPACE, REF)
    assert.equal(removals, 0)
    assert.ok(existsSync(lock.path))
    await assert.rejects(table.lockGroup(ROOT_NAMESPACE, REF), { code: 'GROUP_LOCK_BUSY' })
  })

  test('who has the lock stands in the error and in the log, never in the text', async (context) => {
    const logged: unknown[] = []
    const log: Log = { ...silentLog, info: (_message, fields) => void logged.push(fields) }
    const table = await makeTable(context, { log, clock: new FakeClock() })
    const held = await runAs('UPID:backup', async () => await table.lockGroup(ROOT_NAMESPACE, REF))
    const holder = { operation: 'UPID:backup', kind: 'exclusive', sinceMs: Date.UTC(2026, 0, 1) }
    const { path } = held
    await runAs('PUT notes', async () => {
      await assert.rejects(table.lockGroup(ROOT_NAMESPACE, REF), {
        message: `unable to acquire backup group lock ${JSON.stringify(path)}`,
        data: { path, holders: [holder] },
      })
    })
    assert.deepEqual(logged, [{ path, wantedBy: 'PUT notes', holders: [holder] }])
    await held.release()
    await (await table.lockGroup(ROOT_NAMESPACE, REF)).unlinkAndRelease()
  })

  test('who waits gets it in order of arrival, and each waits five seconds at most', async (context) => {
    const clock = new FakeClock()
    const table = await makeTable(context, { clock })
    const first = await table.lockManifest(ROOT_NAMESPACE, REF)
    const order: number[] = []
    const waiting = [1, 2, 3].map(async (number) => {
      const lock = await table.lockManifest(ROOT_NAMESPACE, REF)
      order.push(number)
      await lock.release()
    })
    await clock.untilSleeping()
    await first.release()
    await clock.advanceUntil(Promise.all(waiting), 2)
    assert.deepEqual(order, [1, 2, 3])
    await using _again = await table.lockManifest(ROOT_NAMESPACE, REF)
    const startedMs = clock.monotonic()
    const late = [1, 2].map(async () => await table.lockManifest(ROOT_NAMESPACE, REF))
    const ended = await clock.advanceUntil(Promise.allSettled(late), 250)
    assert.ok(ended.every(({ status }) => status === 'rejected'))
    // The second does not wait for the first one's time to be over before its own begins.
    assert.ok(clock.monotonic() - startedMs < 7_000)
  })

  test('other programs see the lock, and theirs is seen', {
    skip: foreignLockMissing(),
  }, async (context) => {
    const table = await makeTable(context)
    const lock = await table.lockGroup(ROOT_NAMESPACE, REF)
    {
      await using foreign = await ForeignLock.try(lock.path, 'flock', 'exclusive')
      assert.equal(foreign.isHeld, false)
    }
    await lock.release()
    await using foreign = await ForeignLock.try(lock.path, 'flock', 'shared')
    assert.ok(foreign.isHeld)
    await assert.rejects(table.lockGroup(ROOT_NAMESPACE, REF), { code: 'GROUP_LOCK_BUSY' })
  })
})
