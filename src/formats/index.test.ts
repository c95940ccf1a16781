import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'

import { fc } from '../../test/support/fast-check.ts'

import { writeU64le } from '../base/bytes.ts'
import { CairnError } from '../base/errors.ts'
import type { ArchiveIndex } from './archive-index.ts'
import { type Digest, digestToBytes, parseDigest } from './digest.ts'
import { decodeDynamicIndex, DynamicIndexBuilder, encodeDynamicHeader } from './dynamic-index.ts'
import { decodeFixedIndex, encodeFixedHeader, FixedIndexBuilder } from './fixed-index.ts'

// The worked examples of formats.md 11.3 and 11.4.
const IDENTITY = {
  uuid: new Uint8Array(Buffer.from('00112233445566778899aabbccddeeff', 'hex')),
  createdAt: 1_700_000_000,
}
const ABC = parseDigest('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
const HELLO = parseDigest('b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9')
const ZEROS = parseDigest('bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8')
const FIXED_CSUM = '3fa6db8310a97daafad66b46d1d89070c4fe821f88b40cb9a06fa9aca84e30ce'
const DYNAMIC_CSUM = '65b6f8d6ec620dd9a3ba5089937dae3509a63ee9831f17d748d91699a6ef83c5'
const FIXED_HEADER =
  '2f7f41ed91fd0fcd00112233445566778899aabbccddeeff00f1536500000000' +
  `${FIXED_CSUM}03004000000000000000400000000000`
const DYNAMIC_HEADER = `1c914ea519bab3cd00112233445566778899aabbccddeeff00f1536500000000${DYNAMIC_CSUM}`

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

// A Uint8Array of its own memory: `slice` of a Buffer would share it.
function fixedExample(): Uint8Array<ArrayBuffer> {
  const builder = new FixedIndexBuilder(4_194_307)
  builder.set(1, ABC)
  builder.set(0, ZEROS)
  return new Uint8Array(builder.encode(IDENTITY))
}

function dynamicExample(): Uint8Array<ArrayBuffer> {
  const builder = new DynamicIndexBuilder()
  builder.append(3, ABC)
  builder.appendAt(14, digestToBytes(HELLO), 0)
  return new Uint8Array(builder.encode(IDENTITY))
}

/** Every promise of the interface that follows from the others. */
function checkConsistency(index: ArchiveIndex): void {
  let end = 0
  const digests = [...index.digests()]
  assert.equal(digests.length, index.count)
  for (let position = 0; position < index.count; position += 1) {
    assert.equal(index.startOf(position), end)
    end = index.endOf(position)
    assert.equal(index.sizeOf(position), end - index.startOf(position))
    assert.equal(index.chunkAt(index.startOf(position)), position)
    assert.equal(index.chunkAt(end - 1), position)
    const { bytes, offset } = index.digestLocation(position)
    assert.equal(toHex(bytes.subarray(offset, offset + 32)), index.digestAt(position))
    assert.equal(toHex(index.digestBytes(position)), digests[position])
  }
  assert.equal(end, index.size)
  for (const offset of [-1, index.size, index.size + 1]) {
    assert.throws(() => index.chunkAt(offset), { message: 'offset out of range' })
  }
  for (const position of [-1, index.count, 0.5]) {
    assert.throws(() => index.digestAt(position), RangeError)
    assert.throws(() => index.endOf(position), RangeError)
  }
}

suite('fixed index', () => {
  test('FixedIndexBuilder writes the worked example', () => {
    const bytes = fixedExample()
    assert.equal(toHex(bytes.subarray(0, 80)), FIXED_HEADER)
    assert.equal(sha256(bytes), '36af503db36d0d4a76c4835cd559abc305cc055898269c64584907c0fc5b9e28')
  })

  test('decodeFixedIndex() reads it', () => {
    const index = decodeFixedIndex(fixedExample())
    assert.equal(index.count, 2)
    assert.equal(index.size, 4_194_307)
    assert.equal(index.chunkSize, 4_194_304)
    assert.equal(index.createdAt, IDENTITY.createdAt)
    assert.equal(toHex(index.uuid), toHex(IDENTITY.uuid))
    assert.equal(toHex(index.headerCsum), FIXED_CSUM)
    assert.equal(toHex(index.computeCsum()), FIXED_CSUM)
    assert.deepEqual([...index.digests()], [ZEROS, ABC])
    checkConsistency(index)
  })

  test('decodeFixedIndex() refuses with the texts of stock, in its order', () => {
    const header = { ...IDENTITY, csum: new Uint8Array(32), size: 100, chunkSize: 64 }
    const body = new Uint8Array(64)
    const build = (changes: object, length = 64): Uint8Array =>
      Buffer.concat([encodeFixedHeader({ ...header, ...changes }), body.subarray(0, length)])
    assert.equal(decodeFixedIndex(build({})).sizeOf(1), 36)
    const rows: [Uint8Array, string][] = [
      [new Uint8Array(4095), 'index too small (4095)'],
      [new Uint8Array(4096), 'got unknown magic number'],
      [build({ chunkSize: 0 }), 'got non-power-of-two chunk size: 0'],
      [build({ chunkSize: 96 }), 'got non-power-of-two chunk size: 96'],
      [build({}, 63), 'got unexpected file size (64 != 63)'],
      [build({ size: 2 ** 50 }), 'got unexpected file size (562949953421312 != 64)'],
      [build({ size: 0 }, 0), 'invalid index size'],
      [dynamicExample(), 'got unknown magic number'],
    ]
    for (const [bytes, message] of rows) assert.throws(() => decodeFixedIndex(bytes), { message })
  })

  test('decodeFixedIndex() refuses a size beyond 2^53', () => {
    const bytes = fixedExample().slice(0, 4128)
    new DataView(bytes.buffer).setBigUint64(64, 2n ** 60n, true)
    new DataView(bytes.buffer).setBigUint64(72, 2n ** 60n, true)
    assert.throws(() => decodeFixedIndex(bytes), { code: 'INDEX_END_TOO_LARGE' })
  })

  test('FixedIndexBuilder grows by resize() and refuses positions beyond its size', () => {
    const builder = new FixedIndexBuilder(0, 64)
    const message = 'add digest failed - index out of range (0 >= 0)'
    assert.throws(() => builder.set(0, ABC), { message })
    for (let position = 0; position < 40; position += 1) {
      builder.resize(64 * position + 10)
      builder.set(position, position % 2 === 0 ? ABC : HELLO)
    }
    assert.equal(builder.count, 40)
    assert.equal(builder.digestAt(1), HELLO)
    const index = decodeFixedIndex(builder.encode(IDENTITY))
    assert.equal(toHex(index.computeCsum()), toHex(builder.csum()))
    checkConsistency(index)
  })
})

suite('dynamic index', () => {
  test('DynamicIndexBuilder writes the worked example', () => {
    const bytes = dynamicExample()
    assert.equal(toHex(bytes.subarray(0, 64)), DYNAMIC_HEADER)
    assert.equal(sha256(bytes), '065a555c575e0231be67578340f21ec58c90bbf7428837d6a3a938cfdd36d53b')
  })

  test('decodeDynamicIndex() reads it', () => {
    const index = decodeDynamicIndex(dynamicExample())
    assert.equal(index.size, 14)
    assert.equal(toHex(index.computeCsum()), DYNAMIC_CSUM)
    assert.deepEqual([...index.digests()], [ABC, HELLO])
    checkConsistency(index)
  })

  test('takeEntries() gives every entry once, and csum() covers those taken', () => {
    const whole = new DynamicIndexBuilder()
    const taken = new DynamicIndexBuilder()
    const pieces: Uint8Array[] = []
    for (let end = 1; end <= 300; end += 1) {
      whole.append(end * 7, end % 2 === 0 ? ABC : HELLO)
      taken.append(end * 7, end % 2 === 0 ? ABC : HELLO)
      if (end % 70 === 0) pieces.push(taken.takeEntries())
      if (end % 50 === 0) assert.equal(toHex(taken.csum()), toHex(whole.csum()))
    }
    pieces.push(taken.takeEntries(), taken.takeEntries())
    const header = encodeDynamicHeader({ ...IDENTITY, csum: taken.csum() })
    assert.equal(toHex(Buffer.concat([header, ...pieces])), toHex(whole.encode(IDENTITY)))
    assert.equal(taken.count, 300)
    assert.equal(taken.end, 2100)
    assert.throws(() => taken.encode(IDENTITY), RangeError)
  })

  test('decodeDynamicIndex() refuses with the texts of stock, and ends that do not ascend', () => {
    const bytes = dynamicExample()
    const rows: [Uint8Array, string][] = [
      [new Uint8Array(0), 'index too small (0)'],
      [fixedExample(), 'got unknown magic number'],
      [bytes.subarray(0, 4096), 'mapped length must not be zero'],
      [bytes.subarray(0, 4175), 'got unexpected file size'],
    ]
    for (const [bytes, message] of rows) assert.throws(() => decodeDynamicIndex(bytes), { message })
    for (const [at, end] of [
      [4096, 0],
      [4096, 14],
      [4136, 2],
    ] as const) {
      const changed = bytes.slice()
      writeU64le(changed, at, end)
      assert.throws(() => decodeDynamicIndex(changed), { code: 'INDEX_END_NOT_ASCENDING' })
    }
    const large = bytes.slice()
    large[4136 + 7] = 0x80
    assert.throws(() => decodeDynamicIndex(large), { code: 'INDEX_END_TOO_LARGE' })
    const builder = new DynamicIndexBuilder()
    assert.throws(() => builder.append(0, ABC), { code: 'INDEX_END_NOT_ASCENDING' })
  })
})

test('both decoders round trip and survive damage', () => {
  const digest = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => toHex(bytes) as Digest)
  const chunks = fc.array(fc.tuple(fc.integer({ min: 1, max: 2 ** 24 }), digest), {
    minLength: 1,
    maxLength: 30,
  })
  const damage = fc.array(fc.tuple(fc.nat(5500), fc.nat(255)), { maxLength: 4 })
  fc.assert(
    fc.property(chunks, damage, fc.nat(5500), (chunks, flips, length) => {
      const dynamic = new DynamicIndexBuilder()
      const fixed = new FixedIndexBuilder(chunks.length * 64 - 3, 64)
      for (const [position, [size, digest]] of chunks.entries()) {
        dynamic.append(dynamic.end + size, digest)
        fixed.set(position, digest)
      }
      for (const bytes of [dynamic.encode(IDENTITY), fixed.encode(IDENTITY)]) {
        const index = bytes[0] === 0x1c ? decodeDynamicIndex(bytes) : decodeFixedIndex(bytes)
        checkConsistency(index)
        assert.deepEqual(
          [...index.digests()],
          chunks.map(([, digest]) => digest),
        )
        const damaged = new Uint8Array(bytes).slice(0, length)
        for (const [at, value] of flips) damaged[at % 4200] = value
        for (const decode of [decodeDynamicIndex, decodeFixedIndex])
          expectTyped(() => decode(damaged))
      }
    }),
    { numRuns: 60 },
  )
})

function expectTyped(call: () => ArchiveIndex): void {
  try {
    checkConsistency(call())
  } catch (error) {
    assert.ok(error instanceof CairnError, String(error))
  }
}
