/** Sorting and filtering in steps gives what doing it at once gives. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { filterInSteps, sortInSteps } from './in-steps.ts'

/** Each text several times, in an order that only looks like chance. */
function makeItems(count: number): { readonly text: string; readonly place: number }[] {
  return Array.from({ length: count }, (_, place) => {
    return { text: `${(place * 7919) % Math.ceil(count / 3)}`, place }
  })
}

suite('sortInSteps()', () => {
  for (const count of [0, 1, 8_192, 8_193, 50_000]) {
    test(`sorts ${count} items as a stable sort does, and lets others run`, async () => {
      const items = makeItems(count)
      let turns = 0
      let isOver = false
      const turn = (): void => {
        turns += 1
        if (!isOver) setImmediate(turn)
      }
      setImmediate(turn)
      const sorted = await sortInSteps(items, ({ text }) => text)
      isOver = true
      const expected = items.toSorted((a, b) => (a.text < b.text ? -1 : Number(a.text > b.text)))
      assert.deepEqual(sorted, expected)
      assert.ok(turns >= Math.floor((count - 1) / 8_192))
    })
  }
})

suite('filterInSteps()', () => {
  test('keeps what is wanted, in order', async () => {
    const items = makeItems(10_000)
    const isWanted = ({ place }: { readonly place: number }): boolean => place % 3 === 0
    assert.deepEqual(await filterInSteps(items, isWanted), items.filter(isWanted))
  })
})
