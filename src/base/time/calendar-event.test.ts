import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { nextEvent, parseCalendarEvent } from './calendar-event.ts'

suite('nextEvent()', () => {
  const cases: readonly (readonly [event: string, after: string, next: string | null])[] = [
    ['2099-12-31 00:00 UTC', '2026-11-21T10:00:00Z', '2099-12-31T00:00:00Z'],
    ['00:00 UTC', '2026-11-21T00:00:00Z', '2026-11-22T00:00:00Z'],
    ['*:* UTC', '2026-12-31T23:59:30Z', '2027-01-01T00:00:00Z'],
    ['*:00 UTC', '2026-11-21T10:00:00Z', '2026-11-21T11:00:00Z'],
    ['*:0/15 UTC', '2026-11-21T10:15:00Z', '2026-11-21T10:30:00Z'],
    ['0/30 UTC', '2026-11-21T10:31:00Z', '2026-11-21T11:00:00Z'],
    ['8..17,22:0/15 utc', '2026-11-21T17:45:00Z', '2026-11-21T22:00:00Z'],
    ['mon..fri 02:30 UTC', '2026-11-21T10:00:00Z', '2026-11-23T02:30:00Z'],
    ['sat..mon 12:00 UTC', '2026-11-24T00:00:00Z', '2026-11-28T12:00:00Z'],
    ['Sunday UTC', '2026-11-21T10:00:00Z', '2026-11-22T00:00:00Z'],
    ['sat *-1..7 15:00 UTC', '2026-11-21T10:00:00Z', '2026-12-05T15:00:00Z'],
    ['*-31 UTC', '2026-11-21T10:00:00Z', '2026-12-31T00:00:00Z'],
    ['2-29 UTC', '2026-11-21T10:00:00Z', '2028-02-29T00:00:00Z'],
    ['2-30 UTC', '2026-11-21T10:00:00Z', null],
    ['2020-1-1 UTC', '2026-11-21T10:00:00Z', null],
    ['12:30:10 UTC', '2026-11-21T12:30:09Z', '2026-11-21T12:30:10Z'],
    ['*:*:0/20 UTC', '2026-11-21T12:59:40Z', '2026-11-21T13:00:00Z'],
  ]
  for (const [text, after, next] of cases) {
    test(`'${text}' after ${after}`, () => {
      const event = parseCalendarEvent(text)
      assert.ok(event !== null)
      const found = nextEvent(event, Date.parse(after) / 1000)
      assert.equal(found === null ? null : new Date(found * 1000).toISOString(), isoOf(next))
    })
  }

  test('keywords are their long forms', () => {
    const pairs = { weekly: 'mon 00:00', quarterly: '1,4,7,10-1', 'semi-annually': '1,7-1' }
    for (const [keyword, long] of Object.entries(pairs)) {
      assert.deepEqual(parseCalendarEvent(keyword), parseCalendarEvent(long))
    }
  })

  test('local time: an hour that is left out is shifted, one that comes twice is taken once', (t) => {
    const zone = process.env['TZ']
    t.after(() => {
      if (zone === undefined) delete process.env['TZ']
      else process.env['TZ'] = zone
    })
    process.env['TZ'] = 'Europe/Berlin'
    const event = parseCalendarEvent('02:30')
    assert.ok(event !== null)
    const runs = (from: string, count: number): string[] => {
      const found: string[] = []
      for (let after = Date.parse(from) / 1000; found.length < count; ) {
        after = nextEvent(event, after) ?? Infinity
        found.push(new Date(after * 1000).toISOString().slice(0, 16))
      }
      return found
    }
    const spring = ['2026-03-28T01:30', '2026-03-29T01:30', '2026-03-30T00:30']
    assert.deepEqual(runs('2026-03-28T00:00:00Z', 3), spring)
    const autumn = ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30']
    assert.deepEqual(runs('2026-10-24T00:00:00Z', 3), autumn)
  })
})

suite('parseCalendarEvent()', () => {
  for (const text of [
    '',
    'UTC',
    'daily UTC',
    '25:00',
    '*:60',
    '13-1',
    '*-32',
    '12:30:10:5',
    'mon..',
    '1..0',
  ]) {
    test(`refuses '${text}'`, () => assert.equal(parseCalendarEvent(text), null))
  }
})

function isoOf(text: string | null): string | null {
  return text === null ? null : text.replace('Z', '.000Z')
}
