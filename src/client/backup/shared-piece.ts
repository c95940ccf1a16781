/** A piece of an archive of which several hold parts: it goes back to its owner when the last of them lets go. */
import type { PooledBuffer } from '../../base/buffer-pool.ts'

export class SharedPiece implements Disposable {
  readonly bytes: Uint8Array
  readonly #owner: Disposable
  #holderCount = 1

  /** Held once, by whoever made it. */
  constructor(piece: PieceBytes) {
    this.bytes = piece.bytes
    this.#owner = piece
  }

  /** Bytes `start` to `end`, held until they are disposed of, once. */
  part(start: number, end: number): PieceBytes {
    this.#holderCount += 1
    return { bytes: this.bytes.subarray(start, end), [Symbol.dispose]: () => this.#letGo() }
  }

  [Symbol.dispose](): void {
    this.#letGo()
  }

  #letGo(): void {
    this.#holderCount -= 1
    if (this.#holderCount === 0) this.#owner[Symbol.dispose]()
  }
}

/** Bytes that belong to the receiver until it disposes of them. */
export type PieceBytes = Omit<PooledBuffer, 'bytes'> & { readonly bytes: Uint8Array }
