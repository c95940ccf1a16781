import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { calendarEventProblem } from './calendar-event.ts'

suite('calendarEventProblem()', () => {
  const good = [
    'daily',
    'Hourly',
    '02:30',
    '*:0/15',
    'mon..fri 8..17,22:0/15',
    'sat *-1..7 15:00',
    '2099-12-31 00:00',
    '*-*-1',
    'sun',
    'mon,wed..fri 12:30:10',
    '0/30',
  ]
  for (const text of good) {
    test(`accepts '${text}'`, () => assert.equal(calendarEventProblem(text), null))
  }

  for (const text of ['nonsense', '', '25x', 'mon..', '12:30:10:5', '*-*-*-*']) {
    test(`refuses '${text}'`, () => {
      const problem = `unable to parse calendar event at '${text}' - Context("weekday")`
      assert.equal(calendarEventProblem(text), problem)
    })
  }

  test('shows the first word, as stock', () => {
    const problem = `unable to parse calendar event at 'every' - Context("weekday")`
    assert.equal(calendarEventProblem('every full moon'), problem)
  })
})
