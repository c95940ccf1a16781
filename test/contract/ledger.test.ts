/** What every Ledger promises, run by each implementation (races.md ). */
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Clock } from '../../src/base/time/clock.ts'
import { type Digest, digestToBytes } from '../../src/formats/digest.ts'
import { MemoryLedger } from '../../src/storage/bucket-chunks/memory-ledger.ts'
import { SqliteLedger } from '../../src/storage/bucket-chunks/sqlite-ledger.ts'
import { type Ledger, REQUEST_LIFE_MS } from '../../src/storage/ledger.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

type Open = (context: TestContext, clock?: Clock) => Promise<Ledger>

const LEDGERS: Record<string, Open> = {
  memory: async (_context, clock = new FakeClock()) => new MemoryLedger(undefined, clock),
  sqlite: async (context, clock = new FakeClock()) => {
    const path = `${await makeTemporaryFolder(context)}/ledger.sqlite`
    const options = { path, clock, log: silentLog }
    const ledger = await SqliteLedger.open(nodeFileSystem, options)
    context.after(async () => await ledger.close())
    return ledger
  },
}

const A = digest('a1')
const B = digest('b2')
const C = digest('ff')

function digest(start: string): Digest {
  return start.padEnd(64, '0') as Digest
}

function keyOf(of: Digest): string {
  return `store1/.chunks/${of.slice(0, 4)}/${of}`
}

function knows(ledger: Ledger, of: Digest): { readonly size: number | null } | null {
  const bytes = Buffer.concat([Buffer.alloc(3), digestToBytes(of)])
  return ledger.knowsAt(bytes, 3)
}

for (const [name, open] of Object.entries(LEDGERS)) {
  suite(`Ledger: ${name}`, () => {
    test('knows what was added, with its size once that is known', async (context) => {
      const ledger = await open(context)
      assert.equal(knows(ledger, A), null)
      ledger.add(A, null)
      assert.deepEqual(knows(ledger, A), { size: null })
      ledger.add(A, 100)
      ledger.add(A, null)
      assert.deepEqual(knows(ledger, A), { size: 100 })
      assert.equal(knows(ledger, B), null)
      ledger.add(B, 5)
      // What is on its way is counted as if it were new.
      await ledger.suspects()
      assert.equal(ledger.count, 2)
      ledger.drop(A)
      ledger.drop(A)
      assert.equal(knows(ledger, A), null)
      await ledger.suspects()
      assert.equal(ledger.count, 1)
    })

    test('entries() are in order, from inclusive, to exclusive', async (context) => {
      const ledger = await open(context)
      for (const each of [C, A, B]) ledger.add(each, each === B ? null : 7)
      const zero = digest('')
      const all = await ledger.entries(zero, null, 10)
      assert.deepEqual(all, [
        { digest: A, size: 7 },
        { digest: B, size: null },
        { digest: C, size: 7 },
      ])
      assert.deepEqual(await ledger.entries(A, C, 10), all.slice(0, 2))
      assert.deepEqual(await ledger.entries(B, null, 1), all.slice(1, 2))
    })

    test('what is condemned is unknown and a suspect until it is acquitted', async (context) => {
      const ledger = await open(context)
      ledger.add(A, 1)
      ledger.add(B, 1)
      const bad = `${keyOf(B)}.0.bad`
      await ledger.condemn([keyOf(A), bad, 'store1/.cnt/vm/100/owner'], 5000)
      assert.equal(knows(ledger, A), null)
      assert.notEqual(knows(ledger, B), null, 'a bad object is another object')
      assert.equal(ledger.count, 1)
      assert.equal(ledger.isSuspect(keyOf(A)), true)
      assert.equal(ledger.isSuspect(bad), true)
      assert.equal(ledger.isSuspect(keyOf(B)), false)
      assert.equal(ledger.suspectSinceMs(keyOf(A)), 5000)
      await ledger.renewSuspects([keyOf(A)], 9000)
      assert.equal(ledger.suspectSinceMs(keyOf(A)), 9000)
      await ledger.acquit([bad, 'store1/.cnt/vm/100/owner'])
      assert.deepEqual(await ledger.suspects(), [{ key: keyOf(A), lastMs: 9000 }])
      await ledger.acquit([keyOf(A)])
      assert.equal(ledger.suspectSinceMs(keyOf(A)), null)
    })

    test('a batch of 1,000 keys is condemned', async (context) => {
      const ledger = await open(context)
      const digests = Array.from({ length: 1000 }, (_, number) =>
        digest(number.toString(16).padStart(4, '0')),
      )
      for (const each of digests) ledger.add(each, 1)
      await ledger.condemn(digests.map(keyOf), 1)
      assert.equal(ledger.count, 0)
      assert.equal((await ledger.suspects()).length, 1000)
      assert.ok(digests.every((each) => knows(ledger, each) === null))
      await ledger.acquit(digests.map(keyOf))
      assert.deepEqual(await ledger.suspects(), [])
    })

    // races.md R-65: a page may be older than a delete.
    test('a rebuild does not add what went since it began, nor suspects', async (context) => {
      const ledger = await open(context)
      ledger.add(A, 1)
      await ledger.condemn([keyOf(C)], 0)
      await ledger.beginRebuild()
      await ledger.condemn([keyOf(A)], 0)
      await ledger.acquit([keyOf(A)])
      ledger.drop(B)
      const other = digest('0b')
      const kept = digest('0c')
      ledger.add(kept, 9)
      const listed = [A, B, C, other, kept].map((each) => ({ digest: each, size: 3 }))
      await ledger.addListed(listed)
      assert.deepEqual(await ledger.entries(digest(''), null, 10), [
        { digest: other, size: 3 },
        { digest: kept, size: 9 },
      ])
      await ledger.endRebuild()
      await ledger.acquit([keyOf(C)])
      await ledger.beginRebuild()
      await ledger.addListed(listed)
      await ledger.endRebuild()
      assert.equal(ledger.count, 5, 'the next one sees them afresh')
    })

    // races.md R-59 with R-60.
    test('in doubt every key is a suspect for the life of a request, and no LIST adds one', async (context) => {
      const clock = new FakeClock()
      const ledger = await open(context, clock)
      ledger.add(A, 1)
      await ledger.condemn([keyOf(C)], clock.now())
      const lastMs = clock.now() + 1000
      await ledger.doubtAll(lastMs)
      await ledger.doubtAll(lastMs - 1)
      assert.equal(ledger.allDoubtedMs, lastMs, 'the later one counts')
      for (const key of [keyOf(B), keyOf(C), 'store1/.in-use']) {
        assert.equal(ledger.suspectSinceMs(key), lastMs)
        assert.ok(ledger.isSuspect(key))
      }
      assert.deepEqual(
        (await ledger.suspects()).map(({ key }) => key),
        [keyOf(C)],
      )
      assert.notEqual(knows(ledger, A), null, 'entries are cleared apart')
      await ledger.beginRebuild()
      await ledger.addListed([{ digest: B, size: 3 }])
      assert.equal(knows(ledger, B), null)
      await clock.advance(REQUEST_LIFE_MS + 1000)
      assert.equal(ledger.allDoubtedMs, null)
      assert.equal(ledger.isSuspect(keyOf(B)), false)
      await ledger.addListed([{ digest: B, size: 3 }])
      await ledger.endRebuild()
      assert.deepEqual(knows(ledger, B), { size: 3 })
    })

    test('clear() forgets all entries; holder and suspects stay', async (context) => {
      const ledger = await open(context)
      assert.equal(ledger.holder, null)
      const holder = {
        holderId: 'one',
        generation: 3,
        nonce: 'n',
        pending: { generation: 4, nonce: 'm' },
      }
      await ledger.setHolder(holder)
      for (const start of ['00', '0f', '10', 'a1', 'fe', 'ffff']) ledger.add(digest(start), 1)
      await ledger.condemn([keyOf(C)], 1)
      await ledger.clear()
      assert.equal(ledger.count, 0)
      assert.deepEqual(await ledger.entries(digest(''), null, 10), [])
      assert.deepEqual(ledger.holder, holder)
      assert.equal(ledger.isSuspect(keyOf(C)), true)
    })
  })
}

suite('MemoryLedger', () => {
  test('holds what an earlier snapshot held', () => {
    const ledger = new MemoryLedger()
    ledger.add(A, 1)
    const before = ledger.snapshot()
    ledger.add(B, 1)
    ledger.drop(A)
    const copy = new MemoryLedger(before)
    ledger.restore(before)
    for (const old of [ledger, copy]) {
      assert.deepEqual(knows(old, A), { size: 1 })
      assert.equal(knows(old, B), null)
    }
    copy.drop(A)
    assert.deepEqual(knows(new MemoryLedger(before), A), { size: 1 }, 'a snapshot stays as it is')
  })
})
