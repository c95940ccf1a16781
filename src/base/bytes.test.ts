import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ByteReader, ByteWriter, readU32le, readU64le, writeU64le } from './bytes.ts'

const short = (): Error => new Error('short')

suite('ByteReader', () => {
  test('reads what ByteWriter wrote', () => {
    const writer = new ByteWriter(1)
    writer
      .u8(1)
      .u16le(0x203)
      .u32le(0xfffffffe)
      .u64le(2n ** 64n - 1n)
      .u64le(2 ** 53 - 1)
    writer.i64le(-5).bytes(new Uint8Array(100).fill(7))
    const bytes = writer.finish()
    assert.equal(bytes.length, 1 + 2 + 4 + 8 + 8 + 8 + 100)
    assert.equal(writer.size, bytes.length)
    const reader = new ByteReader(bytes, short)
    assert.equal(reader.u8(), 1)
    assert.equal(reader.u16le(), 0x203)
    assert.equal(reader.u32le(), 0xfffffffe)
    assert.equal(reader.u64le(), 2n ** 64n - 1n)
    assert.equal(reader.u64Number(), 2 ** 53 - 1)
    assert.equal(reader.i64le(), -5n)
    reader.skip(98)
    assert.equal(reader.remaining, 2)
    assert.deepEqual([...reader.bytes(2)], [7, 7])
    assert.equal(reader.offset, bytes.length)
  })

  test('throws what it was given when the bytes run out, and stays where it was', () => {
    const reader = new ByteReader(new Uint8Array(7), short)
    assert.throws(() => reader.u64le(), /short/)
    assert.throws(() => reader.bytes(8), /short/)
    assert.throws(() => reader.skip(8), /short/)
    assert.equal(reader.remaining, 7)
    assert.throws(() => reader.bytes(-1), /assertion/)
  })

  test('works on a view in the middle of a larger buffer', () => {
    const whole = Uint8Array.of(9, 9, 1, 0, 0, 0, 9)
    assert.equal(new ByteReader(whole.subarray(2, 6), short).u32le(), 1)
  })
})

suite('readU64le(), writeU64le()', () => {
  for (const value of [0, 1, 0xffffffff, 0x100000000, 2 ** 53 - 1]) {
    test(`carry ${value}`, () => {
      const bytes = new Uint8Array(10)
      writeU64le(bytes, 1, value)
      assert.equal(readU64le(bytes, 1), value)
      assert.equal(Buffer.from(bytes).readBigUInt64LE(1), BigInt(value))
    })
  }

  test('refuse values above 2^53 - 1 and places outside', () => {
    assert.throws(() => readU64le(new Uint8Array(8).fill(255), 0), RangeError)
    assert.throws(() => readU64le(new Uint8Array(8), 1), RangeError)
    assert.throws(() => readU32le(new Uint8Array(8), -1), RangeError)
    assert.throws(() => writeU64le(new Uint8Array(8), 1, 1), RangeError)
    assert.throws(() => writeU64le(new Uint8Array(8), 0, -1), /assertion/)
  })
})
