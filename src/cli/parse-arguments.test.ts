import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { choice, flag, integer, list, optional, text, withDefault } from './command.ts'
import { parseArguments } from './parse-arguments.ts'

const shape = {
  positionals: ['source', 'more'],
  parameters: {
    source: text('What.'),
    more: list(text('And more.'), { isOptional: true }),
    name: optional(text('Name.', { lengthMin: 3, pattern: /^[a-z]*$/ })),
    count: withDefault(integer('How many.', { min: 1, max: 10 }), 5),
    color: optional(choice('Which.', ['red', 'green'])),
    dry: flag('Only look.'),
    sure: flag('Sure.', { byDefault: true }),
    exclude: list(text('Not that.'), { isOptional: true }),
  },
}

suite('parseArguments() reads', () => {
  const rows: readonly (readonly [line: string, expected: object])[] = [
    ['a', { source: 'a' }],
    ['a b c', { source: 'a', more: ['b', 'c'] }],
    ['--source a b', { source: 'a', more: ['b'] }],
    ['a --name abc', { source: 'a', name: 'abc' }],
    ['a -name abc', { source: 'a', name: 'abc' }],
    ['a --name=abc --count=7', { source: 'a', name: 'abc', count: 7 }],
    ['--dry a', { source: 'a', dry: true }],
    ['--dry no a', { source: 'a', dry: false }],
    ['--dry ON a', { source: 'a', dry: true }],
    ['a --sure 0', { source: 'a', sure: false }],
    ['a --exclude x --exclude=y', { source: 'a', exclude: ['x', 'y'] }],
    ['-', { source: '-' }],
    ['-- --name', { source: '--name' }],
    ['a --color red', { source: 'a', color: 'red' }],
  ]
  for (const [line, expected] of rows) {
    test(line, () => {
      const values = parseArguments(shape, line.split(' '))
      const byDefault = { count: 5, sure: true, more: [], exclude: [] }
      assert.deepEqual({ ...values }, { ...byDefault, ...expected })
    })
  }
})

suite('parseArguments() refuses with the texts of stock', () => {
  const one = (name: string, problem: string) =>
    `parameter verification failed - '${name}': ${problem}`
  const rows: readonly (readonly [line: string, message: string])[] = [
    ['', one('source', 'missing argument')],
    ['a --name', one('name', 'missing parameter value.')],
    ['a --what', one('what', 'missing parameter value.')],
    ['a --what x', one('what', 'schema does not allow additional properties.')],
    ['a --sure', one('sure', 'missing boolean value.')],
    ['a --dry=maybe', one('dry', 'Unable to parse boolean option.')],
    ['a --count x', one('count', 'invalid digit found in string')],
    ['a --count 0', one('count', 'value must have a minimum value of 1 (got 0)')],
    ['a --count 11', one('count', 'value must have a maximum value of 10 (got 11)')],
    ['a --name ab', one('name', 'value must be at least 3 characters long')],
    ['a --name ABC', one('name', 'value does not match the regex pattern')],
    ['a --name abc --name abd', one('name', 'duplicate parameter.')],
    ['a --color blue', one('color', "value 'blue' is not defined in the enumeration.")],
    [
      'a --count 0 --color blue',
      "parameter verification failed:\n- 'count': value must have a minimum value of 1 (got 0)\n" +
        "- 'color': value 'blue' is not defined in the enumeration.",
    ],
  ]
  for (const [line, message] of rows) {
    test(line === '' ? '(nothing)' : line, () => {
      const words = line === '' ? [] : line.split(' ')
      assert.throws(() => parseArguments(shape, words), { code: 'USAGE', message })
    })
  }

  test('too many words', () => {
    const single = { positionals: ['source'], parameters: { source: text('What.') } }
    assert.throws(() => parseArguments(single, ['a', 'b', 'c']), {
      message: 'got additional arguments: ["b", "c"]',
    })
  })
})
