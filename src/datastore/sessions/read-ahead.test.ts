import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Digest, digestToBytes } from '../../formats/digest.ts'
import { DigestMap } from '../../formats/digest-map.ts'
import { decodeFixedIndex, FixedIndexBuilder } from '../../formats/fixed-index.ts'
import { ReadAhead } from './read-ahead.ts'

function makeIndex(count: number) {
  const size = count * (4 << 20)
  const builder = new FixedIndexBuilder(size)
  const positions = new DigestMap()
  for (let position = 0; position < count; position += 1) {
    const digest = position.toString(16).padStart(64, '0') as Digest
    builder.setAt(position, digestToBytes(digest), 0)
    positions.set(digest, position)
  }
  const bytes = builder.encode({ uuid: new Uint8Array(16), createdAt: 0 })
  return { index: decodeFixedIndex(bytes), positions }
}

suite('ReadAhead', () => {
  test('reads the following chunks before they are asked for, each once, and a bounded number', async () => {
    const { index, positions } = makeIndex(40)
    const loads: number[] = []
    const ahead = new ReadAhead(async (digest) => {
      loads.push(positions.get(digest) ?? -1)
      return digestToBytes(digest)
    })
    ahead.follow(index, positions)
    await ahead.read(index.digestAt(0))
    assert.deepEqual(loads, [0, 1, 2, 3, 4, 5, 6, 7, 8])
    for (let position = 1; position < 40; position += 1) {
      const chunk = await ahead.read(index.digestAt(position))
      assert.deepEqual(chunk, digestToBytes(index.digestAt(position)))
    }
    assert.deepEqual(
      loads,
      Array.from({ length: 40 }, (_, position) => position),
    )
    await ahead.close()
  })

  test('reads as many ahead as it is told, also none', async () => {
    for (const count of [0, 3]) {
      const { index, positions } = makeIndex(40)
      const loads: number[] = []
      const ahead = new ReadAhead(async (digest) => {
        loads.push(positions.get(digest) ?? -1)
        return digestToBytes(digest)
      }, count)
      ahead.follow(index, positions)
      await ahead.read(index.digestAt(0))
      assert.deepEqual(loads, [0, 1, 2, 3].slice(0, count + 1))
      await ahead.close()
    }
  })

  test('gives back what nobody asked for: behind a jump, at the end, and nothing else', async () => {
    const { index, positions } = makeIndex(40)
    const unread: number[] = []
    const load = (digest: Digest) => Promise.resolve(positions.get(digest) ?? -1)
    const ahead = new ReadAhead(load, 3, (position) => unread.push(position))
    ahead.follow(index, positions)
    assert.equal(await ahead.read(index.digestAt(0)), 0)
    assert.equal(await ahead.read(index.digestAt(30)), 30)
    assert.equal(await ahead.read(index.digestAt(31)), 31)
    await ahead.close()
    assert.deepEqual(unread, [1, 2, 3, 32, 33, 34])
  })

  test('a jump reads only what is asked for', async () => {
    const { index, positions } = makeIndex(100)
    const loads: number[] = []
    const ahead = new ReadAhead(async (digest) => {
      loads.push(positions.get(digest) ?? -1)
      return digestToBytes(digest)
    })
    ahead.follow(index, positions)
    for (const position of [50, 20, 90]) await ahead.read(index.digestAt(position))
    assert.deepEqual(loads, [50, 20, 90])
    await ahead.close()
  })

  test('an error of a chunk read ahead reaches who asks for it, and nobody else', async () => {
    const { index, positions } = makeIndex(10)
    const ahead = new ReadAhead(async (digest) => {
      if (positions.get(digest) === 2) throw new Error('gone')
      return digestToBytes(digest)
    })
    ahead.follow(index, positions)
    await ahead.read(index.digestAt(0))
    await ahead.read(index.digestAt(1))
    await assert.rejects(ahead.read(index.digestAt(2)), /gone/)
    await ahead.read(index.digestAt(3))
    await ahead.close()
  })
})
