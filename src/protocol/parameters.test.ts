import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { TObject } from 'typebox'
import { Type } from '../base/schema.ts'
import { validate } from './parameters.ts'
import { parseParameters } from './request-parameters.ts'

const HEX = '^[a-f0-9]{64}$'
const schema = Type.Object({
  wid: Type.Integer({ minimum: 1, maximum: 256 }),
  'archive-name': Type.Optional(Type.String({ minLength: 3, maxLength: 5, pattern: '^[a-z]*$' })),
  'digest-list': Type.Optional(Type.Array(Type.String({ pattern: HEX }))),
  debug: Type.Optional(Type.Boolean()),
  role: Type.Optional(Type.Enum(['Admin', 'Audit'], { type: 'string' })),
  'backup-type': Type.Optional(Type.Enum(['vm', 'ct', 'host'], { format: 'variant' })),
  limit: Type.Optional(Type.Integer({ format: 'u64' })),
})

function refused(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof Error)
    return error.message
  }
  throw new Error('was accepted')
}

function form(query: string): unknown {
  return validate(schema, 'form', new URLSearchParams(query))
}

suite('validate()', () => {
  const formRows = [
    ['', "parameter verification failed - 'wid': parameter is missing and it is not optional."],
    ['wid=0', 'value must have a minimum value of 1 (got 0)'],
    ['wid=300', 'value must have a maximum value of 256 (got 300)'],
    ['wid=x', 'invalid digit found in string'],
    ['wid=', 'cannot parse integer from empty string'],
    ['wid=9223372036854775808', 'number too large to fit in target type'],
    ['wid=1&wid=2', "'wid': duplicate parameter."],
    ['wid=1&archive-name=ab', 'value must be at least 3 characters long'],
    ['wid=1&archive-name=abcdef', 'value may only be 5 characters long'],
    ['wid=1&archive-name=AB1', 'value does not match the regex pattern'],
    ['wid=1&debug=maybe', 'Unable to parse boolean option.'],
    ['wid=1&debug=', 'Unable to parse boolean option.'],
    ['wid=1&role=King', "'role': value 'King' is not defined in the enumeration."],
    ['wid=1&nope=1', "'nope': schema does not allow additional properties."],
    ['wid=1&__proto__=1', "'__proto__': schema does not allow additional properties."],
    ['wid=1&digest-list=zz', "'digest-list': value does not match the regex pattern"],
  ] as const
  for (const [query, text] of formRows) {
    test(`refuses the form '${query}'`, () => {
      const message = refused(() => form(query))
      assert.ok(message.startsWith('parameter verification failed - '), message)
      assert.ok(message.endsWith(text), message)
    })
  }

  test('lists several problems in the order sent and no missing ones', () => {
    assert.equal(
      refused(() => form('nope=1&debug=x')),
      "parameter verification failed:\n- 'nope': schema does not allow additional properties.\n" +
        "- 'debug': Unable to parse boolean option.",
    )
  })

  test('converts text', () => {
    const digest = 'a'.repeat(64)
    const query = `wid=+7&debug=ON&digest-list=${digest}&digest-list=${digest}&limit=3`
    assert.deepEqual(
      { ...(validate(schema, 'form', new URLSearchParams(query.replace('+', '%2B'))) as object) },
      { wid: 7, debug: true, 'digest-list': [digest, digest], limit: 3 },
    )
  })

  const jsonRows = [
    [{}, "'wid': property is missing and it is not optional"],
    [{ wid: '1' }, "'wid': Expected integer value."],
    [{ wid: 1.5 }, "'wid': Expected integer value."],
    [{ wid: null }, "'wid': Expected integer value."],
    [{ wid: 1, nope: 1 }, "'nope': schema does not allow additional properties"],
    [{ wid: 1, debug: 'yes' }, "'debug': Expected boolean value."],
    [{ wid: 1, 'archive-name': 3 }, "'archive-name': Expected string value."],
    [{ wid: 1, 'digest-list': 'x' }, "'digest-list': Expected array - got scalar value."],
    [{ wid: 1, 'digest-list': {} }, "'digest-list': Expected array - got object."],
    [
      { wid: 1, 'digest-list': ['a'.repeat(64), 'x'] },
      "'digest-list/[1]': value does not match the regex pattern",
    ],
  ] as const
  for (const [body, text] of jsonRows) {
    test(`refuses the JSON body ${JSON.stringify(body)}`, () => {
      const message = refused(() => validate(schema, 'json', body))
      assert.equal(message, `parameter verification failed - ${text}`)
    })
  }

  test('answers the whole text for an unknown variant', () => {
    assert.equal(
      refused(() => form('wid=1&backup-type=tape')),
      'unknown variant `tape`, expected one of `vm`, `ct`, `host`',
    )
  })

  test('answers the whole text for a negative unsigned value', () => {
    assert.equal(
      refused(() => form('wid=1&limit=-1')),
      'invalid value: integer `-1`, expected u64',
    )
  })
})

suite('parseParameters()', () => {
  const open: TObject = Type.Object({}, { additionalProperties: true })

  function json(text: string, target: TObject = schema): unknown {
    const body = new TextEncoder().encode(text)
    return parseParameters(target, {
      contentType: 'application/json;charset=UTF-8',
      query: 'x',
      body,
    })
  }

  const rows = [
    ['{,', 'key must be a string at line 1 column 2'],
    ['{"a', 'EOF while parsing a string at line 1 column 3'],
    ['{"a":}', 'expected value at line 1 column 6'],
    ['{"a":1,}', 'trailing comma at line 1 column 8'],
    ['{"a":1', 'EOF while parsing an object at line 1 column 6'],
    ['{"a":1} x', 'trailing characters at line 1 column 9'],
    ['{"a":tru}', 'expected ident at line 1 column 9'],
    ['[1]', 'Expected object - got array.'],
    ['1', 'Expected object - got scalar value.'],
  ] as const
  for (const [text, problem] of rows) {
    test(`says what is wrong with ${text}`, () => {
      assert.equal(
        refused(() => json(text)),
        problem,
      )
    })
  }

  test('takes a fraction or a number past 64 bits for no integer', () => {
    for (const literal of ['1.0', '1e2', '9223372036854775808']) {
      const message = refused(() => json(`{"wid":${literal}}`))
      assert.equal(message, "parameter verification failed - 'wid': Expected integer value.")
    }
  })

  test('reads an empty JSON body as an object without members', () => {
    assert.deepEqual({ ...(json('', open) as object) }, {})
  })

  test('merges body, query and path of a form and drops the cache buster', () => {
    const body = new TextEncoder().encode('wid=3')
    const query = '_dc=1&debug=1'
    const path = { 'archive-name': 'abc' }
    const values = parseParameters(schema, { contentType: undefined, query, body, path })
    assert.deepEqual({ ...values }, { wid: 3, debug: true, 'archive-name': 'abc' })
  })

  test('refuses other content types, long bodies and bytes that are not UTF-8', () => {
    const parts = { contentType: 'text/plain', query: '', body: new Uint8Array(0) }
    assert.equal(
      refused(() => parseParameters(open, parts)),
      'unsupported content type Ok("text/plain")',
    )
    const long = { ...parts, contentType: undefined, body: new Uint8Array(524_288) }
    assert.equal(
      refused(() => parseParameters(open, long)),
      'Request body too large',
    )
    const bytes = Uint8Array.of(0x61, 0xff, 0x62)
    assert.equal(
      refused(() => parseParameters(open, { ...long, body: bytes })),
      'Request body not uft8: invalid utf-8 sequence of 1 bytes from index 1',
    )
  })
  // Half a MiB of `a&a&a…`, which anybody may send as a login, was answered with 13 MB after seconds.
  test('tells the first hundred problems and looks no further', () => {
    const many = { query: '', body: Buffer.from('a&'.repeat(250_000)) }
    const start = process.threadCpuUsage()
    const members = Array.from({ length: 40_000 }, (_, index) => `"k${index}":1`)
    const json = { contentType: 'application/json', body: Buffer.from(`{${members.join()}}`) }
    for (const parts of [
      { ...many, contentType: undefined },
      { ...many, ...json },
    ]) {
      const text = refused(() => parseParameters(schema, parts))
      assert.equal(text.split('\n').length, 101 + Number(parts.contentType !== undefined))
    }
    const { user } = process.threadCpuUsage(start)
    assert.ok(user < 2_000_000, `${user} µs`)
  })
})
