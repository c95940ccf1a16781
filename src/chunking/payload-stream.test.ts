import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { counterBytes, xorshiftBytes } from '../../test/support/chunker-inputs.ts'
import { hasCode } from '../base/errors.ts'
import { PayloadChunker } from './payload-chunker.ts'
import { chunkPayload, type Injection } from './payload-stream.ts'

const AVERAGE = 65_536

function queueOf<Item>(items: readonly Item[]): () => Item | undefined {
  const rest = [...items]
  return () => rest.shift()
}

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.slice(start, start + size)
}

interface Outcome {
  readonly sizes: number[]
  /** Boundaries of the records, each with the count of chunks before it. */
  readonly reused: string[]
}

async function run(
  source: Iterable<Uint8Array>,
  suggestions: readonly number[],
  injections: readonly Injection[] = [],
  average = AVERAGE,
): Promise<Outcome> {
  const outcome: Outcome = { sizes: [], reused: [] }
  for await (const item of chunkPayload(source, {
    average,
    suggestions: queueOf(suggestions),
    injections: queueOf(injections),
  })) {
    if (item.kind === 'chunk') outcome.sizes.push(item.bytes.length)
    else outcome.reused.push(`${outcome.sizes.length}:${item.record.boundary}`)
  }
  return outcome
}

function cuts(sizes: readonly number[]): number[] {
  let end = 0
  return sizes.map((size) => {
    end += size
    return end
  })
}

suite('chunkPayload() with suggestions', () => {
  const SUGGESTIONS = [16, 70_000, 70_000, 80_000, 200_000, 205_000, 600_000, 900_000]
  /** chunker.md 11.4. */
  const VECTORS: readonly (readonly [number, string])[] = [
    [1_048_576, '70000 200000 269233 334000 374489 600000 709137 900000 935862 1039065 1048576'],
    [
      262_144,
      '70000 200000 269233 334000 374489 401802 421904 438942 465224 520684 600000 709137 784371 ' +
        '900000 935862 1039065 1048576',
    ],
    [
      65_536,
      '70000 139961 200000 269233 334000 374489 401802 421904 438942 465224 520684 541411 600000 ' +
        '709137 784371 900000 935862 1039065 1048576',
    ],
    [
      4096,
      '70000 139961 200000 269233 334000 374489 401802 421904 438942 465224 520684 541411 600000 ' +
        '709137 784371 873943 900000 935862 1039065 1048576',
    ],
  ]
  const R1 = xorshiftBytes(1, 1_048_576)

  for (const [pieceSize, list] of VECTORS) {
    test(`cuts as stock for pieces of ${pieceSize} bytes`, async () => {
      const { sizes } = await run(pieces(R1, pieceSize), SUGGESTIONS)
      assert.deepEqual(cuts(sizes), list.split(' ').map(Number))
    })
  }

  test('pieces of one byte cut as those of 4096', () => {
    const chunker = new PayloadChunker({ average: AVERAGE, suggestions: queueOf(SUGGESTIONS) })
    const found: number[] = []
    let base = 0
    for (let end = 1; end <= R1.length; end++) {
      const cut = chunker.scan(R1.subarray(end - 1, end), { base, total: end - base })
      if (cut === 0) continue
      base = end
      found.push(end)
    }
    assert.deepEqual([...found, R1.length], VECTORS[3]?.[1].split(' ').map(Number))
  })

  test("the reference's own unit test, with its peculiar base", () => {
    const bytes = counterBytes()
    const suggestions = queueOf([32_768, 32_768, 0, 405_521])
    const chunker = new PayloadChunker({ average: AVERAGE, suggestions })
    const sizes: number[] = []
    let position = 0
    let base = 0
    while (position < bytes.length) {
      const rest = bytes.subarray(position)
      const cut = chunker.scan(rest, { base, total: rest.length })
      const size = cut === 0 ? rest.length : cut
      position += size
      // Its driver advances the base by the absolute position instead of the size.
      base += position
      sizes.push(size)
    }
    assert.deepEqual(sizes, [32_768, 110_609, 229_376, 32_768, 262_144, 262_144, 118_767])
  })

  test('files of 1 MiB of zeros give the chunks of the real index', async () => {
    const COUNT = 100
    const FILE_SIZE = 1_048_576
    const marker = (size: number): Uint8Array => new Uint8Array(size)
    const source = function* (): Generator<Uint8Array> {
      yield marker(16)
      for (let index = 0; index < COUNT; index++) {
        yield marker(16)
        yield new Uint8Array(FILE_SIZE)
      }
      yield marker(16)
    }
    const starts = Array.from({ length: COUNT }, (_unused, index) => 16 + index * (FILE_SIZE + 16))
    const { sizes } = await run(source(), starts, [], 4_194_304)
    const expected = [1_048_608, ...Array.from({ length: 98 }, () => 1_048_592), 1_048_608]
    assert.deepEqual(sizes, expected)
    assert.equal(cuts(sizes).at(-1), 104_859_232)
  })
})

suite('chunkPayload() with injections', () => {
  test("the reference's forced boundaries", async () => {
    const plain = counterBytes()
    const rotated = Buffer.concat([plain.subarray(10), plain.subarray(0, 10)])
    const { sizes, reused } = await run(
      [rotated.subarray(0, 1_048_566), rotated.subarray(1_048_566)],
      [32_768, 65_536],
      [
        { boundary: 32_768, size: 1024 },
        { boundary: 131_072, size: 2048 },
        { boundary: 657_408, size: 512 },
        { boundary: 658_432, size: 0 },
      ],
    )
    assert.deepEqual(sizes, [32_768, 31_744, 65_536, 262_144, 262_144, 512, 262_144, 131_584])
    assert.deepEqual(reused, ['1:32768', '3:131072', '5:657408', '6:658432'])
  })

  test('records at the very start, behind each other and at the very end', async () => {
    const bytes = xorshiftBytes(9, 100_000)
    const records = [
      { boundary: 0, size: 50 },
      { boundary: 50, size: 70 },
      { boundary: 100_120, size: 10 },
      { boundary: 100_130, size: 10 },
    ]
    const { sizes, reused } = await run(pieces(bytes, 30_000), [], records)
    assert.equal(cuts(sizes).at(-1), 100_000)
    assert.deepEqual(reused.slice(0, 2), ['0:0', '0:50'])
    assert.deepEqual(reused.slice(2), [`${sizes.length}:100120`, `${sizes.length}:100130`])
  })

  test('a stream without bytes can consist of reused chunks alone', async () => {
    const { sizes, reused } = await run([], [], [{ boundary: 0, size: 1000 }])
    assert.deepEqual(sizes, [])
    assert.deepEqual(reused, ['0:0'])
  })

  test('no byte is lost, doubled or moved', async () => {
    const bytes = xorshiftBytes(77, 600_000)
    const records = [5, 100_000, 100_500, 423_456].map((boundary) => ({ boundary, size: 300 }))
    for (const pieceSize of [1000, 65_536, 600_000]) {
      const hash = createHash('sha256')
      for await (const item of chunkPayload(pieces(bytes, pieceSize), {
        average: AVERAGE,
        suggestions: queueOf([40_000, 300_000]),
        injections: queueOf(records),
      })) {
        if (item.kind === 'chunk') hash.update(item.bytes)
      }
      assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'))
    }
  })

  test('a boundary already behind is refused', async () => {
    const records = [
      { boundary: 1000, size: 500 },
      { boundary: 1200, size: 1 },
    ]
    await assert.rejects(run([new Uint8Array(5000)], [], records), (error) =>
      hasCode(error, 'INJECTION_BOUNDARY_INVALID'),
    )
  })

  test('a boundary never reached is refused', async () => {
    const records = [{ boundary: 5001, size: 500 }]
    await assert.rejects(run([new Uint8Array(5000)], [], records), (error) =>
      hasCode(error, 'INJECTIONS_LEFT'),
    )
  })
})
