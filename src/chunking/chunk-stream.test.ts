import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { counterBytes, xorshiftBytes } from '../../test/support/chunker-inputs.ts'
import type { PooledBuffer } from '../base/buffer-pool.ts'
import { chunkDynamic, chunkFixed } from './chunk-stream.ts'

const AVERAGE = 65_536

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.slice(start, start + size)
}

async function* pieceStream(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (const piece of pieces(bytes, size)) yield await Promise.resolve(piece)
}

async function collect(chunks: AsyncIterable<PooledBuffer>): Promise<Uint8Array[]> {
  return await Array.fromAsync(chunks, ({ bytes }) => bytes)
}

suite('chunkDynamic()', () => {
  for (const size of [1000, 65_536, 5_000_000]) {
    test(`gives the chunks of the vectors for pieces of ${size} bytes`, async () => {
      const bytes = counterBytes()
      const chunks = await collect(chunkDynamic(pieceStream(bytes, size), { average: AVERAGE }))
      assert.deepEqual(
        chunks.map((chunk) => chunk.length),
        [143_377, 262_144, 262_144, 262_144, 118_767],
      )
      assert.ok(Buffer.concat(chunks).equals(bytes))
    })
  }

  test('an empty stream has no chunk, a single byte has one', async () => {
    assert.deepEqual(await collect(chunkDynamic([], { average: AVERAGE })), [])
    assert.deepEqual(await collect(chunkDynamic([new Uint8Array(0)], { average: AVERAGE })), [])
    const one = await collect(chunkDynamic([Uint8Array.of(9)], { average: AVERAGE }))
    assert.deepEqual(
      one.map((chunk) => [...chunk]),
      [[9]],
    )
  })

  test('a stream that ends on a cut has no chunk after it', async () => {
    const bytes = counterBytes().subarray(0, 143_377)
    const chunks = await collect(chunkDynamic([bytes], { average: AVERAGE }))
    assert.deepEqual(
      chunks.map((chunk) => chunk.length),
      [143_377],
    )
  })

  test('neither a reused piece nor a chunk given back changes a chunk', async () => {
    const bytes = xorshiftBytes(5, 3_000_000)
    async function* reused(): AsyncGenerator<Uint8Array> {
      const piece = new Uint8Array(100_000)
      for (let start = 0; start < bytes.length; start += piece.length) {
        piece.set(bytes.subarray(start, start + piece.length))
        yield await Promise.resolve(piece)
        piece.fill(0xee)
      }
    }
    const memories = new Set<ArrayBufferLike>()
    let before: PooledBuffer | null = null
    let position = 0
    let count = 0
    for await (const chunk of chunkDynamic(reused(), { average: AVERAGE })) {
      count++
      memories.add(chunk.bytes.buffer)
      before?.bytes.fill(0xdd)
      before?.[Symbol.dispose]()
      before = chunk
      const expected = bytes.subarray(position, position + chunk.bytes.length)
      assert.ok(Buffer.from(chunk.bytes).equals(expected))
      position += chunk.bytes.length
    }
    assert.equal(position, bytes.length)
    assert.ok(memories.size < count, `${memories.size} of ${count}`)
  })

  test('lets timers and sockets have their turns while it scans', async () => {
    let turns = 0
    let isDone = false
    const count = (): void => {
      turns++
      if (!isDone) setImmediate(count)
    }
    setImmediate(count)
    await collect(chunkDynamic([new Uint8Array(8 * 1024 * 1024)], { average: 4_194_304 }))
    isDone = true
    assert.ok(turns >= 7, `${turns} turns`)
  })

  test('stops when aborted and returns its source', async () => {
    const controller = new AbortController()
    let isReturned = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield await Promise.resolve(xorshiftBytes(3, 262_144))
      } finally {
        isReturned = true
      }
    }
    await assert.rejects(async () => {
      for await (const chunk of chunkDynamic(source(), {
        average: AVERAGE,
        signal: controller.signal,
      })) {
        if (chunk.bytes.length > 0) controller.abort(new Error('enough'))
      }
    }, /enough/)
    assert.ok(isReturned)
  })
})

suite('chunkFixed()', () => {
  for (const [total, size, expected] of [
    [10, 4, [4, 4, 2]],
    [8, 4, [4, 4]],
    [3, 4, [3]],
    [0, 4, []],
  ] as const) {
    test(`cuts ${total} bytes by ${size}`, async () => {
      const bytes = xorshiftBytes(1, total)
      for (const pieceSize of [1, 3, 100]) {
        const chunks = await Array.fromAsync(chunkFixed(pieceStream(bytes, pieceSize), { size }))
        assert.deepEqual(
          chunks.map((chunk) => chunk.length),
          expected,
        )
        assert.ok(Buffer.concat(chunks).equals(bytes))
      }
    })
  }
})
