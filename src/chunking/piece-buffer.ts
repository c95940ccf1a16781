/** Bytes in pieces, taken from the front in other sizes: copied once, when they leave. */
import { assert } from '../base/assert.ts'

export class PieceBuffer {
  #pieces: Uint8Array[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Appends `bytes`, which must not change any more. */
  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#pieces.push(bytes)
    this.#size += bytes.length
  }

  /** All bytes in one piece, which stays here: borrowed until the next call. */
  joined(): Uint8Array {
    const [first] = this.#pieces
    if (this.#pieces.length === 1 && first !== undefined) return first
    const whole = this.take(this.#size)
    this.append(whole)
    return whole
  }

  /** The first `size` bytes, removed from here, in memory of their own. */
  take(size: number): Uint8Array<ArrayBuffer> {
    assert(size <= this.#size, 'no more is taken than is there')
    const taken = new Uint8Array(size)
    let done = 0
    let count = 0
    for (const piece of this.#pieces) {
      if (done === size) break
      const part = piece.subarray(0, size - done)
      taken.set(part, done)
      done += part.length
      if (part.length === piece.length) count++
      else this.#pieces[count] = piece.subarray(part.length)
    }
    this.#pieces = this.#pieces.slice(count)
    this.#size -= size
    return taken
  }
}
