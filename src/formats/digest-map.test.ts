import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'

import { fc } from '../../test/support/fast-check.ts'

import {
  type Digest,
  digestFromBytes,
  digestToBytes,
  isDigest,
  parseDigest,
  sha256,
} from './digest.ts'
import { DigestMap, DigestSet } from './digest-map.ts'

function digestOf(number: number): Digest {
  return parseDigest(createHash('sha256').update(String(number)).digest('hex'))
}

suite('digest', () => {
  test('parseDigest() wants 64 lower-case hex characters', () => {
    const digest = digestOf(1)
    assert.equal(parseDigest(digest), digest)
    assert.equal(digestFromBytes(digestToBytes(digest)), digest)
    assert.equal(
      digestFromBytes(Buffer.concat([Buffer.alloc(5), digestToBytes(digest)]), 5),
      digest,
    )
    for (const text of ['', digest.slice(1), `${digest}0`, digest.toUpperCase(), `${digest}\n`]) {
      assert.equal(isDigest(text), false)
      assert.throws(() => parseDigest(text), { code: 'DIGEST_INVALID' })
    }
    assert.throws(() => digestFromBytes(new Uint8Array(31)), { code: 'DIGEST_INVALID' })
  })

  test('sha256() hashes the view, not its buffer', async () => {
    const data = new TextEncoder().encode('xabcx').subarray(1, 4)
    const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    assert.equal(await sha256(data), expected)
  })
})

suite('DigestMap', () => {
  test('does what a Map does under random operations', () => {
    const operation = fc.tuple(
      fc.constantFrom('set', 'delete', 'get'),
      fc.nat(60),
      fc.nat(0xffffffff),
    )
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400 }), (operations) => {
        const map = new DigestMap()
        const model = new Map<Digest, number>()
        for (const [name, key, value] of operations) {
          const digest = digestOf(key)
          if (name === 'set') map.set(digest, value)
          if (name === 'set') model.set(digest, value)
          if (name === 'delete') assert.equal(map.delete(digest), model.delete(digest))
          assert.equal(map.get(digest), model.get(digest))
          assert.equal(map.size, model.size)
        }
        const entries = new Map<Digest, number>()
        map.forEach((bytes, value) => entries.set(digestFromBytes(bytes), value))
        assert.deepEqual(entries, model)
      }),
      { numRuns: 60 },
    )
  })

  test('keeps its entries while it grows and shrinks', () => {
    const map = new DigestMap({ capacity: 10 })
    const digests = Array.from({ length: 20_000 }, (_, number) => digestOf(number))
    for (const [number, digest] of digests.entries()) map.set(digest, number)
    for (const digest of digests.slice(0, 15_000)) assert.equal(map.delete(digest), true)
    assert.equal(map.size, 5000)
    for (const [number, digest] of digests.entries()) {
      const expected = number < 15_000 ? undefined : number
      assert.equal(map.get(digest), expected)
      assert.equal(map.getAt(digestToBytes(digest), 0), expected)
    }
  })

  test('finds digests inside longer bytes and tells apart those that differ in one byte', () => {
    const map = new DigestMap()
    const bytes = Buffer.concat([
      Buffer.alloc(3),
      digestToBytes(digestOf(1)),
      digestToBytes(digestOf(2)),
    ])
    map.setAt(bytes, 3, 1)
    map.setAt(bytes, 35, 0)
    assert.equal(map.get(digestOf(1)), 1)
    assert.equal(map.get(digestOf(2)), 0)
    for (let index = 0; index < 32; index += 1) {
      const near = digestToBytes(digestOf(1))
      near[index] = (near[index] ?? 0) ^ 0x80
      assert.equal(map.hasAt(near, 0), false)
    }
    assert.throws(() => map.getAt(bytes, 36), RangeError)
    assert.throws(() => map.set(digestOf(1), -1), RangeError)
    assert.throws(() => map.set(digestOf(1), 2 ** 32), RangeError)
  })
})

suite('DigestSet', () => {
  test('add() and addAt() say whether it was new', () => {
    const set = new DigestSet()
    assert.equal(set.add(digestOf(1)), true)
    assert.equal(set.addAt(digestToBytes(digestOf(1)), 0), false)
    assert.equal(set.addAt(digestToBytes(digestOf(2)), 0), true)
    assert.equal(set.has(digestOf(2)), true)
    assert.equal(set.delete(digestOf(1)), true)
    assert.equal(set.delete(digestOf(1)), false)
    const found: Digest[] = []
    set.forEach((bytes) => found.push(digestFromBytes(bytes)))
    assert.deepEqual(found, [digestOf(2)])
    set.clear()
    assert.equal(set.size, 0)
  })
})
