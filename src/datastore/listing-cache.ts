/**
 * What lists of snapshots show, kept between calls (datastore-semantics.md has no such thing: ours).
 *
 * An entry is used only while the folder of its snapshot has the inode and the change time with which it was read;
 * each list asks for these again. A change by us or by stock makes a name in that folder and is seen by the next list.
 * Two changes within one tick of the file system's clock look like one: an entry is kept only if its folder had been
 * at rest for some seconds. What changes a file in place, as no backup program does, is seen after `ENTRY_AGE_MAX_MS`.
 *
 * Only lists ask here. What decides (base of a backup, prune, removal, verification) reads the disk.
 */
import { LruCache } from '../base/lru-cache.ts'
import type { Clock } from '../base/time/clock.ts'
import type { GroupRef } from '../formats/names.ts'
import { type GroupAnswer, type GroupRequest, STAMP_LENGTH } from './listing/read-group.ts'

/** Reads groups in threads; answers are in the order of the requests. */
export type ReadGroups = (requests: readonly GroupRequest[]) => Promise<readonly GroupAnswer[]>

export interface ListedGroup {
  readonly group: GroupRef
  /** Content of the owner file; null if it cannot be read. Never from the cache. */
  readonly owner: string | null
  /** Descriptions of its snapshots, oldest first. */
  readonly texts: readonly string[]
}

/** After this a list reads an entry again whatever the times say. */
export const ENTRY_AGE_MAX_MS = 300_000
/** Coarser clocks than this no file system has. */
const REST_MS = 3_000
/** 100,000 snapshots of 500 characters. */
const CACHE_SIZE_MAX = 64 << 20
/** What an entry takes beside its text. */
const ENTRY_SIZE = 120

interface Entry {
  readonly time: number
  readonly text: string
  /** By the monotonic clock. */
  readonly readAtMs: number
}

interface CachedGroup {
  readonly entries: readonly Entry[]
  readonly stamps: Float64Array
}

export class ListingCache {
  readonly #clock: Clock
  readonly #read: ReadGroups
  readonly #groups: LruCache<string, CachedGroup>

  constructor(
    clock: Clock,
    options: { readonly read: ReadGroups; readonly sizeMax?: number | undefined },
  ) {
    this.#clock = clock
    this.#read = options.read
    this.#groups = new LruCache({
      sizeMax: options.sizeMax ?? CACHE_SIZE_MAX,
      sizeOf: ({ entries }) =>
        entries.reduce((sum, { text }) => sum + text.length + ENTRY_SIZE, ENTRY_SIZE),
    })
  }

  /** Bytes kept, about. */
  get size(): number {
    return this.#groups.size
  }

  /** The snapshots of `groups`, whose folders are `path`; one that is missing is empty. */
  async list(groups: readonly { path: string; group: GroupRef }[]): Promise<ListedGroup[]> {
    const now = { wallMs: this.#clock.now(), monotonicMs: this.#clock.monotonic() }
    const cached = groups.map(({ path }) => fresh(this.#groups.get(path), now.monotonicMs))
    const requests = groups.map(({ path, group }, index): GroupRequest => {
      const { entries, stamps } = cached[index] ?? EMPTY
      const knownTimes = Float64Array.from(entries, ({ time }) => time)
      return { path, group, knownTimes, knownStamps: stamps }
    })
    const answers = await this.#read(requests)
    return groups.map(({ path, group }, index) => {
      const answer = answers[index]
      if (answer === undefined) return { group, owner: null, texts: [] }
      const entries = merge(cached[index] ?? EMPTY, answer, now.monotonicMs)
      this.#groups.set(path, atRest(entries, answer.stamps, now.wallMs))
      return { group, owner: answer.owner, texts: entries.map(({ text }) => text) }
    })
  }
}

const EMPTY: CachedGroup = Object.freeze({ entries: [], stamps: new Float64Array() })

/** What of a cached group is not too old. */
function fresh(cached: CachedGroup | undefined, nowMs: number): CachedGroup {
  if (cached === undefined) return EMPTY
  return filterGroup(cached, ({ readAtMs }) => nowMs - readAtMs < ENTRY_AGE_MAX_MS)
}

/** What of a group may be kept: folders that have been at rest, by the clock before they were read. */
function atRest(entries: readonly Entry[], stamps: Float64Array, wallMs: number): CachedGroup {
  return filterGroup({ entries, stamps }, (_entry, index) => {
    const changed = Math.max(
      stamps[index * STAMP_LENGTH + 1] ?? 0,
      stamps[index * STAMP_LENGTH + 2] ?? 0,
    )
    return changed < wallMs - REST_MS
  })
}

function filterGroup(
  { entries, stamps }: CachedGroup,
  keeps: (entry: Entry, index: number) => boolean,
): CachedGroup {
  const kept: number[] = []
  for (const [index, entry] of entries.entries()) if (keeps(entry, index)) kept.push(index)
  if (kept.length === entries.length) return { entries, stamps }
  return {
    entries: kept.flatMap((index) => entries[index] ?? []),
    stamps: Float64Array.from(
      kept.flatMap((index) => [
        ...stamps.subarray(index * STAMP_LENGTH, (index + 1) * STAMP_LENGTH),
      ]),
    ),
  }
}

function merge(cached: CachedGroup, answer: GroupAnswer, readAtMs: number): Entry[] {
  const known = new Map(cached.entries.map((entry) => [entry.time, entry]))
  return answer.texts.flatMap((text, index): Entry[] => {
    const time = answer.times[index] ?? 0
    if (text !== null) return [{ time, text, readAtMs }]
    const entry = known.get(time)
    return entry === undefined ? [] : [entry]
  })
}
