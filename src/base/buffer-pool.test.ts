import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { BufferPool } from './buffer-pool.ts'
import { bytesToAlignment } from './fs/native-address.ts'

suite('BufferPool', () => {
  const options = { size: 1000, sizeMin: 100, countMax: 2 }

  test('gives the memory of a returned buffer out again, once, whatever the sizes', () => {
    const pool = new BufferPool(options)
    const first = pool.take(900)
    const memory = first.bytes.buffer
    first[Symbol.dispose]()
    first[Symbol.dispose]()
    const second = pool.take(500)
    assert.equal(second.bytes.length, 500)
    assert.equal(second.bytes.buffer, memory)
    assert.notEqual(pool.take(500).bytes.buffer, memory)
  })

  test('buffers too short or too long for it are made anew', () => {
    const pool = new BufferPool(options)
    for (const size of [0, 99, 1001]) {
      const buffer = pool.take(size)
      assert.equal(buffer.bytes.length, size)
      buffer[Symbol.dispose]()
      assert.notEqual(pool.take(500).bytes.buffer, buffer.bytes.buffer)
    }
  })

  test('keeps no more than it may', () => {
    const pool = new BufferPool(options)
    const taken = [pool.take(200), pool.take(200), pool.take(200)]
    for (const buffer of taken) buffer[Symbol.dispose]()
    const known = new Set(taken.map(({ bytes }) => bytes.buffer))
    const again = [pool.take(200), pool.take(200), pool.take(200)]
    assert.equal(again.filter(({ bytes }) => known.has(bytes.buffer)).length, 2)
  })

  test('an aligned one puts a page behind the headroom', () => {
    const pool = new BufferPool({ size: 100_000, sizeMin: 1, countMax: 2, isAligned: true })
    for (const headroom of [0, 12, 44, 4095]) {
      using buffer = pool.take(100_000, headroom)
      assert.equal(buffer.bytes.length, 100_000)
      assert.ok([0, null].includes(bytesToAlignment(buffer.bytes.subarray(headroom))))
    }
  })
})
