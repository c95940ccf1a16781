import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { parseGroup } from '../formats/names.ts'
import { ENTRY_AGE_MAX_MS, ListingCache } from './listing-cache.ts'
import type { GroupAnswer, GroupRequest } from './listing/read-group.ts'

const NOW_MS = 1_800_000_000_000
const GROUP = parseGroup('host/web1')
const PLACE = { path: '/store/host/web1', group: GROUP }

/** A group of two snapshots whose folders changed at `changedMs`; says what was asked to be read. */
function makeDisk(changedMs: number) {
  const disk = { changedMs, version: 1, owner: 'root@pam\n', read: [] as number[] }
  const answer = ({ knownTimes, knownStamps }: GroupRequest): GroupAnswer => {
    const times = [1, 2]
    const stamps = times.flatMap((time) => [time, disk.changedMs, disk.changedMs])
    const texts = times.map((time, position) => {
      const index = knownTimes.indexOf(time)
      const isKnown =
        index >= 0 &&
        stamps.slice(position * 3, position * 3 + 3).every((value, offset) => {
          return knownStamps[index * 3 + offset] === value
        })
      if (isKnown) return null
      disk.read.push(time)
      return `{"time":${time},"version":${disk.version}}`
    })
    const { owner } = disk
    return { owner, times: Float64Array.from(times), stamps: Float64Array.from(stamps), texts }
  }
  return { disk, read: async (requests: readonly GroupRequest[]) => requests.map(answer) }
}

async function listed(cache: ListingCache): Promise<readonly string[]> {
  return (await cache.list([PLACE]))[0]!.texts
}

suite('ListingCache', () => {
  test('asks again only for what changed', async () => {
    const { disk, read } = makeDisk(NOW_MS - 10_000)
    const cache = new ListingCache(new FakeClock(NOW_MS), { read })
    const first = await listed(cache)
    assert.deepEqual(disk.read, [1, 2])
    disk.version = 2
    assert.deepEqual(await listed(cache), first)
    assert.deepEqual(disk.read, [1, 2])
    disk.changedMs += 1
    assert.deepEqual(await listed(cache), ['{"time":1,"version":2}', '{"time":2,"version":2}'])
  })

  test('keeps nothing whose folder changed a moment ago: the next change may have the same time', async () => {
    const clock = new FakeClock(NOW_MS)
    const { disk, read } = makeDisk(NOW_MS - 2000)
    const cache = new ListingCache(clock, { read })
    await listed(cache)
    disk.version = 2
    assert.match((await listed(cache))[0]!, /"version":2/)
    await clock.advance(2000)
    await listed(cache)
    disk.version = 3
    assert.match((await listed(cache))[0]!, /"version":2/)
  })

  test('keeps nothing of a folder from the future', async () => {
    const { disk, read } = makeDisk(NOW_MS + 3_600_000)
    const cache = new ListingCache(new FakeClock(NOW_MS), { read })
    await listed(cache)
    await listed(cache)
    assert.deepEqual(disk.read, [1, 2, 1, 2])
  })

  test('reads everything again after the stated time', async () => {
    const clock = new FakeClock(NOW_MS)
    const { disk, read } = makeDisk(NOW_MS - 10_000)
    const cache = new ListingCache(clock, { read })
    await listed(cache)
    disk.version = 2
    await clock.advance(ENTRY_AGE_MAX_MS - 1)
    assert.match((await listed(cache))[0]!, /"version":1/)
    await clock.advance(1)
    assert.match((await listed(cache))[0]!, /"version":2/)
  })

  test('never keeps the owner, and no more than its bound', async () => {
    const { disk, read } = makeDisk(NOW_MS - 10_000)
    const cache = new ListingCache(new FakeClock(NOW_MS), { read, sizeMax: 1000 })
    for (let number = 0; number < 50; number += 1) {
      await cache.list([{ ...PLACE, path: `/store/host/${number}` }])
    }
    assert.ok(cache.size <= 1000 && cache.size > 0, `${cache.size} bytes`)
    disk.owner = 'other@pam\n'
    assert.equal((await cache.list([PLACE]))[0]!.owner, 'other@pam\n')
  })
})
