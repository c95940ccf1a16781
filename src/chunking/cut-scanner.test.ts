import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { xorshiftBytes } from '../../test/support/chunker-inputs.ts'
import { BUZHASH_TABLE } from './buzhash-table.ts'
import { scanForCut } from './cut-scanner.ts'
import { hashWindow, rollHash } from './rolling-hash.ts'

suite('BUZHASH_TABLE', () => {
  test('is the one of the specification', () => {
    assert.equal(BUZHASH_TABLE.length, 256)
    const packed = Buffer.alloc(1024)
    for (const [byte, value] of BUZHASH_TABLE.entries()) packed.writeUInt32LE(value, byte * 4)
    assert.equal(
      createHash('sha256').update(packed).digest('hex'),
      '5b52080d38287da9d2e278466e3e0db7ec98e5e8b226f50612a56fa012b1f660',
    )
    assert.equal(
      BUZHASH_TABLE.reduce((all, value) => all ^ value, 0),
      0,
    )
  })
})

suite('hashWindow(), rollHash()', () => {
  test('give the check values of the specification', () => {
    const bytes = Uint8Array.from({ length: 64 }, (_unused, index) => index)
    assert.equal(hashWindow(bytes, 64), 0xdc8b317b)
    assert.equal(rollHash(0xdc8b317b, 0, 64), 0x4d0ce068)
  })

  test('a window that repeats itself hashes to 0', () => {
    assert.equal(hashWindow(new Uint8Array(64).fill(7), 64), 0)
    const pairs = Uint8Array.from({ length: 64 }, (_unused, index) => index % 32)
    assert.equal(hashWindow(pairs, 64), 0)
  })
})

suite('scanForCut()', () => {
  /** The specification's words in JavaScript. */
  function findCutPlainly(bytes: Uint8Array, start: number, mask: number): number {
    let hash = hashWindow(bytes, start)
    for (let i = start; i < bytes.length; i++) {
      hash = rollHash(hash, bytes[i - 64] ?? 0, bytes[i] ?? 0)
      if ((hash & mask) >= mask - 2) return i + 1 - start
    }
    return 0
  }

  for (const bits of [10, 13, 17, 23]) {
    test(`finds every cut of a mask of ${bits} bits where the plain hash finds it`, () => {
      const mask = 2 ** bits - 1
      const bytes = xorshiftBytes(99 + bits, 300_000)
      let count = 0
      for (let start = 64; start < bytes.length; ) {
        // Sizes around the block of the lanes (8192), so that cuts fall into every part of it.
        const end = Math.min(bytes.length, start + 8000 + ((start * 7) % 20_000))
        const part = bytes.subarray(0, end)
        const expected = findCutPlainly(part, start, mask)
        const found = scanForCut(
          bytes.subarray(start - 64, start),
          bytes.subarray(start, end),
          mask,
        )
        assert.equal(found, expected, `from ${start} to ${end}`)
        if (found !== 0) count++
        start = found === 0 ? end : start + found
      }
      if (bits <= 13) assert.ok(count > 50)
    })
  }

  test('an empty piece has no cut', () => {
    assert.equal(scanForCut(new Uint8Array(64), new Uint8Array(0), 0x1ffff), 0)
  })
})
