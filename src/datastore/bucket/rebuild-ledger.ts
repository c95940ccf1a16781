/**
 * The ledger made anew from a LIST of the chunks (races.md R-65). Backups may go on beside it: an unknown digest costs
 * a conditional PUT, and what is deleted meanwhile is not added again.
 */
import { forEachConcurrent } from '../../base/async/map-concurrent.ts'
import type { Progress } from '../../base/progress.ts'
import { ChunkKeys, digestOfKey } from '../../storage/bucket-chunks/chunk-keys.ts'
import type { Ledger, LedgerEntry } from '../../storage/ledger.ts'
import { compareKeys } from '../../storage/object-limits.ts'
import { KEYS_PER_REQUEST, type ListPage, type ObjectStore } from '../../storage/object-store.ts'
import { PREFIX_COUNT } from '../collection/marks.ts'

export interface RebuildDoors {
  readonly objects: ObjectStore
  readonly ledger: Ledger
  readonly prefix: string
}

/** As a collection does it: each range may ask for one page more than it needs. */
const RANGES_MAX = 8
const PAGES_PER_RANGE_MIN = 4

/** A part of the list; keys from `end` on are another's. */
interface Range {
  readonly pages: AsyncIterator<ListPage>
  readonly end: string | null
}

/**
 * Adds every chunk that the bucket shows; their number. A long list is read in a few ranges side by side. Throws the
 * errors of ObjectStore, the signal's reason.
 */
export async function rebuildLedger(doors: RebuildDoors, progress: Progress): Promise<number> {
  const { objects, ledger, prefix } = doors
  const { signal } = progress
  const keys = new ChunkKeys(prefix)
  let count = 0
  const take = async ({ objects: found }: ListPage, end: string | null): Promise<boolean> => {
    const ours = end === null ? found : found.filter(({ key }) => compareKeys(key, end) < 0)
    const entries: LedgerEntry[] = []
    for (const { key, size } of ours) {
      const digest = digestOfKey(key)
      if (digest !== null && size > 0) entries.push({ digest, size })
    }
    await ledger.addListed(entries)
    count += entries.length
    progress.advance('chunks', count, null)
    signal.throwIfAborted()
    return ours.length === found.length
  }
  const open = (after?: string): AsyncIterator<ListPage> => {
    const options = after === undefined ? { signal } : { signal, after }
    return objects.list(keys.base, options)[Symbol.asyncIterator]()
  }
  await ledger.beginRebuild()
  try {
    const pages = open()
    const first = await pages.next()
    if (first.done === true) return 0
    await take(first.value, null)
    const ends = endsOf(first.value, keys)
    const ranges = ends.map(
      (end, index): Range => ({ pages: index === 0 ? pages : open(ends[index - 1] ?? ''), end }),
    )
    await forEachConcurrent(ranges, { concurrency: RANGES_MAX, signal }, async (range) => {
      const rest = { [Symbol.asyncIterator]: () => range.pages }
      for await (const page of rest) if (!(await take(page, range.end))) break
    })
  } finally {
    await ledger.endRebuild()
  }
  return count
}

/**
 * Where the ranges end in which the list is read on behind its first page; null: at its own end. Digests are evenly
 * spread: how far a full page reaches tells how many there are.
 */
function endsOf({ objects }: ListPage, keys: ChunkKeys): (string | null)[] {
  const last = digestOfKey(objects.at(-1)?.key ?? '')
  if (last === null || objects.length < KEYS_PER_REQUEST) return [null]
  const from = keys.prefixOf(last)
  const pages = PREFIX_COUNT / (from + 1)
  const rangeCount = Math.max(1, Math.min(RANGES_MAX, Math.floor(pages / PAGES_PER_RANGE_MIN)))
  const step = Math.ceil((PREFIX_COUNT - from) / rangeCount)
  const ends: (string | null)[] = []
  for (let end = from + step; end < PREFIX_COUNT; end += step) ends.push(keys.before(end) ?? null)
  return [...ends, null]
}
