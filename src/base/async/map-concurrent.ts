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

/** What was waited for: an item of the source, its end, or the result of a call. */
type Event<Item, Result> =
  | { readonly kind: 'item'; readonly item: Item }
  | { readonly kind: 'end' }
  | { readonly kind: 'result'; readonly index: number; readonly value: Result }
  | { readonly kind: 'error'; readonly error: unknown }

/**
 * Results of `fn` over `items`, at most `concurrency` running or waiting to be taken. The first
 * error wins, however slow the source is; whatever runs then is waited for before it is thrown, and
 * no new item is begun. The same when the consumer leaves early or the signal is aborted (its
 * reason is thrown).
 */
export async function* mapConcurrent<Item, Result>(
  items: Items<Item>,
  options: MapOptions,
  fn: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const { concurrency, signal, ordered = true } = options
  assert(concurrency >= 1, 'concurrency is at least one')
  const events = new Mailbox<Event<Item, Result>>()
  const source = new Source<Item>(items, (event) => events.post(event))
  const running = new Map<number, Promise<void>>()
  /** Results that came before their turn; their calls still count as running. */
  const early = new Map<number, Result>()
  const onAbort = (): void => events.post({ kind: 'error', error: signal?.reason })
  signal?.addEventListener('abort', onAbort, { once: true })
  let started = 0
  let taken = 0
  try {
    for (;;) {
      signal?.throwIfAborted()
      if (running.size + early.size < concurrency) source.ask()
      if (running.size === 0 && source.isEnded) return
      const event = await events.take()
      if (event.kind === 'error') throw event.error
      if (event.kind === 'end') {
        source.isEnded = true
      } else if (event.kind === 'item') {
        source.isAsked = false
        running.set(started, settle(started, fn(event.item), events))
        started++
      } else {
        running.delete(event.index)
        early.set(event.index, event.value)
        for (const [index, value] of takeable(early, ordered ? taken : null)) {
          early.delete(index)
          taken++
          yield value
        }
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    for (const promise of running.values()) await promise
    await source.close()
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

/** Resolves always; how the call ended is posted. */
async function settle<Item, Result>(
  index: number,
  promise: Promise<Result>,
  events: Mailbox<Event<Item, Result>>,
): Promise<void> {
  try {
    events.post({ kind: 'result', index, value: await promise })
  } catch (error) {
    events.post({ kind: 'error', error })
  }
}

/** Results that may go out now: all, or those from `taken` on without a gap. */
function takeable<Result>(early: Map<number, Result>, taken: number | null): [number, Result][] {
  if (taken === null) return [...early]
  const ready: [number, Result][] = []
  for (let index = taken; early.has(index); index++) ready.push([index, early.get(index) as Result])
  return ready
}

/** The items, one request at a time; the answer is posted. */
class Source<Item> {
  readonly #iterator: Iterator<Item> | AsyncIterator<Item>
  readonly #post: (event: Event<Item, never>) => void
  /** Set back by who takes the answer from the mailbox, not before: until then nothing is asked. */
  isAsked = false
  /** Set by who takes the end from the mailbox: before that, items may still lie there. */
  isEnded = false
  /** Whether the iterator itself is at work, or has nothing more to clean up. */
  #state: 'idle' | 'busy' | 'over' = 'idle'

  constructor(items: Items<Item>, post: (event: Event<Item, never>) => void) {
    this.#iterator =
      Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
    this.#post = post
  }

  /** Asks for the next item, unless that was done or there is none. */
  ask(): void {
    if (this.isAsked || this.isEnded) return
    this.isAsked = true
    void this.#answer()
  }

  /** Lets the source clean up; one that is still busy with a request does so when that is over. */
  async close(): Promise<void> {
    if (this.#state === 'over') return
    const closing = (async (): Promise<void> => {
      await this.#iterator.return?.()
    })()
    if (this.#state === 'busy') closing.catch(() => {})
    else await closing
  }

  async #answer(): Promise<void> {
    this.#state = 'busy'
    try {
      const { done, value } = await this.#iterator.next()
      this.#state = done === true ? 'over' : 'idle'
      this.#post(done === true ? { kind: 'end' } : { kind: 'item', item: value })
    } catch (error) {
      this.#state = 'over'
      this.#post({ kind: 'error', error })
    }
  }
}

/** Events in order for one who waits; unlike Promise.race it leaves nothing behind on what is slow. */
class Mailbox<Item> {
  readonly #items: Item[] = []
  #wake: (() => void) | null = null

  post(item: Item): void {
    this.#items.push(item)
    this.#wake?.()
  }

  async take(): Promise<Item> {
    while (this.#items.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#items.shift() as Item
  }
}
