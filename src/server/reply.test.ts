import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { acceptsDeflate, IncrementalList, RawReply, successReply, WithAttributes } from './reply.ts'

async function textOf(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<string> {
  if (body instanceof Uint8Array) return Buffer.from(body).toString()
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

async function* itemsOf(...items: readonly unknown[]): AsyncGenerator {
  yield* items
}

suite('successReply()', () => {
  test('wraps a value in the envelope of its format', async () => {
    assert.equal(await textOf((await successReply('json', 1)).body), '{"data":1}')
    const extjs = await textOf((await successReply('extjs', undefined)).body)
    assert.equal(extjs, '{"data":null,"status":200,"success":true}')
  })

  test('puts attributes beside the data', async () => {
    const result = new WithAttributes([], { total: 3 })
    assert.equal(await textOf((await successReply('json', result)).body), '{"data":[],"total":3}')
  })

  test('sends the attributes of a list first', async () => {
    const list = new IncrementalList(itemsOf({ a: 1 }, { a: 2 }), { total: 2 })
    const text = '{"total":2,"data":[{"a":1},{"a":2}]}'
    assert.equal(await textOf((await successReply('json', list)).body), text)
    const empty = await successReply('extjs', new IncrementalList(itemsOf()))
    assert.equal(await textOf(empty.body), '{"status":200,"success":true,"data":[]}')
  })

  test('sends a long list in several pieces', async () => {
    const items = Array.from({ length: 5000 }, (_, index) => ({ name: `item-${index}` }))
    const { body } = await successReply('json', new IncrementalList(itemsOf(...items)))
    assert.ok(!(body instanceof Uint8Array))
    let count = 0
    const pieces: Uint8Array[] = []
    for await (const piece of body) {
      count += 1
      pieces.push(piece)
    }
    assert.ok(count > 1)
    assert.deepEqual(JSON.parse(Buffer.concat(pieces).toString()), { data: items })
  })

  test('hears of a failure at the first piece before there is an answer', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* []
      throw new Error('gone')
    }
    await assert.rejects(successReply('json', new IncrementalList(failing())), /gone/)
    await assert.rejects(successReply('json', new RawReply({}, failing())), /gone/)
  })

  test('ends the source when the receiver leaves early', async () => {
    let ended = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(1)
      } finally {
        ended = true
      }
    }
    const { body } = await successReply('json', new RawReply({}, endless()))
    assert.ok(!(body instanceof Uint8Array))
    for await (const _piece of body) break
    assert.equal(ended, true)
  })

  // A client that went away while its file was opened left the file to the garbage collector, which ends a process.
  test('ends the source when the receiver leaves before it begins', async () => {
    for (const wrap of [
      (source: AsyncIterable<Uint8Array>) => new RawReply({}, source),
      (source: AsyncIterable<Uint8Array>) => new IncrementalList(source),
    ]) {
      let ended = false
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield new Uint8Array(1)
        } finally {
          ended = true
        }
      }
      const { body } = await successReply('json', wrap(endless()))
      assert.ok(!(body instanceof Uint8Array))
      Readable.from(body).destroy()
      await nextTurn()
      assert.equal(ended, true)
    }
  })
})

suite('acceptsDeflate()', () => {
  const rows = [
    ['deflate', true],
    ['gzip, deflate;q=0.5', true],
    ['gzip deflate', true],
    ['gzip, br', false],
    [undefined, false],
  ] as const
  for (const [header, expected] of rows) {
    test(`says ${expected} to '${header}'`, () => assert.equal(acceptsDeflate(header), expected))
  }
})
