/** Producer and consumer with backpressure; failure and end travel through it. */
import { assert } from '../assert.ts'

/**
 * A queue of at most `capacity` items for one consumer. When the consumer leaves its loop early,
 * waiting and later pushes resolve and their items are dropped: ask `isClosed`.
 */
export class BoundedQueue<Item> implements AsyncIterable<Item> {
  readonly #capacity: number
  readonly #items: Item[] = []
  readonly #pushers: (() => void)[] = []
  #wakeConsumer: (() => void) | null = null
  #end: { readonly error: unknown } | 'ended' | null = null
  #isClosed = false

  constructor(capacity: number) {
    assert(Number.isSafeInteger(capacity) && capacity > 0, 'a queue holds at least one item')
    this.#capacity = capacity
  }

  /** Items waiting for the consumer. */
  get size(): number {
    return this.#items.length
  }

  /** Whether the consumer has left: nobody takes what is pushed. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Appends `item`; resolves when there is room for the next one. */
  async push(item: Item): Promise<void> {
    if (this.#isClosed) return
    assert(this.#end === null, 'nothing is pushed after end or fail')
    this.#items.push(item)
    this.#wake()
    if (this.#items.length < this.#capacity) return
    await new Promise<void>((resolve) => this.#pushers.push(resolve))
  }

  /** No more items: the consumer's loop ends after those queued. */
  end(): void {
    this.#end ??= 'ended'
    this.#wake()
  }

  /** The consumer's loop throws `error` after the items queued. */
  fail(error: unknown): void {
    this.#end ??= { error }
    this.#wake()
    this.#releasePushers()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Item> {
    try {
      for (;;) {
        if (this.#items.length > 0) {
          const item = this.#items.shift() as Item
          this.#pushers.shift()?.()
          yield item
        } else if (this.#end === null) {
          await new Promise<void>((resolve) => {
            this.#wakeConsumer = resolve
          })
        } else if (this.#end === 'ended') {
          return
        } else {
          throw this.#end.error
        }
      }
    } finally {
      this.#isClosed = true
      this.#items.length = 0
      this.#releasePushers()
    }
  }

  #wake(): void {
    this.#wakeConsumer?.()
    this.#wakeConsumer = null
  }

  #releasePushers(): void {
    for (const resolve of this.#pushers.splice(0)) resolve()
  }
}
