import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { SeededRandom } from '../../../bench/support/random.ts'
import { Marks, PREFIX_COUNT, restoreMarks } from './marks.ts'
import { Runs } from './runs.ts'

const SIZE = 32

function digests(seed: string, count: number): Buffer {
  return new SeededRandom(seed).bytes(count * SIZE)
}

function addAll(marks: Marks, bytes: Buffer): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const runs = new Runs()
  marks.addMany({ view, start: 0, stride: SIZE, count: bytes.length / SIZE }, runs)
  return runs.take()
}

function* numbersOf(runs: Uint32Array): Generator<number> {
  for (let at = 0; at < runs.length; at += 2) {
    for (let step = 0; step < (runs[at + 1] ?? 0); step += 1) yield (runs[at] ?? 0) + step
  }
}

function find(marks: Marks, bytes: Buffer, index: number): number {
  return marks.find(bytes, index * SIZE)
}

suite('Marks', () => {
  test('has what was added and nothing else, however it grew', () => {
    const [added, others] = [digests('added', 30_000), digests('others', 30_000)]
    const marks = new Marks({ shared: true })
    addAll(marks, added)
    assert.equal(marks.count, 30_000)
    for (let index = 0; index < 30_000; index += 1) {
      assert.ok(marks.has(added, index * SIZE))
      assert.equal(marks.has(others, index * SIZE), false)
    }
    assert.ok(marks.byteLength / marks.count < 20)
  })

  test('runs give the numbers of the list in its order, whatever the lists before were', () => {
    const all = digests('lists', 5000)
    const marks = new Marks({ shared: false })
    const order = Uint32Array.from({ length: 5000 }, (_value, index) => index)
    const random = new SeededRandom('order')
    for (let list = 0; list < 6; list += 1) {
      for (let change = 0; change < 100; change += 1) {
        order[random.below(5000)] = random.below(5000)
      }
      const bytes = Buffer.concat(
        Array.from(order, (index) => all.subarray(index * SIZE, (index + 1) * SIZE)),
      )
      const numbers = [...numbersOf(addAll(marks, bytes))]
      assert.equal(numbers.length, 5000)
      numbers.forEach((number, index) => assert.equal(number, find(marks, bytes, index)))
    }
  })

  test('another thread with its state sees the same; a part takes its range only', () => {
    const all = digests('state', 2000)
    const whole = new Marks({ shared: true })
    addAll(whole, all)
    const again = new Marks(structuredClone(whole.state))
    const half = new Marks({ from: 0, to: PREFIX_COUNT / 2, shared: false })
    addAll(half, all)
    for (let index = 0; index < 2000; index += 1) {
      assert.ok(again.has(all, index * SIZE))
      assert.equal(half.has(all, index * SIZE), (all[index * SIZE] ?? 0) < 128)
    }
  })

  test('restoreMarks() adds those that are wanted', () => {
    const all = digests('restore', 1000)
    const old = new Marks({ shared: false })
    addAll(old, all)
    const keys = new Int32Array(old.state.keys[0] as ArrayBuffer).slice(0, 2000)
    const wanted = Uint8Array.from({ length: 1000 }, (_value, index) => (index % 3 === 0 ? 1 : 0))
    const { state } = new Marks({ offset: old.offset, shared: false })
    const marks = new Marks(restoreMarks({ marks: state, keys, wanted }))
    for (let index = 0; index < 1000; index += 1) {
      assert.equal(marks.has(all, index * SIZE), index % 3 === 0)
    }
  })

  test('D7: digests that share the bits only keep each other, until others are taken', () => {
    const one = Buffer.alloc(SIZE, 1)
    const two = Buffer.alloc(SIZE, 1)
    two.fill(9, 20)
    const near = new Marks({ offset: 4, shared: false })
    near.add(one, 0)
    assert.ok(near.has(two, 0))
    const far = new Marks({ offset: 24, shared: false })
    far.add(one, 0)
    assert.equal(far.has(two, 0), false)
  })
})
