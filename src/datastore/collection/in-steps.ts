/** Loops over all roots of a store, which may have hundreds of thousands: others run in between. */
import { breathe, STEPS_PER_BREATH } from '../sessions/breathe.ts'

/** Some milliseconds of comparing. */
const SORTED_AT_ONCE = 8_192

/** `items` must not change meanwhile. */
export async function forEachInSteps<Item>(
  items: readonly Item[],
  visit: (item: Item) => void,
): Promise<void> {
  for (let start = 0; start < items.length; start += STEPS_PER_BREATH) {
    if (start > 0) await breathe()
    const end = Math.min(items.length, start + STEPS_PER_BREATH)
    for (let index = start; index < end; index += 1) visit(items[index] as Item)
  }
}

export async function filterInSteps<Item>(
  items: readonly Item[],
  isWanted: (item: Item) => boolean,
): Promise<Item[]> {
  const wanted: Item[] = []
  await forEachInSteps(items, (item) => {
    if (isWanted(item)) wanted.push(item)
  })
  return wanted
}

/** In ascending order of their texts; equal ones stay in the order given. */
export async function sortInSteps<Item>(
  items: readonly Item[],
  textOf: (item: Item) => string,
): Promise<Item[]> {
  let runs: Item[][] = []
  for (let start = 0; start < items.length; start += SORTED_AT_ONCE) {
    if (start > 0) await breathe()
    const run = items.slice(start, start + SORTED_AT_ONCE)
    runs.push(run.sort((a, b) => compare(textOf(a), textOf(b))))
  }
  while (runs.length > 1) {
    const merged: Item[][] = []
    for (let index = 0; index < runs.length; index += 2) {
      const [left = [], right] = runs.slice(index, index + 2)
      merged.push(right === undefined ? left : await merge(left, right, textOf))
    }
    runs = merged
  }
  return runs[0] ?? []
}

async function merge<Item>(
  left: readonly Item[],
  right: readonly Item[],
  textOf: (item: Item) => string,
): Promise<Item[]> {
  const merged: Item[] = []
  let next = 0
  await forEachInSteps(left, (item) => {
    for (; next < right.length; next += 1) {
      const other = right[next] as Item
      if (compare(textOf(other), textOf(item)) >= 0) break
      merged.push(other)
    }
    merged.push(item)
  })
  await forEachInSteps(right.slice(next), (item) => merged.push(item))
  return merged
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
