/** The cells with `F p`: a collection and writers in two processes; the other one holds its lock as stock does. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { silentProgress } from '../../src/base/progress.ts'
import { collect } from '../../src/datastore/collection/collect.ts'
import { PROCESS_LOCK_FILE } from '../../src/datastore/layout.ts'
import { moveGroup } from '../../src/datastore/move/move-group.ts'
import { createNamespace } from '../../src/datastore/namespaces.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { ForeignLock, foreignLockMissing } from '../support/foreign-lock.ts'
import { backUp, begin, makeTestStore, UPID } from '../support/test-store.ts'
import { GROUP, OTHER_SPACE, timeOf } from './lock-world.ts'

const POLL_MS = 250

suite('another process', { skip: foreignLockMissing() }, () => {
  test('GM, GS during its BK: fails at once; after its end it runs', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, timeOf(1), ['one'])
    const lockPath = `${store.path}/${PROCESS_LOCK_FILE}`
    const options = { progress: silentProgress(), upid: UPID, isConfirmed: true }
    {
      await using other = await ForeignLock.try(lockPath, 'record', 'shared')
      assert.ok(other.isHeld)
      await assert.rejects(collect(store, options), {
        code: 'PROCESS_LOCK_BUSY',
        message: 'unable to get exclusive lock - EAGAIN: Try again',
      })
    }
    await collect(store, options)
  })

  test('BK, MV during its GM, GS: wait for its end, and fail after five seconds', async (context) => {
    const clock = new FakeClock()
    const { store } = await makeTestStore(context, { clock })
    await createNamespace(store, ROOT_NAMESPACE, 'b')
    await backUp(store, timeOf(1), ['one'])
    const lockPath = `${store.path}/${PROCESS_LOCK_FILE}`
    const move = async (): Promise<void> => {
      const places = { source: ROOT_NAMESPACE, target: OTHER_SPACE, group: GROUP }
      await moveGroup(store, { ...places, mergeGroup: true, progress: silentProgress() })
    }
    const other = await ForeignLock.try(lockPath, 'record', 'exclusive')
    assert.ok(other.isHeld)
    const busy = { message: 'unable to get shared lock - EAGAIN: Try again' }
    for (const start of [async () => await begin(store, timeOf(2)), move]) {
      const startedMs = clock.monotonic()
      await assert.rejects(clock.advanceUntil<unknown>(start(), POLL_MS), busy)
      const waitedMs = clock.monotonic() - startedMs
      assert.ok(waitedMs >= 5_000 && waitedMs < 6_000, `${waitedMs} ms`)
    }
    const begun = begin(store, timeOf(2))
    await clock.untilSleeping()
    await other[Symbol.asyncDispose]()
    await (await clock.advanceUntil(begun, POLL_MS)).abort()
    await clock.advanceUntil(move(), POLL_MS)
  })
})
