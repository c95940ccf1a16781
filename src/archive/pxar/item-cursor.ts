/** Reads items one after the other by positional reads, a few KiB ahead. */
import { errors } from '../errors.ts'
import type { RandomReader } from '../random-reader.ts'
import {
  checkedContentSize,
  describeType,
  findItemType,
  HEADER_SIZE,
  type ItemType,
} from './format.ts'

/** Most nodes are far smaller: one read brings name, metadata and attributes. */
const WINDOW_SIZE = 4096
/** No item that is read as a whole is larger; the largest is an extended attribute. */
const CONTENT_SIZE_MAX = 128 * 1024

export interface Item {
  /** Null for a type this code does not know. */
  readonly type: ItemType | null
  /** As stock prints it: `XATTR header (dab0229b57dcd03)`. */
  readonly label: string
  readonly contentStart: number
  readonly contentSize: number
}

/** Items from `start` on; nothing at or after `end` is read. */
export class ItemCursor {
  readonly #reader: RandomReader
  readonly #end: number
  #position: number
  #window: Uint8Array = new Uint8Array(0)
  #windowStart = 0

  constructor(reader: RandomReader, range: { readonly start: number; readonly end: number }) {
    this.#reader = reader
    this.#position = range.start
    this.#end = Math.min(range.end, reader.size)
  }

  /** Where the next item starts. */
  get position(): number {
    return this.#position
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#end
  }

  /** The next item's header; the cursor stays before it. Errors: PXAR_INVALID, PXAR_TRUNCATED. */
  async peek(): Promise<Item> {
    const bytes = await this.#bytes(this.#position, HEADER_SIZE)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const [low, high] = [view.getUint32(0, true), view.getUint32(4, true)]
    const type = findItemType(low, high)
    const contentSize = checkedContentSize(view, 0, type)
    const contentStart = this.#position + HEADER_SIZE
    return { type, label: describeType(low, high), contentStart, contentSize }
  }

  /** Content of the item peeked at, copied or borrowed until the next call. */
  async content(item: Item): Promise<Uint8Array> {
    if (item.contentSize > CONTENT_SIZE_MAX) {
      throw errors.PXAR_INVALID({ text: `item too large: ${item.label} (${item.contentSize})` })
    }
    return await this.#bytes(item.contentStart, item.contentSize)
  }

  /** Goes behind `item`. */
  skip(item: Item): void {
    this.#position = item.contentStart + item.contentSize
  }

  async #bytes(start: number, size: number): Promise<Uint8Array> {
    const end = start + size
    if (end > this.#end) throw errors.PXAR_TRUNCATED({ text: 'unexpected EOF in entry' })
    if (start < this.#windowStart || end > this.#windowStart + this.#window.length) {
      const wanted = Math.min(Math.max(size, WINDOW_SIZE), this.#end - start)
      this.#window = await this.#reader.read(start, wanted)
      this.#windowStart = start
    }
    const from = start - this.#windowStart
    return this.#window.subarray(from, from + size)
  }
}
