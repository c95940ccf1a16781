import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { FaultFileSystem } from '../../../test/support/fault-file-system.ts'
import { ForeignLock, foreignLockMissing } from '../../../test/support/foreign-lock.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { hasCode } from '../errors.ts'
import { systemClock } from '../time/clock.ts'
import { type LockFileOptions, lockFile } from './file-lock.ts'
import { missingNativeCalls } from './native.ts'
import { nodeFileSystem as fs } from './node-file-system.ts'

const withoutNative = missingNativeCalls().length > 0 && 'needs the native seam'
const withoutForeign = withoutNative || foreignLockMissing()
const isBusy = (error: unknown): boolean => hasCode(error, 'LOCK_BUSY')

function options(change: Partial<LockFileOptions> = {}): LockFileOptions {
  return { kind: 'exclusive', timeoutMs: 0, clock: systemClock, ...change }
}

async function freshPath(): Promise<string> {
  return join(await makeTemporaryFolder(null), 'locks', 'a store', 'x.lck')
}

suite('lockFile()', { skip: withoutNative }, () => {
  test('makes folders and file with the modes wanted, whatever the umask', async () => {
    const path = await freshPath()
    const mask = process.umask(0o077)
    try {
      await using _lock = await lockFile(fs, path, options())
      assert.equal((await stat(path)).mode & 0o777, 0o660)
    } finally {
      process.umask(mask)
    }
  })

  test('excludes at once, with the text of stock, and shares among shared holders', async () => {
    const path = await freshPath()
    {
      await using _a = await lockFile(fs, path, options({ kind: 'shared' }))
      await using _b = await lockFile(fs, path, options({ kind: 'shared' }))
      await assert.rejects(lockFile(fs, path, options()), {
        code: 'LOCK_BUSY',
        message: `Unable to acquire lock "${path}" - Resource temporarily unavailable (os error 11)`,
      })
    }
    await using _c = await lockFile(fs, path, options())
    await assert.rejects(lockFile(fs, path, options({ kind: 'shared' })), isBusy)
  })

  test('excludes and is excluded by another process', { skip: withoutForeign }, async () => {
    const path = await freshPath()
    {
      await using _lock = await lockFile(fs, path, options())
      await using foreign = await ForeignLock.try(path, 'flock', 'shared')
      assert.equal(foreign.isHeld, false)
    }
    await using foreign = await ForeignLock.try(path, 'flock', 'exclusive')
    assert.equal(foreign.isHeld, true)
    await assert.rejects(lockFile(fs, path, options({ kind: 'shared' })), isBusy)
  })

  test('waits with growing pauses for as long as allowed', async () => {
    const path = await freshPath()
    const clock = new FakeClock()
    const faults = new FaultFileSystem(fs)
    await using _holder = await lockFile(fs, path, options())
    const waiting = lockFile(faults.fs, path, options({ clock, timeoutMs: 5000 }))
    const outcome = assert.rejects(waiting, isBusy)
    while (clock.monotonic() < 5000) {
      await clock.untilSleeping()
      await clock.advance(250)
    }
    await outcome
    assert.ok(clock.monotonic() >= 5000)
    const opens = faults.stepNames.filter((name) => name === 'open').length
    assert.ok(opens > 10 && opens < 40, `${opens} tries`)
  })

  test('gets the lock when it is released meanwhile', async () => {
    const path = await freshPath()
    const clock = new FakeClock()
    const holder = await lockFile(fs, path, options())
    const waiting = lockFile(fs, path, options({ clock, timeoutMs: 5000 }))
    await clock.untilSleeping()
    await holder.release()
    await clock.advance(250)
    await (await waiting).release()
  })

  test('stops waiting when aborted', async () => {
    const path = await freshPath()
    const clock = new FakeClock()
    const controller = new AbortController()
    const { signal } = controller
    await using _holder = await lockFile(fs, path, options())
    const waiting = lockFile(fs, path, options({ clock, timeoutMs: 5000, signal }))
    await clock.untilSleeping()
    controller.abort(new Error('gone'))
    await assert.rejects(waiting, /gone/)
  })

  for (const [name, replace] of [
    ['removed', async (path: string) => await rm(path)],
    [
      'replaced',
      async (path: string) => {
        await rm(path)
        await writeFile(path, 'new')
      },
    ],
  ] as const) {
    test(`a file ${name} between opening and locking is no lock`, async () => {
      const path = await freshPath()
      await (await lockFile(fs, path, options())).release()
      const faults = new FaultFileSystem(fs)
      let count = 0
      faults.onStep(async (step) => {
        // The recheck's first call comes after the lock was taken.
        if (step.name === 'handle.stat' && count++ === 0) await replace(path)
      })
      await assert.rejects(lockFile(faults.fs, path, options()), {
        code: 'LOCK_REPLACED',
        message: 'could not acquire lock, another thread modified the lock file',
      })
      count = 0
      const retrying = options({ retryReplaced: true, timeoutMs: 1000 })
      await using _lock = await lockFile(faults.fs, path, retrying)
      assert.ok(existsSync(path))
      await assert.rejects(lockFile(fs, path, options()), isBusy)
    })
  }

  test('unlinkAndRelease() removes the file while it is held', async () => {
    const path = await freshPath()
    const lock = await lockFile(fs, path, options())
    await lock.unlinkAndRelease()
    assert.equal(existsSync(path), false)
    await lock.unlinkAndRelease()
    await using _next = await lockFile(fs, path, options())
    assert.equal((await readFile(path)).length, 0)
  })

  test('synchronous disposal releases too', async () => {
    const path = await freshPath()
    const lock = await lockFile(fs, path, options())
    lock[Symbol.dispose]()
    lock[Symbol.dispose]()
    await lock.release()
    await using _next = await lockFile(fs, path, options({ timeoutMs: 1000 }))
  })
})
