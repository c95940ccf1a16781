import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formatLogStamp, formatRfc3339, parseRfc3339Utc } from './format.ts'

suite('formatRfc3339(), parseRfc3339Utc()', () => {
  for (const [seconds, text] of [
    [0, '1970-01-01T00:00:00Z'],
    [1_593_179_765, '2020-06-26T13:56:05Z'],
    [253_402_300_799, '9999-12-31T23:59:59Z'],
  ] as const) {
    test(`carry ${text}`, () => {
      assert.equal(formatRfc3339(seconds), text)
      assert.equal(parseRfc3339Utc(text), seconds)
    })
  }

  for (const text of [
    '2020-06-26T13:56:05',
    '2020-06-26T13:56:05.000Z',
    '2020-02-30T00:00:00Z',
    '2020-06-26T24:00:00Z',
    '2020-13-01T00:00:00Z',
    '2020-06-26t13:56:05z',
    '',
  ]) {
    test(`refuse '${text}'`, () => {
      assert.equal(parseRfc3339Utc(text), null)
    })
  }

  test('refuse years of five digits', () => {
    assert.throws(() => formatRfc3339(253_402_300_800), RangeError)
  })
})

suite('formatLogStamp()', () => {
  for (const [offset, text] of [
    [0, '2020-06-26T13:56:05+00:00'],
    [120, '2020-06-26T15:56:05+02:00'],
    [-570, '2020-06-26T04:26:05-09:30'],
  ] as const) {
    test(`gives ${text}`, () => {
      assert.equal(formatLogStamp(1_593_179_765, offset), text)
    })
  }
})
