import assert from 'node:assert/strict'
import { readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { ForeignLock, foreignLockMissing } from '../../../test/support/foreign-lock.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { hasCode } from '../errors.ts'
import { missingNativeCalls } from './native.ts'
import { nodeFileSystem } from './node-file-system.ts'
import { ProcessLock } from './record-lock.ts'

const withoutNative = missingNativeCalls().length > 0 && 'needs the native seam'
const withoutForeign = withoutNative || foreignLockMissing()

async function withLock(run: (lock: ProcessLock, path: string) => Promise<void>): Promise<void> {
  const path = join(await makeTemporaryFolder(null), '.lock')
  const lock = await ProcessLock.open(nodeFileSystem, path)
  try {
    await run(lock, path)
  } finally {
    await lock.close()
  }
}

async function foreignCanLock(path: string, mode: 'shared' | 'exclusive'): Promise<boolean> {
  await using foreign = await ForeignLock.try(path, 'record', mode)
  return foreign.isHeld
}

suite('ProcessLock inside the process', { skip: withoutNative }, () => {
  test('shared and exclusive do not exclude each other, a second exclusive is refused', async () => {
    await withLock(async (lock) => {
      const exclusive = lock.tryExclusive()
      using _a = lock.tryShared(20)
      using _b = lock.tryShared(10)
      assert.equal(lock.oldestShared, 10)
      assert.throws(
        () => lock.tryExclusive(),
        (error) => hasCode(error, 'PROCESS_LOCK_HELD'),
      )
      exclusive.release()
      exclusive.release()
      using _again = lock.tryExclusive()
      assert.equal(lock.sharedCount, 2)
      await Promise.resolve()
    })
  })

  test('excludeOthers() goes beside any hold, and others stay out until the last of both ends', async () => {
    await withLock(async (lock, path) => {
      const mayShare = async (): Promise<boolean> => {
        await using handle = await nodeFileSystem.open(path, 'read-write-create')
        return handle.tryLock('record', 'shared')
      }
      const first = lock.tryExclusive()
      const second = lock.excludeOthers()
      first.release()
      assert.equal(await mayShare(), false)
      const third = lock.tryExclusive()
      second.release()
      assert.equal(await mayShare(), false)
      using _shared = lock.tryShared()
      third.release()
      assert.equal(await mayShare(), true)
      assert.equal(lock.sharedCount, 1)
    })
  })

  test('two names of one file are one lock, which lives until its last close', async () => {
    await withLock(async (lock, path) => {
      symlinkSync(path, `${path}-link`)
      const again = await ProcessLock.open(nodeFileSystem, `${path}-link`)
      assert.equal(again, lock)
      using _hold = lock.tryExclusive()
      await again.close()
      assert.equal(lock.isExclusive, true)
      const other = await ProcessLock.open(nodeFileSystem, `${path}-other`)
      assert.notEqual(other, lock)
      await other.close()
    })
  })

  test('concurrent opens make one lock and leave no descriptor', async () => {
    const path = join(await makeTemporaryFolder(null), '.lock')
    const before = readdirSync('/proc/self/fd').length
    const opens = [1, 2, 3, 4].map(async () => await ProcessLock.open(nodeFileSystem, path))
    const locks = await Promise.all(opens)
    assert.equal(new Set(locks).size, 1)
    for (const lock of locks) await lock.close()
    assert.equal(readdirSync('/proc/self/fd').length, before)
  })

  test('a hold outlives the last close, and whoever opens meanwhile shares its lock', async () => {
    const path = join(await makeTemporaryFolder(null), '.lock')
    const lock = await ProcessLock.open(nodeFileSystem, path)
    const guard = lock.tryExclusive()
    await lock.close()
    const again = await ProcessLock.open(nodeFileSystem, path)
    assert.equal(again, lock)
    assert.equal(again.isExclusive, true)
    await again.close()
    guard.release()
    const fresh = await ProcessLock.open(nodeFileSystem, path)
    assert.notEqual(fresh, lock)
    await fresh.close()
  })
})

suite("ProcessLock and another process's F_SETLK", { skip: withoutForeign }, () => {
  test('ours shared: theirs shared comes, exclusive does not', async () => {
    await withLock(async (lock, path) => {
      using _hold = lock.tryShared()
      assert.equal(await foreignCanLock(path, 'shared'), true)
      assert.equal(await foreignCanLock(path, 'exclusive'), false)
    })
  })

  test('ours exclusive: nothing of theirs comes', async () => {
    await withLock(async (lock, path) => {
      using _hold = lock.tryExclusive()
      assert.equal(await foreignCanLock(path, 'shared'), false)
    })
  })

  test('theirs shared: ours shared comes, exclusive fails with the text of stock', async () => {
    await withLock(async (lock, path) => {
      await using foreign = await ForeignLock.try(path, 'record', 'shared')
      assert.equal(foreign.isHeld, true)
      using _hold = lock.tryShared()
      assert.throws(() => lock.tryExclusive(), {
        code: 'PROCESS_LOCK_BUSY',
        message: 'unable to get exclusive lock - EAGAIN: Try again',
      })
      assert.equal(lock.isExclusive, false)
    })
  })

  test('theirs exclusive: ours shared fails with the text of stock, then comes', async () => {
    await withLock(async (lock, path) => {
      {
        await using foreign = await ForeignLock.try(path, 'record', 'exclusive')
        assert.equal(foreign.isHeld, true)
        assert.throws(() => lock.tryShared(), {
          message: 'unable to get shared lock - EAGAIN: Try again',
        })
        assert.equal(lock.sharedCount, 0)
      }
      using _hold = lock.tryShared()
      assert.equal(await foreignCanLock(path, 'exclusive'), false)
    })
  })

  test('only the last of several shared holds frees the file', async () => {
    await withLock(async (lock, path) => {
      const a = lock.tryShared()
      const b = lock.tryShared()
      a.release()
      assert.equal(await foreignCanLock(path, 'exclusive'), false)
      b.release()
      assert.equal(await foreignCanLock(path, 'exclusive'), true)
    })
  })

  test('exclusive falls back to shared while shared holds remain, else to nothing', async () => {
    await withLock(async (lock, path) => {
      const shared = lock.tryShared()
      const exclusive = lock.tryExclusive()
      assert.equal(await foreignCanLock(path, 'shared'), false)
      exclusive.release()
      assert.equal(await foreignCanLock(path, 'shared'), true)
      assert.equal(await foreignCanLock(path, 'exclusive'), false)
      shared.release()
      assert.equal(await foreignCanLock(path, 'exclusive'), true)
    })
  })

  test('a shared hold taken under the exclusive one outlives it', async () => {
    await withLock(async (lock, path) => {
      const exclusive = lock.tryExclusive()
      const shared = lock.tryShared()
      exclusive.release()
      assert.equal(await foreignCanLock(path, 'exclusive'), false)
      shared.release()
      assert.equal(await foreignCanLock(path, 'exclusive'), true)
    })
  })

  test('a hold excludes others after the last close, until it is released', async () => {
    const path = join(await makeTemporaryFolder(null), '.lock')
    const lock = await ProcessLock.open(nodeFileSystem, path)
    const guard = lock.tryShared()
    await lock.close()
    assert.equal(await foreignCanLock(path, 'exclusive'), false)
    guard.release()
    assert.equal(await foreignCanLock(path, 'exclusive'), true)
  })

  test('opening and closing the file elsewhere in the process does not lose the lock', async () => {
    await withLock(async (lock, path) => {
      using _hold = lock.tryExclusive()
      const again = await ProcessLock.open(nodeFileSystem, path)
      await again.close()
      await nodeFileSystem.readFile(path)
      assert.equal(await foreignCanLock(path, 'shared'), false)
    })
  })
})
