/** Collects written bytes in large pieces and hands each full one over: the output of the encoder. */
import { assert } from '../../base/assert.ts'
import { HEADER_SIZE, type ItemType } from './format.ts'

/** Cost of passing a piece on is per piece; four of them in flight are still a small client. */
export const PIECE_SIZE = 2 * 1024 * 1024
/** A read of file content asks for at least this much room, so that large files mean few calls. */
const RESERVE_SIZE_MIN = 128 * 1024
const U32_RANGE = 2 ** 32

/** Pieces given to `onPiece` are never touched again: they belong to the receiver, as far as `allocate` does not share them. */
export class PieceWriter {
  readonly #onPiece: (piece: Buffer) => void
  readonly #allocate: () => Buffer
  #piece: Buffer
  #view: DataView
  #used = 0
  #flushed = 0

  /** `allocate` gives the memory of each next piece, PIECE_SIZE bytes; fresh memory by default. */
  constructor(
    onPiece: (piece: Buffer) => void,
    allocate: () => Buffer = () => Buffer.allocUnsafeSlow(PIECE_SIZE),
  ) {
    this.#onPiece = onPiece
    this.#allocate = allocate
    this.#piece = allocate()
    this.#view = viewOf(this.#piece)
  }

  /** Bytes written so far, whether handed over or not. */
  get position(): number {
    return this.#flushed + this.#used
  }

  /** Makes sure that `size` bytes fit into the current piece; call it before u32, u64 and bytes. */
  room(size: number): void {
    if (this.#used + size <= PIECE_SIZE) return
    assert(size <= PIECE_SIZE, 'one item part fits into a piece')
    this.flush()
  }

  /** Writes an item header; makes room for it alone. */
  header(type: ItemType, contentSize: number): void {
    this.room(HEADER_SIZE)
    this.u32(type.low)
    this.u32(type.high)
    this.u64(contentSize + HEADER_SIZE)
  }

  /** Writes an item header and makes room for its whole content of at most 128 KiB. */
  item(type: ItemType, contentSize: number): void {
    this.room(HEADER_SIZE + contentSize)
    this.header(type, contentSize)
  }

  u8(value: number): void {
    this.#view.setUint8(this.#used, value)
    this.#used += 1
  }

  u32(value: number): void {
    this.#view.setUint32(this.#used, value, true)
    this.#used += 4
  }

  /** A safe integer; negative ones in two's complement. */
  u64(value: number): void {
    const high = Math.floor(value / U32_RANGE)
    this.u32(value - high * U32_RANGE)
    this.u32(high)
  }

  /** Copies `bytes`, which fit into the room made. */
  bytes(bytes: Uint8Array): void {
    this.#piece.set(bytes, this.#used)
    this.#used += bytes.length
  }

  /** Copies `bytes` of any size. */
  copy(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length; ) {
      const room = this.reserve(bytes.length - start)
      const part = bytes.subarray(start, start + room.length)
      room.set(part)
      this.commit(part.length)
      start += part.length
    }
  }

  /** Free room of 1 to `wanted` bytes in the current piece, to be filled in place and committed. */
  reserve(wanted: number): Buffer {
    if (PIECE_SIZE - this.#used < Math.min(wanted, RESERVE_SIZE_MIN)) this.flush()
    return this.#piece.subarray(this.#used, Math.min(this.#used + wanted, PIECE_SIZE))
  }

  /** Counts the first `size` bytes of the room reserved last as written. */
  commit(size: number): void {
    this.#used += size
    assert(this.#used <= PIECE_SIZE, 'no more is committed than was reserved')
  }

  /** Hands over what is there. */
  flush(): void {
    if (this.#used === 0) return
    const piece = this.#piece.subarray(0, this.#used)
    this.#flushed += this.#used
    this.#used = 0
    this.#onPiece(piece)
    this.#piece = this.#allocate()
    this.#view = viewOf(this.#piece)
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
