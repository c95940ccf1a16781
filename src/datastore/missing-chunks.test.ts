import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { backUp, begin, makeChunk, makeTestStore, UPID } from '../../test/support/test-store.ts'
import { silentProgress } from '../base/progress.ts'
import { parseSnapshot } from '../formats/names.ts'
import { ROOT_NAMESPACE } from '../formats/namespace.ts'
import type { Datastore } from './datastore.ts'
import { verifySnapshot } from './verify/verify-snapshot.ts'

const DAY_1 = 1_767_225_600
const FIRST = parseSnapshot('host/web1/2026-01-01T00:00:00Z')

async function verifyFirst(store: Datastore): Promise<boolean> {
  const progress = silentProgress()
  return (await verifySnapshot(store, ROOT_NAMESPACE, FIRST, { progress, upid: UPID })).ok
}

async function baseOf(store: Datastore, time: number): Promise<number | null> {
  const writer = await begin(store, time)
  const { base } = writer
  await writer.abort()
  return base?.time ?? null
}

suite('R-32: a snapshot that names a missing chunk is no base, though it was never verified itself', () => {
  for (const damage of ['corrupt', 'gone'] as const) {
    test(damage, async (context) => {
      const { store } = await makeTestStore(context)
      await backUp(store, DAY_1, ['one', 'two'])
      await backUp(store, DAY_1 + 60, ['two', 'three'])
      const path = store.chunks.pathOf((await makeChunk('two')).digest)
      if (damage === 'corrupt') writeFileSync(path, new Uint8Array(20))
      else rmSync(path)
      assert.equal(await baseOf(store, DAY_1 + 120), DAY_1 + 60, 'nobody knows yet')
      assert.equal(await verifyFirst(store), false)
      assert.equal(await baseOf(store, DAY_1 + 120), null)
      // Heals: from now on it is a base, and the note is gone.
      await backUp(store, DAY_1 + 180, ['two'])
      assert.equal(await baseOf(store, DAY_1 + 240), DAY_1 + 180)
      assert.deepEqual(await store.core.missing.list(), [])
      assert.equal(await verifyFirst(store), true)
    })
  }

  test('others are', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one', 'two'])
    await backUp(store, DAY_1 + 60, ['three'])
    rmSync(store.chunks.pathOf((await makeChunk('two')).digest))
    assert.equal(await verifyFirst(store), false)
    assert.equal((await store.core.missing.list()).length, 1)
    assert.equal(await baseOf(store, DAY_1 + 120), DAY_1 + 60)
  })
})
