/** Many items at once, but never more than a limit: the only way to await a list of unknown length. */
import { assert } from '../assert.ts'

export interface ConcurrencyOptions {
  /** Most calls running at the same time. */
  readonly concurrency: number
  readonly signal?: AbortSignal | undefined
}

export interface MapOptions extends ConcurrencyOptions {
  /** Results in the order of the items (default); false: as they come. */
  readonly ordered?: boolean
}

type Items<Item> = Iterable<Item> | AsyncIterable<Item>
type Settled<Result> = { readonly value: Result } | { readonly error: unknown }

/**
 * Results of `fn` over `items`, at most `concurrency` running or waiting to be taken. The first
 * error wins; whatever runs then is waited for before it is thrown, and no new item is begun.
 * The same when the consumer leaves early or the signal is aborted (its reason is thrown).
 */
export async function* mapConcurrent<Item, Result>(
  items: Items<Item>,
  options: MapOptions,
  fn: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const { concurrency, signal, ordered = true } = options
  assert(concurrency >= 1, 'concurrency is at least one')
  const running = new Map<number, Promise<readonly [number, Settled<Result>]>>()
  let started = 0
  try {
    for await (const item of items) {
      signal?.throwIfAborted()
      const index = started++
      running.set(
        index,
        settle(fn(item)).then((settled) => [index, settled] as const),
      )
      if (running.size >= concurrency) yield await takeOne(running, ordered)
    }
    while (running.size > 0) {
      signal?.throwIfAborted()
      yield await takeOne(running, ordered)
    }
  } finally {
    for (const promise of running.values()) await promise
  }
}

/** Runs `fn` over `items`, at most `concurrency` at a time; errors as with mapConcurrent. */
export async function forEachConcurrent<Item>(
  items: Items<Item>,
  options: ConcurrencyOptions,
  fn: (item: Item) => Promise<void>,
): Promise<void> {
  const results = mapConcurrent(items, { ...options, ordered: false }, fn)
  while ((await results.next()).done !== true) {
    // each call's effect is the result
  }
}

async function settle<Result>(promise: Promise<Result>): Promise<Settled<Result>> {
  try {
    return { value: await promise }
  } catch (error) {
    return { error }
  }
}

async function takeOne<Result>(
  running: Map<number, Promise<readonly [number, Settled<Result>]>>,
  ordered: boolean,
): Promise<Result> {
  const candidates = [...running.values()]
  const [index, settled] = await Promise.race(ordered ? candidates.slice(0, 1) : candidates)
  running.delete(index)
  if ('error' in settled) throw settled.error
  return settled.value
}
