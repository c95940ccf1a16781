/** A list of any length gives the same ledger, in as few requests as it has pages, or a few more side by side. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { silentProgress } from '../../base/progress.ts'
import { systemClock } from '../../base/time/clock.ts'
import type { Digest } from '../../formats/digest.ts'
import { chunkKey } from '../../storage/bucket-chunks/chunk-keys.ts'
import { MemoryLedger } from '../../storage/bucket-chunks/memory-ledger.ts'
import { MemoryObjectStore } from '../../storage/memory-object-store.ts'
import type { ListOptions } from '../../storage/object-store.ts'
import { rebuildLedger } from './rebuild-ledger.ts'

const BODY = Buffer.from('blob')

/** A bucket with `count` chunks and what lies between and behind them. */
function makeBucket(count: number) {
  const clock = systemClock
  const objects = new MemoryObjectStore({ clock })
  const digests = Array.from(
    { length: count },
    (_, index) => createHash('sha256').update(`${index}`).digest('hex') as Digest,
  )
  for (const digest of digests) objects.plant(chunkKey('store', digest), BODY)
  const [first] = digests
  if (first !== undefined) objects.plant(`${chunkKey('store', first)}.0.bad`, BODY)
  objects.plant('store/.chunks/zz', BODY)
  objects.plant('store/.chunks0/other', BODY)
  const starts: (string | undefined)[] = []
  let pageCount = 0
  const inner = objects.list.bind(objects)
  objects.list = async function* list(prefix: string, options?: ListOptions) {
    starts.push(options?.after)
    for await (const page of inner(prefix, options)) {
      pageCount += 1
      yield page
    }
  }
  const ledger = new MemoryLedger(undefined, clock)
  return { objects, ledger, digests, starts, pages: () => pageCount }
}

const cases: [count: number, ranges: number, pages: number][] = [
  [0, 1, 1],
  [900, 1, 1],
  [3_000, 1, 4],
  [9_000, 2, 11],
  [40_000, 8, 49],
]

suite('rebuildLedger()', () => {
  for (const [count, rangeCount, pagesMax] of cases) {
    test(`${count} chunks are listed in ${rangeCount} ranges, each chunk once`, async () => {
      const { objects, ledger, digests, starts, pages } = makeBucket(count)
      const found = await rebuildLedger({ objects, ledger, prefix: 'store' }, silentProgress())
      assert.deepEqual([found, ledger.count], [count, count])
      for (const digest of digests) {
        assert.deepEqual(ledger.knowsAt(Buffer.from(digest, 'hex'), 0), { size: BODY.length })
      }
      assert.equal(starts.length, rangeCount)
      assert.ok(pages() <= pagesMax, `${pages()} pages`)
    })
  }

  test('a range that fails ends all', async () => {
    const { objects, ledger, starts } = makeBucket(9_000)
    const list = objects.list.bind(objects)
    objects.list = (prefix, options) => {
      if (options?.after !== undefined) throw new Error('the bucket is away')
      return list(prefix, options)
    }
    const doors = { objects, ledger, prefix: 'store' }
    await assert.rejects(rebuildLedger(doors, silentProgress()), /is away/)
    assert.equal(starts.length, 1)
  })
})
