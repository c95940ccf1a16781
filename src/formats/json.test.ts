/** Numbers keep what was written, keys come in the order of their bytes. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formatPrettyJson, parseJson } from './json.ts'

const NUMBERS = [
  ['0', '-1', '42', '999999999999999', '-123456789012345'],
  ['-0', '0.0', '1.0', '-0.5', '1e3', '1E-7', '2.50', '12345678901234567890', '9007199254740993'],
].flat()

suite('json', () => {
  test('numbers are written as they were read', () => {
    for (const number of NUMBERS) {
      assert.equal(formatPrettyJson(parseJson(number)), number)
      assert.equal(
        formatPrettyJson(parseJson(`[${number},\n\t${number}]`)),
        `[\n  ${number},\n  ${number}\n]`,
      )
      assert.equal(formatPrettyJson(parseJson(`{"a":${number}}`)), `{\n  "a": ${number}\n}`)
    }
  })

  test('strings that look like numbers stay strings', () => {
    assert.equal(formatPrettyJson(parseJson('[" 1.0", ",2e5"]')), '[\n  " 1.0",\n  ",2e5"\n]')
  })

  test('keys come in the order of their bytes', () => {
    const keys = ['\u{1f600}', '\uffee', 'z', '1', 'a', 'B', 'é']
    const text = formatPrettyJson(Object.fromEntries(keys.map((key) => [key, 1])))
    const found = [...text.matchAll(/"(.*)":/g)].map((match) => match[1])
    assert.deepEqual(found, ['1', 'B', 'a', 'z', 'é', '\uffee', '\u{1f600}'])
  })
})
