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
  const calls = new Calls(items, options, fn)
  try {
    while (calls.beginMore()) {
      if (calls.hasResult) yield calls.take()
      else await calls.changed()
    }
  } finally {
    await calls.end()
  }
}

/** Runs `fn` over `items`, at most `concurrency` at a time; errors as with mapConcurrent. */
export async function forEachConcurrent<Item>(
  items: Items<Item>,
  options: ConcurrencyOptions,
  fn: (item: Item) => Promise<void>,
): Promise<void> {
  const calls = new Calls(items, { ...options, ordered: false }, fn)
  try {
    while (calls.beginMore()) {
      // Each call's effect is the result.
      if (calls.hasResult) calls.take()
      else await calls.changed()
    }
  } finally {
    await calls.end()
  }
}

/** The calls of one run: those that are under way, and what the others gave. */
class Calls<Item, Result> {
  /** By the number of the call, in the order in which they came; until they are taken they count as running. */
  readonly #results = new Map<number, Result>()
  readonly #options: MapOptions
  readonly #isOrdered: boolean
  readonly #fn: (item: Item) => Promise<Result>
  readonly #source: Source<Item>
  #startedCount = 0
  #takenCount = 0
  #runningCount = 0
  #failure: { readonly error: unknown } | null = null
  #wake: (() => void) | null = null
  readonly #onAbort = (): void => this.#fail(this.#options.signal?.reason)

  constructor(items: Items<Item>, options: MapOptions, fn: (item: Item) => Promise<Result>) {
    assert(options.concurrency >= 1, 'concurrency is at least one')
    this.#options = options
    this.#isOrdered = options.ordered ?? true
    this.#fn = fn
    this.#source = new Source(items, (failure) => {
      if (failure === null) this.#wakeUp()
      else this.#fail(failure.error)
    })
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Whether a result may go out now: any, or the next one in the order of the items. */
  get hasResult(): boolean {
    return this.#isOrdered ? this.#results.has(this.#takenCount) : this.#results.size > 0
  }

  /** To be called while there is one. */
  take(): Result {
    const [first = 0] = this.#isOrdered ? [this.#takenCount] : this.#results.keys()
    const result = this.#results.get(first) as Result
    this.#results.delete(first)
    this.#takenCount += 1
    return result
  }

  /** Begins what may begin; false if everything is done and taken. Throws the first error once what came before is taken. */
  beginMore(): boolean {
    const { concurrency, signal } = this.#options
    const source = this.#source
    signal?.throwIfAborted()
    while (this.#failure === null && this.#runningCount + this.#results.size < concurrency) {
      source.ask()
      const answer = source.take()
      if (answer === null) break
      this.#begin(this.#fn(answer.value))
      signal?.throwIfAborted()
    }
    if (this.hasResult) return true
    if (this.#failure !== null) throw this.#failure.error
    return this.#runningCount > 0 || !source.isEnded
  }

  /** Resolves at the next result, error, or answer of the source. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  /** To be called however the run ends: nothing of it is left running, and the source has cleaned up. */
  async end(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    while (this.#runningCount > 0) await this.changed()
    if (!this.#source.isEnded) await this.#source.close()
  }

  #begin(promise: Promise<Result>): void {
    const index = this.#startedCount
    this.#startedCount += 1
    this.#runningCount += 1
    promise.then(
      (value) => {
        this.#runningCount -= 1
        if (this.#failure === null) this.#results.set(index, value)
        this.#wakeUp()
      },
      (error: unknown) => {
        this.#runningCount -= 1
        this.#fail(error)
      },
    )
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#wakeUp()
  }

  #wakeUp(): void {
    this.#wake?.()
  }
}

/** The items, one request at a time; those at hand are there at once. */
class Source<Item> {
  readonly #iterator: Iterator<Item> | AsyncIterator<Item>
  readonly #isAsync: boolean
  readonly #onAnswer: (failure: { readonly error: unknown } | null) => void
  /** Whether the iterator is at work, has answered, or has nothing more to clean up. */
  #state: 'idle' | 'busy' | 'answered' | 'over' = 'idle'
  #answer: { readonly value: Item } | null = null

  constructor(items: Items<Item>, onAnswer: (failure: { readonly error: unknown } | null) => void) {
    this.#isAsync = Symbol.asyncIterator in items
    this.#iterator =
      Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
    this.#onAnswer = onAnswer
  }

  get isEnded(): boolean {
    return this.#state === 'over'
  }

  /** Asks for the next item, unless that was done or there is none. */
  ask(): void {
    if (this.#state !== 'idle') return
    this.#state = 'busy'
    try {
      const answer = this.#iterator.next()
      if (this.#isAsync) void this.#accept(answer as Promise<IteratorResult<Item>>)
      else this.#keep(answer as IteratorResult<Item>)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** The item that was asked for; null if it is not there yet, or if there is none. */
  take(): { readonly value: Item } | null {
    const answer = this.#answer
    if (answer !== null) {
      this.#answer = null
      this.#state = 'idle'
    }
    return answer
  }

  /** Lets the source clean up; one that is still busy with a request does so when that is over. */
  async close(): Promise<void> {
    const closing = (async (): Promise<void> => {
      await this.#iterator.return?.()
    })()
    if (this.#state === 'busy') closing.catch(() => {})
    else await closing
  }

  async #accept(answer: Promise<IteratorResult<Item>>): Promise<void> {
    try {
      this.#keep(await answer)
      this.#onAnswer(null)
    } catch (error) {
      this.#failed(error)
    }
  }

  #keep(answer: IteratorResult<Item>): void {
    this.#state = answer.done === true ? 'over' : 'answered'
    if (answer.done !== true) this.#answer = answer
  }

  /** An iterator that failed has nothing more to clean up. */
  #failed(error: unknown): void {
    this.#state = 'over'
    this.#onAnswer({ error })
  }
}
