/**
 * Reads a pxar archive stream front to back (pxar.md 7 and 9), pushed in pieces of any size.
 *
 * ```
 * begin -> [prelude] -> node (root)
 * node:   ENTRY attributes, then content item, FILENAME or GOODBYE ends it
 * child:  FILENAME starts the next node, GOODBYE leaves the directory; after the root's: done
 * ```
 *
 * Stricter than stock: mode and content item must agree, fixed sizes are exact, names hold no NUL,
 * depth, prelude and attributes are bounded. Bytes after the root's GOODBYE are ignored, as by stock.
 */
import { errors } from '../errors.ts'
import type { TreeEntry } from '../tree-entry.ts'
import {
  checkedContentSize,
  DEPTH_MAX,
  describeType,
  ENTRY,
  ENTRY_V1,
  FILENAME,
  FORMAT_VERSION,
  findItemType,
  GOODBYE,
  HARDLINK,
  HEADER_SIZE,
  type ItemType,
  PAYLOAD,
  PRELUDE,
  PRELUDE_SIZE_MAX,
} from './format.ts'
import { NodeBuilder, parseFilename, parseHardlink } from './node-builder.ts'

/** What a decoder tells, in archive order. All calls are synchronous. */
export interface PxarHandler {
  /** Raw bytes of the prelude. */
  prelude?(bytes: Uint8Array): void
  /** An entry begins; the first is the root directory with an empty name. */
  entry(entry: TreeEntry): void
  /** A part of the content of the file entry told last; borrowed until the call returns. */
  content(bytes: Uint8Array): void
  /** All content of the file entry told last has been given. Not called for references. */
  fileEnd(): void
  /** The directory that is open ends. */
  leaveDirectory(): void
}

type State = 'begin' | 'after-version' | 'after-prelude' | 'attributes' | 'child' | 'node' | 'done'

/** Push decoder: `push` pieces in order, then `end`. After an error it must not be used any more. */
export class PxarDecoder {
  readonly #handler: PxarHandler
  readonly #node = new NodeBuilder()
  #state: State = 'begin'
  #name: Buffer = Buffer.alloc(0)
  #depth = 0
  /** Format version 2: files hold references. */
  #isSplit = false
  /** Bytes of file content or of a GOODBYE that are still to pass. */
  #passing = 0
  #isContent = false
  /** The beginning of an item that the last piece cut; `#carryNeed` bytes are wanted. */
  #carry: Buffer = Buffer.alloc(4096)
  #carrySize = 0
  #carryNeed = HEADER_SIZE

  constructor(handler: PxarHandler) {
    this.#handler = handler
  }

  /** Whether the root's GOODBYE has been read completely. */
  get isDone(): boolean {
    return this.#state === 'done' && this.#passing === 0
  }

  /** Takes the next piece of the stream. Errors: PXAR_INVALID, and what the handler throws. */
  push(piece: Uint8Array): void {
    let offset = 0
    while (offset < piece.length && !this.isDone) {
      if (this.#passing > 0) offset += this.#pass(piece, offset)
      else if (this.#carrySize > 0) offset += this.#fillCarry(piece, offset)
      else offset += this.#takeItem(piece, offset)
    }
  }

  /** The stream has ended. Errors: PXAR_TRUNCATED when the archive has not. */
  end(): void {
    if (this.isDone) return
    const isInside = this.#carrySize > 0 || this.#passing > 0
    throw errors.PXAR_TRUNCATED({ text: isInside ? 'unexpected EOF in entry' : 'unexpected EOF' })
  }

  #pass(piece: Uint8Array, offset: number): number {
    const size = Math.min(this.#passing, piece.length - offset)
    this.#passing -= size
    if (!this.#isContent) return size
    this.#handler.content(piece.subarray(offset, offset + size))
    if (this.#passing === 0) this.#handler.fileEnd()
    return size
  }

  /** Reads one item that lies wholly in `piece`, or keeps the beginning of one that does not. */
  #takeItem(piece: Uint8Array, offset: number): number {
    const available = piece.length - offset
    const size = available < HEADER_SIZE ? HEADER_SIZE : this.#sizeWanted(piece, offset)
    if (available >= size) {
      this.#item(piece.subarray(offset, offset + size))
      return size
    }
    this.#carryNeed = size
    this.#append(piece.subarray(offset))
    return available
  }

  #fillCarry(piece: Uint8Array, offset: number): number {
    const part = piece.subarray(offset, offset + this.#carryNeed - this.#carrySize)
    this.#append(part)
    if (this.#carrySize < this.#carryNeed) return part.length
    const size = this.#sizeWanted(this.#carry, 0)
    if (this.#carrySize < size) {
      this.#carryNeed = size
      return part.length
    }
    this.#carrySize = 0
    this.#item(this.#carry.subarray(0, size))
    return part.length
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#carrySize + bytes.length
    if (needed > this.#carry.length) {
      const larger = Buffer.alloc(Math.max(needed, this.#carry.length * 2))
      larger.set(this.#carry.subarray(0, this.#carrySize))
      this.#carry = larger
    }
    this.#carry.set(bytes, this.#carrySize)
    this.#carrySize = needed
  }

  /** Bytes of the item at `offset` that are to be held at once: all, unless content only passes. */
  #sizeWanted(bytes: Uint8Array, offset: number): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, HEADER_SIZE)
    const type = findItemType(view.getUint32(0, true), view.getUint32(4, true))
    if (type === null || !isExpected(this.#state, type)) throw this.#unexpected(view, type)
    const contentSize = checkedContentSize(view, 0, type)
    if (type === PAYLOAD || type === GOODBYE) return HEADER_SIZE
    if (type === PRELUDE && contentSize > PRELUDE_SIZE_MAX) {
      throw errors.PXAR_INVALID({ text: `prelude too large (${contentSize})` })
    }
    return HEADER_SIZE + contentSize
  }

  #item(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_SIZE)
    const type = findItemType(view.getUint32(0, true), view.getUint32(4, true)) as ItemType
    const content = bytes.subarray(HEADER_SIZE)
    switch (this.#state) {
      case 'begin':
      case 'after-version':
      case 'after-prelude':
        return this.#beginItem(type, content)
      case 'attributes':
        return this.#attributeItem(type, content, checkedContentSize(view, 0, type))
      case 'child':
        return this.#childItem(type, content, checkedContentSize(view, 0, type))
      case 'node':
        return this.#nodeItem(type, content)
      case 'done':
        return
      default:
        this.#state satisfies never
    }
  }

  #beginItem(type: ItemType, content: Uint8Array): void {
    if (type === FORMAT_VERSION) {
      this.#isSplit = parseVersion(content) === 2
      this.#state = 'after-version'
    } else if (type === PRELUDE) {
      this.#handler.prelude?.(Buffer.from(content))
      this.#state = 'after-prelude'
    } else {
      this.#node.start(this.#name, type, content)
      this.#state = 'attributes'
    }
  }

  #attributeItem(type: ItemType, content: Uint8Array, contentSize: number): void {
    if (this.#node.attribute(type, content)) return
    if (type === FILENAME || type === GOODBYE) {
      this.#begin(this.#node.finishWithout())
      return this.#childItem(type, content, contentSize)
    }
    const entry = this.#node.finishWith(type, content, contentSize)
    if (entry === null) throw errors.PXAR_INVALID({ text: `unexpected entry type: ${type.name}` })
    this.#begin(entry)
    if (type === PAYLOAD) this.#startPassing(contentSize, true)
  }

  #begin(entry: TreeEntry): void {
    if (this.#depth === 0 && entry.kind !== 'directory') {
      throw errors.PXAR_INVALID({ text: `unexpected entry kind ${entry.kind}` })
    }
    if (entry.kind === 'file') this.#checkContentKind(entry.reference !== null)
    if (entry.kind === 'directory') this.#depth++
    if (this.#depth > DEPTH_MAX) {
      throw errors.PXAR_INVALID({ text: `directories nested too deep (> ${DEPTH_MAX})` })
    }
    this.#handler.entry(entry)
    this.#state = 'child'
  }

  #checkContentKind(isReference: boolean): void {
    if (isReference === this.#isSplit) return
    const text = isReference ? 'payload reference in unified archive' : 'payload in split archive'
    throw errors.PXAR_INVALID({ text })
  }

  #childItem(type: ItemType, content: Uint8Array, contentSize: number): void {
    if (type === FILENAME) {
      this.#name = parseFilename(content)
      this.#state = 'node'
      return
    }
    this.#depth--
    if (this.#depth === 0) this.#state = 'done'
    this.#startPassing(contentSize, false)
    this.#handler.leaveDirectory()
  }

  #nodeItem(type: ItemType, content: Uint8Array): void {
    if (type === HARDLINK) {
      this.#handler.entry(parseHardlink(this.#name, content))
      this.#state = 'child'
    } else {
      this.#node.start(this.#name, type, content)
      this.#state = 'attributes'
    }
  }

  #startPassing(size: number, isContent: boolean): void {
    this.#passing = size
    this.#isContent = isContent
    if (isContent && size === 0) this.#handler.fileEnd()
  }

  #unexpected(view: DataView, type: ItemType | null): Error {
    const label = describeType(view.getUint32(0, true), view.getUint32(4, true))
    return errors.PXAR_INVALID({ text: unexpectedText(this.#state, type, label) })
  }
}

/** Whether `type` may come in `state`; a bad content item among attributes is found by the node. */
function isExpected(state: State, type: ItemType): boolean {
  switch (state) {
    case 'begin':
      return type === ENTRY || type === ENTRY_V1 || type === FORMAT_VERSION
    case 'after-version':
      return type === ENTRY || type === ENTRY_V1 || type === PRELUDE
    case 'after-prelude':
      return type === ENTRY || type === ENTRY_V1
    case 'node':
      return type === ENTRY || type === ENTRY_V1 || type === HARDLINK
    case 'child':
      return type === FILENAME || type === GOODBYE
    case 'attributes':
      return !NEVER_IN_NODE.has(type)
    default:
      return true
  }
}

const NEVER_IN_NODE: ReadonlySet<ItemType> = new Set([
  FORMAT_VERSION,
  PRELUDE,
  ENTRY,
  ENTRY_V1,
  HARDLINK,
])

function unexpectedText(state: State, type: ItemType | null, label: string): string {
  if (state === 'child') {
    return `expected filename or directory-goodbye pxar entry, got: ${label}`
  }
  if (state === 'attributes') {
    if (type === HARDLINK) return 'encountered unexpected hardlink entry'
    return `unexpected entry type: ${label}`
  }
  if (state === 'after-version') {
    return `expected directory or prelude entry, got entry kind ${label}`
  }
  if (type === FORMAT_VERSION || type === PRELUDE) {
    return 'Got format version entry at unexpected position'
  }
  return `expected pxar entry of type 'Entry', got: ${label}`
}

/** The format version in `content`: 1 or 2. Errors: PXAR_INVALID. */
export function parseVersion(content: Uint8Array): 1 | 2 {
  if (content.length !== 8) {
    throw errors.PXAR_INVALID({ text: `bad format version size: ${content.length} (expected 8)` })
  }
  const version = new DataView(content.buffer, content.byteOffset, 8).getBigUint64(0, true)
  if (version === 1n) return 1
  if (version === 2n) return 2
  throw errors.PXAR_INVALID({ text: `unknown format version ${version}` })
}

/** Pushes all of `source` through a decoder. Errors: PXAR_INVALID, PXAR_TRUNCATED, the handler's. */
export async function decodeArchive(
  source: AsyncIterable<Uint8Array>,
  handler: PxarHandler,
): Promise<void> {
  const decoder = new PxarDecoder(handler)
  for await (const piece of source) decoder.push(piece)
  decoder.end()
}
