import assert from 'node:assert/strict'
import { test } from 'node:test'
import TypeBox from 'typebox'
import { Type } from './schema.ts'

/** One of each, with and without options, as both make them. */
function makeAll(types: typeof Type) {
  const text = types.String({ pattern: '^a', format: 'variant' })
  const empty = types.Object({})
  const all = types.Object(
    {
      text: types.Optional(text),
      list: types.Array(types.Enum(['a', 'b'], { type: 'string' }), { maxItems: 2 }),
      either: types.Union([types.String(), types.Null()], { description: 'or nothing' }),
      count: types.Optional(types.Integer({ minimum: 1 })),
      flag: types.Boolean({ default: false }),
      share: types.Number(),
      table: types.Optional(types.Record(types.String(), types.Integer())),
    },
    { additionalProperties: false },
  )
  return [text, empty, all, types.Intersect([all, empty]), types.Object({ all, text })]
}

test('Type makes the schemas that TypeBox makes, in their order', () => {
  assert.equal(JSON.stringify(makeAll(Type)), JSON.stringify(makeAll(TypeBox)))
})

test('Type.Optional() leaves the schema it is given as it was', () => {
  const text = Type.String()
  Type.Optional(text)
  assert.deepEqual(Type.Object({ text }).required, ['text'])
})
