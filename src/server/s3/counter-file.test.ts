import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { silentLog } from '../../base/log.ts'
import { parseCalendarEvent } from '../../base/time/calendar-event.ts'
import { systemClock } from '../../base/time/clock.ts'
import { CounterFile, readCounters } from './counter-file.ts'
import {
  addCounts,
  decodeCounters,
  encodeCounters,
  makeCounts,
  ZERO_COUNTS,
} from './counter-table.ts'

async function openFile(context: TestContext) {
  const path = join(await makeTemporaryFolder(context), 'a', 'counters')
  const options = { path, clock: systemClock, log: silentLog }
  return { path, options, file: new CounterFile(nodeFileSystem, options) }
}

suite('counter table', () => {
  test('has the magic, the slots and the size of stock', () => {
    const counts = makeCounts((name) => name.length)
    const bytes = Buffer.from(
      encodeCounters({ counts, thresholds: { ...ZERO_COUNTS, put: 7 }, resetTime: 9 }),
    )
    assert.equal(bytes.length, 4096)
    assert.equal(bytes.subarray(0, 8).toString('hex'), 'e06e58fc1a4db405')
    assert.equal(bytes.readBigUInt64LE(32), 3n)
    assert.equal(bytes.readBigUInt64LE(64), 6n)
    assert.equal(bytes.readBigUInt64LE(256 + 64), 7n)
    const thresholds = { ...ZERO_COUNTS, put: 7 }
    assert.deepEqual(decodeCounters(bytes), { counts, thresholds, resetTime: 9 })
  })

  test('of another size or magic is none; sums stay exact', () => {
    const bytes = encodeCounters({ counts: ZERO_COUNTS, thresholds: ZERO_COUNTS, resetTime: 0 })
    assert.equal(decodeCounters(bytes.subarray(0, 4000)), null)
    bytes[3] = 0
    assert.equal(decodeCounters(bytes), null)
    const most = makeCounts(() => Number.MAX_SAFE_INTEGER)
    assert.deepEqual(
      addCounts(
        most,
        makeCounts(() => 5),
      ),
      most,
    )
  })
})

suite('CounterFile', () => {
  test('adds to what is there, also what another process added meanwhile', async (context) => {
    const { path, options, file } = await openFile(context)
    await using other = new CounterFile(nodeFileSystem, options)
    file.add('put', 2)
    file.add('upload', 100)
    other.add('put', 3)
    await file.flush()
    await other.flush()
    assert.equal((await readCounters(nodeFileSystem, path)).counts.put, 5)
    file.add('put', 1)
    const { counts } = await file.read()
    assert.deepEqual(counts, { ...ZERO_COUNTS, put: 6, upload: 100 })
    await file[Symbol.asyncDispose]()
    assert.deepEqual((await readCounters(nodeFileSystem, path)).counts, counts)
    assert.equal(statSync(path).size, 4096)
  })

  test('writes by itself after five seconds', async (context) => {
    const { path, options } = await openFile(context)
    const clock = new FakeClock()
    const file = new CounterFile(nodeFileSystem, { ...options, clock })
    file.add('get', 4)
    await clock.advance(4_999)
    assert.equal((await readCounters(nodeFileSystem, path)).counts.get, 0)
    await clock.advance(1)
    const count = async () => (await readCounters(nodeFileSystem, path)).counts.get
    while ((await count()) === 0) await setImmediate()
    assert.equal(await count(), 4)
    await file[Symbol.asyncDispose]()
  })

  test('reset makes zeros and keeps thresholds; a damaged file begins anew', async (context) => {
    const { path, options } = await openFile(context)
    const lines: string[] = []
    const log = { ...silentLog, warn: (text: string) => void lines.push(text) }
    const thresholds = { ...ZERO_COUNTS, get: 3 }
    await using file = new CounterFile(nodeFileSystem, { ...options, log })
    file.setThresholds(thresholds)
    for (const expected of [0, 1, 1]) {
      file.add('get', 2)
      await file.flush()
      assert.equal(lines.length, expected)
    }
    await file.reset()
    const { counts, thresholds: kept } = await file.read()
    assert.deepEqual({ counts, kept }, { counts: ZERO_COUNTS, kept: thresholds })
    writeFileSync(path, 'x')
    file.add('get', 1)
    await file.flush()
    assert.equal(decodeCounters(readFileSync(path))?.counts.get, 1)
  })

  test('counts begin anew at the first moment of the schedule, also while nobody counts', async (context) => {
    const { options } = await openFile(context)
    // Half past eleven in the evening.
    const clock = new FakeClock(Date.UTC(2026, 0, 1, 23, 30))
    const file = new CounterFile(nodeFileSystem, { ...options, clock })
    file.setSchedule(parseCalendarEvent('00:00 utc'))
    const count = async (): Promise<number> => (await file.read()).counts.get
    file.add('get', 5)
    await file.flush()
    await clock.advance(29 * 60_000)
    assert.equal(await count(), 5)
    await clock.advance(2 * 60_000)
    assert.equal(await count(), 0)
    file.add('get', 2)
    await file.flush()
    await clock.advance(23 * 3_600_000)
    assert.equal(await count(), 2)
    file.setSchedule(null)
    await clock.advance(24 * 3_600_000)
    assert.equal(await count(), 2)
    await file[Symbol.asyncDispose]()
  })

  test('a file that cannot be written loses nothing and fails nobody', async (context) => {
    const { path, options } = await openFile(context)
    const blocked = join(path, 'below-a-file')
    await using first = new CounterFile(nodeFileSystem, options)
    first.add('get', 1)
    await first.flush()
    const file = new CounterFile(nodeFileSystem, { ...options, path: blocked })
    file.add('head', 2)
    await assert.rejects(file.flush())
    await file[Symbol.asyncDispose]()
  })
})
