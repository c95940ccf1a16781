import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mock, suite, test } from 'node:test'
import { fc } from '../../../test/support/fast-check.ts'
import { chunkDynamic } from '../../chunking/chunk-stream.ts'
import { DynamicChunker } from '../../chunking/dynamic-chunker.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import { type Digest, parseDigest, sha256 } from '../../formats/digest.ts'
import { decodeDynamicIndex, DynamicIndexBuilder } from '../../formats/dynamic-index.ts'
import { predictedChunks } from './predicted-chunks.ts'

/** Chunks of 128 to 2048 bytes, about 400 of them. */
const AVERAGE = 512
const SIZE = 200_000
const KEY = Uint8Array.of(1, 2, 3)

interface Cut {
  readonly digest: string
  readonly size: number
}

suite('predictedChunks()', () => {
  test('cuts as the chunker does, whatever changed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.array(editArbitrary(), { maxLength: 6 }),
        fc.integer({ min: 100, max: 9000 }),
        async (seed, edits, pieceSize) => {
          const before = randomBytes(seed, SIZE)
          const after = edits.reduce(applyEdit, before)
          const index = indexOf(await plainCuts(before))
          assert.deepEqual(await predictedCuts(after, index, { pieceSize }), await plainCuts(after))
        },
      ),
      { numRuns: 25 },
    )
  })

  test('an unchanged archive is scanned only until it is known to be the same', async () => {
    const bytes = randomBytes(1, SIZE)
    const cuts = await plainCuts(bytes)
    const scan = mock.method(DynamicChunker.prototype, 'scan')
    try {
      let hashCount = 0
      const same = await predictedCuts(bytes, indexOf(cuts), { pieceSize: 1000 }, (parts) => {
        hashCount++
        return sha256(parts)
      })
      assert.deepEqual(same, cuts)
      assert.equal(hashCount, 2 * cuts.length, 'nothing is hashed twice, but by this test')
      const scanned = scan.mock.calls.reduce((sum, { arguments: [part] }) => sum + part.length, 0)
      assert.ok(scanned < SIZE / 10, `${scanned} of ${SIZE} bytes were scanned`)
    } finally {
      scan.mock.restore()
    }
  })

  test('zeros, which repeat one digest, are cut at the largest size', async () => {
    const bytes = new Uint8Array(100_001)
    const cuts = await plainCuts(bytes)
    assert.deepEqual(await predictedCuts(bytes, indexOf(cuts), {}), cuts)
    const longer = new Uint8Array(110_000)
    assert.deepEqual(await predictedCuts(longer, indexOf(cuts), {}), await plainCuts(longer))
    const shorter = new Uint8Array(3)
    assert.deepEqual(await predictedCuts(shorter, indexOf(cuts), {}), await plainCuts(shorter))
    assert.deepEqual(await predictedCuts(new Uint8Array(0), indexOf(cuts), {}), [])
  })

  test('an index of another average changes no cut', async () => {
    for (const average of [1024, 2048, 4096]) {
      const bytes = randomBytes(average, SIZE)
      const finer = indexOf(await plainCuts(bytes, average))
      assert.deepEqual(await predictedCuts(bytes, finer, {}), await plainCuts(bytes))
      const coarser = indexOf(await plainCuts(bytes))
      const cuts = await predictedCuts(bytes, coarser, { average })
      assert.deepEqual(cuts, await plainCuts(bytes, average))
    }
  })

  test('right digests of chunks that end where no cut is possible change no cut', async () => {
    const bytes = randomBytes(2, SIZE)
    const cuts = await plainCuts(bytes)
    const honest = cuts.slice(0, 100)
    const start = startOf(cuts, 100)
    const others: Cut[] = []
    for (let at = start; at < SIZE; at += 700) others.push(cutOf(bytes.subarray(at, at + 700)))
    assert.deepEqual(await predictedCuts(bytes, indexOf([...honest, ...others]), {}), cuts)
  })

  test('chunks that leave a cut out keep to the limits and to the bytes', async () => {
    const bytes = randomBytes(3, SIZE)
    const cuts = await plainCuts(bytes)
    const joined: Cut[] = cuts.slice(0, 20)
    let at = startOf(cuts, 20)
    for (let position = 20; position < cuts.length; position += 2) {
      const pair = cuts.slice(position, position + 2)
      const size = pair.reduce((sum, one) => sum + one.size, 0)
      joined.push(cutOf(bytes.subarray(at, at + size)))
      at += size
    }
    const found = await predictedCuts(bytes, indexOf(joined.filter(({ size }) => size < 2048)), {})
    const limits = found.slice(0, -1).map(({ size }) => size >= 128 && size <= 2048)
    assert.ok(limits.every(Boolean))
  })

  test('digests that are not ours, and sizes out of all bounds, change no cut', async () => {
    const bytes = randomBytes(4, SIZE)
    const cuts = await plainCuts(bytes)
    const liar = cuts.map(({ size }, position) => ({
      size,
      digest: position < 50 || position % 7 > 0 ? cuts[position]!.digest : 'ab'.repeat(32),
    }))
    assert.deepEqual(await predictedCuts(bytes, indexOf(liar), {}), cuts)
    const huge = cuts.map((one, position) => ({ ...one, size: position < 50 ? one.size : 2 ** 40 }))
    assert.deepEqual(await predictedCuts(bytes, indexOf(huge), {}), cuts)
    const tiny = cuts.map((one, position) => ({ ...one, size: position < 50 ? one.size : 1 }))
    assert.deepEqual(await predictedCuts(bytes, indexOf(tiny), {}), cuts)
  })

  test('a change that brings a new cut into a chunk is found, also where the archive then ends', async () => {
    const before = randomBytes(8, SIZE)
    const cuts = await plainCuts(before)
    const index = indexOf(cuts)
    const position = cuts.findIndex(({ size }, at) => at > 20 && size > 800)
    const start = startOf(cuts, position)
    const after = Buffer.from(before)
    // The last 64 bytes before a cut, and with them the cut, in the middle of a long chunk.
    after.set(before.subarray(start - 64, start), start + 300 - 64)
    const expected = await plainCuts(after)
    assert.ok((expected[position]?.size ?? 0) <= 300)
    assert.deepEqual(await predictedCuts(after, index, {}), expected)
    const ended = after.subarray(0, start + 600)
    assert.deepEqual(await predictedCuts(ended, index, {}), await plainCuts(ended))
  })

  test('a larger average whose sizes are all possible is found out by the chunker', async () => {
    let count = 0
    for (let seed = 0; seed < 200; seed++) {
      const bytes = randomBytes(seed, 10_000)
      const coarser = await plainCuts(bytes, 2 * AVERAGE)
      if (coarser.slice(0, -1).some(({ size }) => size > 2048)) continue
      count++
      assert.deepEqual(await predictedCuts(bytes, indexOf(coarser), {}), await plainCuts(bytes))
    }
    assert.ok(count > 10, `${count} such archives`)
  })

  test('keyed digests are predicted as well', async () => {
    const bytes = randomBytes(5, SIZE)
    const keyed = (parts: readonly Uint8Array[]): Promise<Digest> => sha256([...parts, KEY])
    const cuts: Cut[] = []
    for await (const { bytes: chunk } of chunkDynamic([bytes], { average: AVERAGE })) {
      cuts.push({ digest: await keyed([chunk]), size: chunk.length })
    }
    assert.deepEqual(await predictedCuts(bytes, indexOf(cuts), {}, keyed), cuts)
  })

  test('digests that come late and out of order make no difference', async () => {
    const before = randomBytes(6, SIZE)
    const after = applyEdit(before, { kind: 'change', at: 0.4, bytes: Uint8Array.of(1, 2, 3) })
    const index = indexOf(await plainCuts(before))
    let count = 0
    const late = async (parts: readonly Uint8Array[]): Promise<Digest> => {
      const digest = await sha256(parts)
      for (let turn = (count += 7) % 20; turn > 0; turn--) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      return digest
    }
    assert.deepEqual(await predictedCuts(after, index, {}, late), await plainCuts(after))
  })

  test('a digest that fails ends it; an abort, too', async () => {
    const bytes = randomBytes(7, SIZE)
    const index = indexOf(await plainCuts(bytes))
    const failing = predictedCuts(bytes, index, {}, () => Promise.reject(new Error('no memory')))
    await assert.rejects(failing, /no memory/)
    const signal = AbortSignal.abort(new Error('given up'))
    await assert.rejects(predictedCuts(bytes, index, { signal }), /given up/)
  })
})

type Edit =
  | { readonly kind: 'insert' | 'change'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'delete' | 'keep' | 'swap'; readonly at: number; readonly part: number }

function editArbitrary(): fc.Arbitrary<Edit> {
  const at = fc.double({ min: 0, max: 1, noNaN: true })
  const part = fc.double({ min: 0, max: 0.1, noNaN: true })
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 3000 })
  return fc.oneof(
    fc.record({ kind: fc.constantFrom('insert' as const, 'change' as const), at, bytes }),
    fc.record({
      kind: fc.constantFrom('delete' as const, 'keep' as const, 'swap' as const),
      at,
      part,
    }),
  )
}

/** `keep` cuts the end off; `swap` brings a later part to the front, as a moved folder does. */
function applyEdit(bytes: Uint8Array, edit: Edit): Uint8Array {
  const at = Math.floor(edit.at * bytes.length)
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (edit.kind) {
    case 'insert':
      return Buffer.concat([head, edit.bytes, tail])
    case 'change':
      return Buffer.concat([head, edit.bytes, tail.subarray(edit.bytes.length)])
    case 'delete':
      return Buffer.concat([head, tail.subarray(Math.floor(edit.part * bytes.length))])
    case 'keep':
      return edit.part < 0.02 ? head : bytes
    case 'swap':
      return Buffer.concat([tail, head])
    default:
      return edit satisfies never
  }
}

function randomBytes(seed: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = (seed * 2 + 1) >>> 0
  for (let at = 0; at < size; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[at] = state
  }
  return bytes
}

/** The bytes in memory that is filled again, as that of a walk is: whoever reads it after its disposal is found out. */
class Pieces {
  readonly #bytes: Uint8Array
  readonly #size: number
  heldSize = 0
  heldSizeMax = 0

  constructor(bytes: Uint8Array, size: number) {
    this.#bytes = bytes
    this.#size = size
  }

  *[Symbol.iterator]() {
    for (let at = 0; at < this.#bytes.length; at += this.#size) {
      const bytes = Uint8Array.from(this.#bytes.subarray(at, at + this.#size))
      this.#hold(bytes.length)
      yield {
        bytes,
        [Symbol.dispose]: () => {
          bytes.fill(0xee)
          this.#hold(-bytes.length)
        },
      }
    }
  }

  #hold(size: number): void {
    this.heldSize += size
    this.heldSizeMax = Math.max(this.heldSizeMax, this.heldSize)
  }
}

function startOf(cuts: readonly Cut[], position: number): number {
  return cuts.slice(0, position).reduce((sum, { size }) => sum + size, 0)
}

function cutOf(bytes: Uint8Array): Cut {
  return { digest: createHash('sha256').update(bytes).digest('hex'), size: bytes.length }
}

async function plainCuts(bytes: Uint8Array, average = AVERAGE): Promise<Cut[]> {
  const cuts: Cut[] = []
  for await (const chunk of chunkDynamic([bytes], { average })) cuts.push(cutOf(chunk.bytes))
  return cuts
}

function indexOf(cuts: readonly Cut[]): ArchiveIndex {
  const builder = new DynamicIndexBuilder()
  let end = 0
  for (const { digest, size } of cuts) builder.append((end += size), parseDigest(digest))
  return decodeDynamicIndex(builder.encode({ uuid: new Uint8Array(16), createdAt: 0 }))
}

/** The cuts, each with the digest that was told, which is that of the bytes that were told. */
async function predictedCuts(
  bytes: Uint8Array,
  previous: ArchiveIndex,
  {
    pieceSize = 5000,
    average = AVERAGE,
    signal,
  }: { readonly pieceSize?: number; readonly average?: number; readonly signal?: AbortSignal },
  digestOf: (parts: readonly Uint8Array[]) => Promise<Digest> = sha256,
): Promise<Cut[]> {
  const cuts: Cut[] = []
  const pieces = new Pieces(bytes, pieceSize)
  let at = 0
  for await (const chunk of predictedChunks(pieces, { average, previous, digestOf, signal })) {
    const size = chunk.bytes === null ? chunk.size : chunk.bytes.length
    const expected = bytes.subarray(at, at + size)
    if (chunk.bytes !== null)
      assert.ok(Buffer.compare(expected, chunk.bytes) === 0, 'bytes in order')
    assert.equal(chunk.digest, await digestOf([expected]))
    cuts.push({ digest: chunk.digest, size })
    at += size
    if (chunk.bytes !== null) chunk.release()
  }
  assert.equal(at, bytes.length, 'all bytes are there')
  assert.equal(pieces.heldSize, 0, 'all pieces went back')
  assert.ok(pieces.heldSizeMax <= 4 * 4 * average + 2 * pieceSize, 'few pieces are held')
  return cuts
}
