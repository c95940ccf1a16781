/** A collection against real Ceph: what it asks, what it removes, what it leaves. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { forEachConcurrent } from '../../src/base/async/map-concurrent.ts'
import type { Digest } from '../../src/formats/digest.ts'
import type { MemoryObjectStore } from '../../src/storage/memory-object-store.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import type { RequestCounters } from '../../src/storage/s3/request-counters.ts'
import { makeBucketStore } from '../support/bucket-store.ts'
import { cephMissing, openCephStore } from '../support/ceph.ts'
import { forget, gc } from '../support/collection.ts'
import { backUp } from '../support/test-store.ts'
import { chunkKey, SkipClock } from './bucket-rig.ts'
import { assertRestores, DAY_1, DAY_2 } from './rig.ts'

const GARBAGE_COUNT = 2_100
const PUTS_AT_ONCE = 32
const KEYS_PER_REQUEST = 1_000
/** Of a run: holder, bucket, uploads in parts, ranges. */
const OTHER_REQUESTS_MAX = 20
/** One LIST each of chunks, indexes and uploads; the holder raised and lowered (two writes, four looks), bucket, clock. */
const NOTHING_TO_DO_MAX = 12

class Counters implements RequestCounters {
  readonly counts = new Map<string, number>()

  add(name: string, amount: number): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + amount)
  }

  /** All requests, bodies do not count. */
  get total(): number {
    const kinds = ['get', 'head', 'put', 'post', 'delete']
    return kinds.reduce((sum, kind) => sum + (this.counts.get(kind) ?? 0), 0)
  }
}

test('a collection on Ceph asks no more than it must', {
  skip: cephMissing ?? false,
}, async (context) => {
  const { store, objects, counters } = await makeCephStore(context)
  await backUp(store, DAY_1, ['gone', 'kept'])
  await backUp(store, DAY_2, ['kept', 'new'])
  await forget(store, DAY_1)
  await plantGarbage(objects)
  const objectCount = GARBAGE_COUNT + 3
  counters.counts.clear()
  const lines: string[] = []
  const status = await gc(store, { lines })
  assert.deepEqual(
    lines.filter((line) => line.startsWith('WARN')),
    [],
  )
  assert.equal(status['removed-chunks'], GARBAGE_COUNT + 1)
  assert.equal(status['disk-chunks'], 2)
  const pages = Math.ceil(objectCount / KEYS_PER_REQUEST)
  const deletes = Math.ceil((GARBAGE_COUNT + 1) / KEYS_PER_REQUEST)
  assert.equal(counters.counts.get('post'), deletes)
  const told = JSON.stringify([...counters.counts])
  assert.ok(counters.total <= pages + 1 + deletes + OTHER_REQUESTS_MAX, told)
  context.diagnostic(`${counters.total} requests for ${objectCount} objects: ${told}`)
  await assertRestores(store, DAY_2)
  // Nothing to do.
  counters.counts.clear()
  const again = await gc(store)
  assert.equal(again['removed-chunks'], 0)
  assert.ok(counters.total <= NOTHING_TO_DO_MAX, JSON.stringify([...counters.counts]))
})

async function makeCephStore(context: TestContext) {
  const clock = new SkipClock()
  const counters = new Counters()
  const objects = await openCephStore(context, { counters })
  // The double only passes requests on; what it is made for is not asked of it.
  const memory = objects as unknown as MemoryObjectStore
  const made = await makeBucketStore(context, {
    clock,
    memory,
    ledger: null,
    // Ages are told by Ceph's clock: all that was there a second ago is old.
    settings: { gcGraceMs: -SOON_MS },
  })
  return { ...made, objects, counters }
}

const SOON_MS = 10_000

async function plantGarbage(objects: ObjectStore): Promise<void> {
  const body = Buffer.from('garbage')
  const numbers = Array.from({ length: GARBAGE_COUNT }, (_value, number) => number)
  await forEachConcurrent(numbers, { concurrency: PUTS_AT_ONCE }, async (number) => {
    const digest = hash('sha256', `garbage ${number}`) as Digest
    await objects.put(chunkKey(digest), body, { condition: { kind: 'absent' } })
  })
}
