/** Keep rules: the page's examples by hand, and properties against a literal reading of the page. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../../../test/support/fast-check.ts'
import {
  KEEP_NAMES,
  type KeepOptions,
  keepsSomething,
  formatKeepOptions,
  type PruneCandidate,
  selectKept,
} from './keep-rules.ts'
import { periodNames } from './periods.ts'

const HOUR = 3_600
const DAY = 86_400
/** Thursday, 1 January 2026, 00:00 UTC. */
const START = 1_767_225_600
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe']

function finished(...times: readonly number[]): PruneCandidate[] {
  return times.map((time) => ({ time, finished: true, protected: false }))
}

/** Marks oldest first, in UTC. */
function marks(snapshots: readonly PruneCandidate[], options: KeepOptions, zone = 'UTC'): string[] {
  return selectKept(snapshots, options, zone).map(({ mark }) => mark)
}

suite('selectKept()', () => {
  test('last keeps the newest, and order of input does not matter', () => {
    const snapshots = finished(START, START + 2 * DAY, START + DAY)
    assert.deepEqual(selectKept(snapshots, { last: 2 }, 'UTC'), [
      { time: START, mark: 'remove' },
      { time: START + DAY, mark: 'keep' },
      { time: START + 2 * DAY, mark: 'keep' },
    ])
  })

  test('daily keeps the newest of each day, empty days do not count', () => {
    const times = [START, START + HOUR, START + 5 * DAY, START + 5 * DAY + HOUR]
    assert.deepEqual(marks(finished(...times), { daily: 2 }), ['remove', 'keep', 'remove', 'keep'])
    assert.deepEqual(marks(finished(...times), { daily: 1 })[1], 'remove')
  })

  test('weeks are ISO weeks: 29 December 2025 to 4 January 2026 is one', () => {
    const times = [START - 4 * DAY, START - 3 * DAY, START, START + 4 * DAY]
    assert.deepEqual(marks(finished(...times), { weekly: 9 }), ['keep', 'remove', 'keep', 'keep'])
    const { weekly } = periodNames('UTC')
    assert.equal(weekly(START), '2026/01')
    assert.equal(weekly(START - 3 * DAY), '2026/01')
    assert.equal(weekly(START - 4 * DAY), '2025/52')
    assert.equal(weekly(Date.UTC(2021, 0, 3) / 1000), '2020/53')
    assert.equal(weekly(Date.UTC(2027, 0, 1) / 1000), '2026/53')
  })

  test('a later option goes on before what earlier ones kept, and their removals are final', () => {
    // Two a day for six days: last 1, then three days that it does not cover.
    const times = Array.from({ length: 12 }, (_, index) => START + (index * DAY) / 2)
    const result = marks(finished(...times), { last: 1, daily: 3 })
    const kept = times.filter((_, index) => result[index] === 'keep')
    assert.deepEqual(kept, [times[5], times[7], times[9], times[11]])
    assert.deepEqual(marks(finished(START, START + 1), { hourly: 1, last: 1 }), ['remove', 'keep'])
    // last keeps the newest; the other of its hour is not removed by hourly, it stays open for no one.
    assert.deepEqual(marks(finished(START, START + 1), { last: 1, hourly: 5, yearly: 5 }), [
      'remove',
      'keep',
    ])
  })

  test("protected ones take nobody's place, and win over every other mark", () => {
    const snapshots = [
      ...finished(START, START + DAY),
      { time: START + 2 * DAY, finished: true, protected: true },
      { time: START - DAY, finished: false, protected: true },
    ]
    assert.deepEqual(marks(snapshots, { last: 1 }), ['protected', 'remove', 'keep', 'protected'])
  })

  test('an unfinished one is kept only if it is the newest of all', () => {
    const running = { time: START + DAY, finished: false, protected: false }
    const stale = { time: START - DAY, finished: false, protected: false }
    const both = [...finished(START), running, stale]
    assert.deepEqual(marks(both, { last: 9 }), ['remove', 'keep', 'keep-partial'])
    assert.deepEqual(marks([running, stale], { last: 9 }), ['remove', 'keep-partial'])
    assert.deepEqual(marks([...finished(START), running], { last: 1 }), ['keep', 'keep-partial'])
  })

  test('without an option all are marked for removal, which no run obeys', () => {
    assert.deepEqual(marks(finished(START), {}), ['remove'])
    assert.deepEqual(marks(finished(START), { last: 0 }), ['remove'])
    assert.equal(keepsSomething({}), false)
    assert.equal(keepsSomething({ last: 0 }), false)
    assert.equal(keepsSomething({ yearly: 1 }), true)
    assert.equal(formatKeepOptions({ daily: 7, last: 3 }), '--keep-last 3 --keep-daily 7')
  })

  test('the repeated hour at the end of summer time is one hour, and days are local', () => {
    const twice = Date.UTC(2026, 9, 25, 0, 30) / 1000 // 02:30 in Berlin, and again an hour later.
    const snapshots = finished(twice, twice + HOUR)
    assert.deepEqual(marks(snapshots, { hourly: 5 }, 'Europe/Berlin'), ['remove', 'keep'])
    assert.deepEqual(marks(snapshots, { hourly: 5 }, 'UTC'), ['keep', 'keep'])
    const lateEvening = finished(START + 22 * HOUR, START + 23 * HOUR)
    assert.deepEqual(marks(lateEvening, { daily: 5 }, 'Europe/Berlin'), ['keep', 'keep'])
    assert.deepEqual(marks(lateEvening, { daily: 5 }, 'UTC'), ['remove', 'keep'])
  })
})

const optionArbitrary: fc.Arbitrary<KeepOptions> = fc.record(
  Object.fromEntries(KEEP_NAMES.map((name) => [name, fc.integer({ min: 0, max: 5 })])),
  { requiredKeys: [] },
)
/** Times in clusters: minutes to months apart, around both changes of the clocks. */
const snapshotArbitrary: fc.Arbitrary<PruneCandidate[]> = fc.uniqueArray(
  fc.record({
    time: fc
      .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 60 }))
      .map(([days, halves]) => START + 80 * DAY + days * 8 * DAY + halves * 1_800),
    finished: fc.boolean(),
    protected: fc.boolean(),
  }),
  { selector: ({ time }) => time, maxLength: 30 },
)

suite('selectKept(), any snapshots', () => {
  test('does what the page says, word for word', () => {
    fc.assert(
      fc.property(
        snapshotArbitrary,
        optionArbitrary,
        fc.constantFrom(...ZONES),
        (snapshots, options, zone) => {
          assert.deepEqual(marks(snapshots, options, zone), marksOfPage(snapshots, options, zone))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('keeps the newest finished one that is not protected, and never touches protected ones', () => {
    fc.assert(
      fc.property(snapshotArbitrary, optionArbitrary, (snapshots, options) => {
        const marked = new Map(selectKept(snapshots, options).map(({ time, mark }) => [time, mark]))
        const isPlain = (each: PruneCandidate) => each.finished && !each.protected
        const newest = snapshots.filter(isPlain).toSorted((a, b) => b.time - a.time)[0]
        if (newest !== undefined && keepsSomething(options)) {
          assert.equal(marked.get(newest.time), 'keep')
        }
        for (const { time } of snapshots.filter((each) => each.protected)) {
          assert.equal(marked.get(time), 'protected')
        }
        assert.equal(marked.size, snapshots.length)
      }),
    )
  })

  test('a second run removes nothing more', () => {
    fc.assert(
      fc.property(snapshotArbitrary, optionArbitrary, (snapshots, options) => {
        const removed = (left: readonly PruneCandidate[]) =>
          new Set(
            selectKept(left, options, 'Europe/Berlin')
              .filter(({ mark }) => mark === 'remove')
              .map(({ time }) => time),
          )
        const first = removed(snapshots)
        const left = snapshots.filter(({ time }) => !first.has(time))
        assert.deepEqual([...removed(left)], [])
      }),
    )
  })

  test("the machine's own zone is one of the named ones", () => {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone
    fc.assert(
      fc.property(snapshotArbitrary, optionArbitrary, (snapshots, options) => {
        assert.deepEqual(selectKept(snapshots, options), selectKept(snapshots, options, own))
      }),
    )
  })
})

/** The page's text as it stands, with names of periods made another way. */
function marksOfPage(
  snapshots: readonly PruneCandidate[],
  options: KeepOptions,
  zone: string,
): string[] {
  const list = snapshots.toSorted((a, b) => b.time - a.time)
  const mark: (string | undefined)[] = list.map(() => undefined)
  let keepUnfinished = true
  list.forEach((s, i) => {
    if (!s.finished) mark[i] = keepUnfinished ? 'keep-partial' : 'remove'
    keepUnfinished = false
  })
  for (const name of KEEP_NAMES) {
    const keep = options[name]
    if (keep === undefined) continue
    const ids = list.map((s) => idOfPage(name, s.time, zone))
    const already = ids.filter((_, i) => mark[i] === 'keep')
    const seen: string[] = []
    for (let i = 0; i < list.length; i += 1) {
      if (mark[i] !== undefined) continue
      if (list[i]?.protected === true) mark[i] = 'protected'
      else if (already.includes(ids[i] ?? '')) continue
      else if (seen.includes(ids[i] ?? '')) mark[i] = 'remove'
      else if (seen.length >= keep) break
      else {
        seen.push(ids[i] ?? '')
        mark[i] = 'keep'
      }
    }
  }
  return list.map((s, i) => (s.protected ? 'protected' : (mark[i] ?? 'remove'))).toReversed()
}

const ID_LENGTHS = { hourly: 13, daily: 10, monthly: 7, yearly: 4 } as const

/** From the Swedish text of a date, `2026-01-31 23:59`; weeks by counting Mondays since 1970. */
function idOfPage(name: (typeof KEEP_NAMES)[number], time: number, zone: string): string {
  if (name === 'last') return String(time)
  const text = new Date(time * 1000).toLocaleString('sv-SE', { timeZone: zone })
  if (name !== 'weekly') return text.slice(0, ID_LENGTHS[name])
  const days = Date.parse(`${text.slice(0, 10)}T00:00:00Z`) / 86_400_000
  return String(Math.floor((days + 3) / 7)) // 1 January 1970 was a Thursday.
}
