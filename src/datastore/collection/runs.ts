/**
 * The chunks of an index as runs of consecutive marks: what a collection keeps of an index (races.md R-68). Snapshots
 * of one group differ little, so a list of a million chunks takes a few thousand runs.
 */

const PAIR = 2
const START_LENGTH = 64 * PAIR

/** Runs in the order of the index, each `[first, count]`. */
export class Runs {
  #pairs = new Uint32Array(START_LENGTH)
  #length = 0
  /** First mark of the open run and the one after its last. */
  #first = 0
  #end = 0

  /** The mark that would go on with the open run. */
  get next(): number {
    return this.#end
  }

  add(mark: number): void {
    if (mark === this.#end && this.#end > this.#first) {
      this.#end += 1
      return
    }
    this.#close()
    this.#first = mark
    this.#end = mark + 1
  }

  /** Marks up to `end` (exclusive) go on with the open run. */
  extendTo(end: number): void {
    if (end > this.#end) this.#end = end
  }

  /** The runs so far, owned by the caller; nothing may be added after it. */
  take(): Uint32Array<ArrayBuffer> {
    this.#close()
    return this.#pairs.slice(0, this.#length)
  }

  #close(): void {
    if (this.#end === this.#first) return
    if (this.#length === this.#pairs.length) {
      const grown = new Uint32Array(this.#pairs.length * 2)
      grown.set(this.#pairs)
      this.#pairs = grown
    }
    this.#pairs[this.#length] = this.#first
    this.#pairs[this.#length + 1] = this.#end - this.#first
    this.#length += PAIR
    this.#first = 0
    this.#end = 0
  }
}
