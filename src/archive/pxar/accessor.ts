/**
 * Random access to pxar archives through their GOODBYE tables (pxar.md 10), unified and split.
 *
 * Ranges shrink strictly on the way down (a child lies inside its directory, before the GOODBYE), so
 * no damaged archive leads round in a circle.
 */
import { errors } from '../errors.ts'
import type { RandomReader } from '../random-reader.ts'
import type { DirectoryEntry, FileEntry, TreeEntry } from '../tree-entry.ts'
import { parseVersion } from './decoder.ts'
import {
  ENTRY,
  ENTRY_V1,
  FILENAME,
  FORMAT_VERSION,
  GOODBYE,
  GOODBYE_RECORD_SIZE,
  GOODBYE_TAIL_HIGH,
  GOODBYE_TAIL_LOW,
  HARDLINK,
  HEADER_SIZE,
  PAYLOAD,
  PRELUDE,
} from './format.ts'
import { findRecords, readRecord } from './goodbye-table.ts'
import { ItemCursor } from './item-cursor.ts'
import { NodeBuilder, parseFilename, parseHardlink } from './node-builder.ts'

/** Largest table held at a time: a directory of 2.8 million entries. */
const TABLE_SIZE_MAX = 64 * 1024 * 1024
/** File content is read in parts of this size. */
const CONTENT_PART_SIZE = 1024 * 1024

/** One entry and where it lies. */
export interface ArchiveNode<Entry extends TreeEntry = TreeEntry> {
  readonly entry: Entry
  /** Position of its FILENAME item; 0 for the root. */
  readonly position: number
  /** End of its range as its directory records it. */
  readonly end: number
  /** Unified archive: where the content of a file starts; else null. */
  readonly contentStart: number | null
}

/** The table of one directory. */
export interface ArchiveFolder {
  readonly node: ArchiveNode<DirectoryEntry>
  /** Position of the ENTRY item (root: 0) and of the GOODBYE item; children lie between. */
  readonly start: number
  readonly goodbyeStart: number
  readonly table: Uint8Array
  /** Number of children. */
  readonly count: number
}

/** An archive that is open. Methods throw PXAR_INVALID or PXAR_TRUNCATED for what breaks the rules. */
export class PxarAccessor {
  readonly #archive: RandomReader
  readonly #payload: RandomReader | null

  constructor(archive: RandomReader, payload: RandomReader | null = null) {
    this.#archive = archive
    this.#payload = payload
  }

  /** The root's table. */
  async openRoot(): Promise<ArchiveFolder> {
    const { size } = this.#archive
    if (size < GOODBYE_RECORD_SIZE) throw invalid('too small to contain a pxar archive')
    const root = await this.#readTable(size)
    if (root.start !== 0) throw invalid('archive does not start at position 0')
    const cursor = new ItemCursor(this.#archive, { start: 0, end: root.goodbyeStart })
    await skipPreamble(cursor)
    const node = await this.#readNode(cursor, Buffer.alloc(0), { position: 0, end: size })
    if (!isDirectory(node)) throw invalid(`unexpected entry kind ${node.entry.kind}`)
    return { ...root, node }
  }

  /** The table of a directory below the root. */
  async openFolder(node: ArchiveNode<DirectoryEntry>): Promise<ArchiveFolder> {
    const folder = await this.#readTable(node.end)
    if (folder.start <= node.position) throw invalid('goodbye offset out of range')
    return { ...folder, node }
  }

  /** The children of `folder` in the order of its table, which is not that of names. */
  async *list(folder: ArchiveFolder): AsyncGenerator<ArchiveNode> {
    for (let index = 0; index < folder.count; index++) yield await this.#readChild(folder, index)
  }

  /** The child called `name`, or null. */
  async find(folder: ArchiveFolder, name: Buffer): Promise<ArchiveNode | null> {
    for (const index of findRecords(folder.table, folder.count, name)) {
      const child = await this.#readChild(folder, index)
      if (child.entry.name.equals(name)) return child
    }
    return null
  }

  /** The entry at `path` from the root, or null. Errors: also ARCHIVE_PATH_UNKNOWN for `..`. */
  async lookup(path: Buffer): Promise<ArchiveNode | null> {
    let folder = await this.openRoot()
    let node: ArchiveNode = folder.node
    for (const component of path.toString('latin1').split('/')) {
      if (component === '' || component === '.') continue
      if (component === '..') {
        throw errors.ARCHIVE_PATH_UNKNOWN({ text: 'cannot enter parent directory in archive' })
      }
      if (!isDirectory(node)) return null
      if (node !== folder.node) folder = await this.openFolder(node)
      const child = await this.find(folder, Buffer.from(component, 'latin1'))
      if (child === null) return null
      node = child
    }
    return node
  }

  /** The regular file that the hard link `node` is another name of. */
  async followHardlink(node: ArchiveNode): Promise<ArchiveNode<FileEntry>> {
    if (node.entry.kind !== 'hardlink') throw invalid('not a hardlink')
    const position = node.position - node.entry.back
    if (position < 0 || node.entry.back === 0) throw invalid('invalid offset in hardlink')
    const target = await this.#readAt(position, node.position)
    if (!isFile(target)) throw invalid('hardlink does not point to a regular file')
    return target
  }

  /** Content of a file from `start` up to `end` (default: all) in parts of at most 1 MiB. */
  async *read(
    node: ArchiveNode<FileEntry>,
    range: { readonly start?: number; readonly end?: number } = {},
  ): AsyncGenerator<Uint8Array> {
    const { start = 0, end = node.entry.size } = range
    const { reader, offset } = await this.#contentOf(node)
    const last = Math.min(end, node.entry.size)
    for (let at = start; at < last; at += CONTENT_PART_SIZE) {
      yield await reader.read(offset + at, Math.min(CONTENT_PART_SIZE, last - at))
    }
  }

  async #contentOf(
    node: ArchiveNode<FileEntry>,
  ): Promise<{ readonly reader: RandomReader; readonly offset: number }> {
    const { reference, size } = node.entry
    if (reference === null) {
      const offset = node.contentStart ?? 0
      if (offset + size > this.#archive.size) throw invalid('out of range access for payload')
      return { reader: this.#archive, offset }
    }
    const payload = this.#payload
    if (payload === null) throw invalid('Payload input required for split pxar archives')
    const offset = reference.offset + HEADER_SIZE
    if (offset + size > payload.size) throw invalid('out of range access for payload')
    const cursor = new ItemCursor(payload, { start: reference.offset, end: payload.size })
    const { type, label, contentSize } = await cursor.peek()
    if (type !== PAYLOAD) throw invalid(`unexpected header: expected PAYLOAD, got: ${label}`)
    if (contentSize !== size) {
      const text = `encountered size mismatch: expected ${contentSize}, got ${size}`
      throw invalid(text)
    }
    return { reader: payload, offset }
  }

  async #readTable(end: number): Promise<Omit<ArchiveFolder, 'node'>> {
    if (end < GOODBYE_RECORD_SIZE || end > this.#archive.size) throw noTail()
    const tail = await this.#archive.read(end - GOODBYE_RECORD_SIZE, GOODBYE_RECORD_SIZE)
    const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
    const isTail =
      view.getUint32(0, true) === GOODBYE_TAIL_LOW && view.getUint32(4, true) === GOODBYE_TAIL_HIGH
    if (!isTail) throw noTail()
    const record = readRecord(tail, 0)
    const goodbyeStart = end - record.size
    if (goodbyeStart < 0) throw invalid('goodbye tail size out of range')
    const start = goodbyeStart - record.offset
    if (start < 0) throw invalid('goodbye offset out of range')
    const tableSize = record.size - HEADER_SIZE
    if (tableSize < GOODBYE_RECORD_SIZE || tableSize % GOODBYE_RECORD_SIZE !== 0) {
      throw invalid(`invalid goodbye table size: ${tableSize}`)
    }
    if (tableSize > TABLE_SIZE_MAX) throw invalid(`goodbye table too large: ${tableSize}`)
    const header = await new ItemCursor(this.#archive, { start: goodbyeStart, end }).peek()
    if (header.type !== GOODBYE || header.contentSize !== tableSize) {
      throw invalid(`expected GOODBYE header, found: ${header.label}`)
    }
    const size = tableSize - GOODBYE_RECORD_SIZE
    const table = await this.#archive.read(goodbyeStart + HEADER_SIZE, size)
    return { start, goodbyeStart, table, count: size / GOODBYE_RECORD_SIZE }
  }

  async #readChild(folder: ArchiveFolder, index: number): Promise<ArchiveNode> {
    const { offset, size } = readRecord(folder.table, index)
    const position = folder.goodbyeStart - offset
    if (position <= folder.start || offset <= 0) throw invalid('invalid file offset')
    const node = await this.#readAt(position, folder.goodbyeStart, position + size)
    if (isDirectory(node) && node.end > folder.goodbyeStart) throw invalid('invalid directory size')
    return node
  }

  /** The named node whose FILENAME starts at `position`, reading nothing at or after `limit`. */
  async #readAt(position: number, limit: number, end: number = limit): Promise<ArchiveNode> {
    // A file of a split archive may be recorded with its content, which lies elsewhere (pxar.md 6.2).
    const range = { start: position, end: Math.min(limit, end) }
    const cursor = new ItemCursor(this.#archive, range)
    const item = await cursor.peek()
    if (item.type !== FILENAME) throw invalid(`expected PXAR_FILENAME header, found: ${item.label}`)
    const name = parseFilename(await cursor.content(item))
    cursor.skip(item)
    return await this.#readNode(cursor, name, { position, end })
  }

  async #readNode(
    cursor: ItemCursor,
    name: Buffer,
    place: { readonly position: number; readonly end: number },
  ): Promise<ArchiveNode> {
    const first = await cursor.peek()
    const { type } = first
    if (type === HARDLINK) {
      const entry = parseHardlink(name, await cursor.content(first))
      return { entry, ...place, contentStart: null }
    }
    if (type !== ENTRY && type !== ENTRY_V1) {
      throw invalid(`expected pxar entry of type 'Entry', got: ${first.label}`)
    }
    const node = new NodeBuilder()
    node.start(name, type, await cursor.content(first))
    cursor.skip(first)
    while (!cursor.isAtEnd) {
      const item = await cursor.peek()
      if (item.type === null) throw invalid(`unexpected entry type: ${item.label}`)
      if (item.type === FILENAME || item.type === GOODBYE) break
      const content = item.type === PAYLOAD ? NO_CONTENT : await cursor.content(item)
      if (!node.attribute(item.type, content)) {
        const entry = node.finishWith(item.type, content, item.contentSize)
        if (entry === null) throw invalid(`unexpected entry type: ${item.label}`)
        return { entry, ...place, contentStart: item.type === PAYLOAD ? item.contentStart : null }
      }
      cursor.skip(item)
    }
    return { entry: node.finishWithout(), ...place, contentStart: null }
  }
}

const NO_CONTENT = new Uint8Array(0)

export function isDirectory(node: ArchiveNode): node is ArchiveNode<DirectoryEntry> {
  return node.entry.kind === 'directory'
}

export function isFile(node: ArchiveNode): node is ArchiveNode<FileEntry> {
  return node.entry.kind === 'file'
}

/** Goes behind FORMAT_VERSION and PRELUDE at the start of a split archive. */
async function skipPreamble(cursor: ItemCursor): Promise<void> {
  const version = await cursor.peek()
  if (version.type !== FORMAT_VERSION) return
  parseVersion(await cursor.content(version))
  cursor.skip(version)
  const prelude = await cursor.peek()
  if (prelude.type === PRELUDE) cursor.skip(prelude)
}

function noTail(): Error {
  return invalid('no goodbye tail marker found')
}

function invalid(text: string): Error {
  return errors.PXAR_INVALID({ text })
}
