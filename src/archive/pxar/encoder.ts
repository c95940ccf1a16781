/**
 * Writes pxar archives, unified (format version 1) or split (2), item by item (pxar.md 7 and 8).
 * Memory: one piece per stream and 32 bytes per child of the directories that are open.
 */
import { assert } from '../../base/assert.ts'
import { errors } from '../errors.ts'
import type { EntryMetadata } from '../tree-entry.ts'
import {
  checkName,
  DEVICE,
  FILENAME,
  FORMAT_VERSION,
  HARDLINK,
  PAYLOAD,
  PAYLOAD_REF,
  PAYLOAD_START_MARKER,
  PAYLOAD_TAIL_MARKER,
  PRELUDE,
  SYMLINK,
} from './format.ts'
import { GoodbyeTable } from './goodbye-table.ts'
import { writeMetadata } from './metadata.ts'
import type { PieceWriter } from './piece-writer.ts'

export interface EncoderOptions {
  /** The archive stream; of a split archive the metadata stream. */
  readonly archive: PieceWriter
  /** Given for a split archive: the payload stream. */
  readonly payload?: PieceWriter
  /** Split archives only: opaque bytes before the root (pxar.md 4.2). */
  readonly prelude?: Uint8Array | undefined
}

interface Level {
  readonly name: Uint8Array
  /** Position of the directory's FILENAME item; of the root: 0. */
  readonly start: number
  /** What the tail record points to: the ENTRY item; of the root: 0. */
  readonly entryStart: number
  readonly table: GoodbyeTable
}

/**
 * Calls in archive order: `startRoot`, children, `finish`. Children must come in ascending byte order
 * of their names, which is not checked. After `addFile` exactly `size` bytes go into `content`.
 */
export class PxarEncoder {
  readonly #archive: PieceWriter
  readonly #payload: PieceWriter | null
  readonly #levels: Level[] = []
  #contentEnd = 0

  constructor({ archive, payload, prelude }: EncoderOptions) {
    this.#archive = archive
    this.#payload = payload ?? null
    if (payload === undefined) return
    archive.item(FORMAT_VERSION, 8)
    archive.u64(2)
    if (prelude !== undefined) {
      archive.header(PRELUDE, prelude.length)
      archive.copy(prelude)
    }
    payload.header(PAYLOAD_START_MARKER, 0)
    this.#contentEnd = payload.position
  }

  /** Where the content of the file added last is to be written. */
  get content(): PieceWriter {
    return this.#payload ?? this.#archive
  }

  startRoot(metadata: EntryMetadata): void {
    assert(this.#levels.length === 0, 'an archive has one root')
    writeMetadata(this.#archive, metadata)
    const table = new GoodbyeTable()
    this.#levels.push({ name: new Uint8Array(0), start: 0, entryStart: 0, table })
    this.#settleContent()
  }

  startDirectory(name: Uint8Array, metadata: EntryMetadata): void {
    const start = this.#filename(name)
    const entryStart = this.#archive.position
    writeMetadata(this.#archive, metadata)
    this.#levels.push({ name, start, entryStart, table: new GoodbyeTable() })
    this.#settleContent()
  }

  /** Ends the directory started last. */
  endDirectory(): void {
    this.#checkContent()
    const level = this.#levels.pop()
    assert(level !== undefined && this.#levels.length > 0, 'a directory below the root is open')
    level.table.write(this.#archive, level.entryStart)
    this.#record(level.name, level.start, 0)
    this.#settleContent()
  }

  /** Adds a regular file whose `size` bytes of content follow; returns its position for hard links. */
  addFile(name: Uint8Array, metadata: EntryMetadata, size: number): number {
    const start = this.#filename(name)
    writeMetadata(this.#archive, metadata)
    if (this.#payload !== null) this.#reference(this.#payload.position, size)
    this.content.header(PAYLOAD, size)
    // Stock counts the content in either format, although a split one has it in the other stream.
    this.#record(name, start, size)
    this.#contentEnd = this.content.position + size
    return start
  }

  /** Split only: adds a file whose content is already at `offset` of the payload stream. */
  addReference(
    name: Uint8Array,
    metadata: EntryMetadata,
    { offset, size }: { readonly offset: number; readonly size: number },
  ): number {
    assert(this.#payload !== null, 'only a split archive has references')
    const start = this.#filename(name)
    writeMetadata(this.#archive, metadata)
    this.#reference(offset, size)
    this.#record(name, start, 0)
    return start
  }

  addSymlink(name: Uint8Array, metadata: EntryMetadata, target: Uint8Array): void {
    const start = this.#filename(name)
    writeMetadata(this.#archive, metadata)
    checkSize('symlink target', target.length + 1, SYMLINK.sizeMax)
    this.#archive.item(SYMLINK, target.length + 1)
    this.#archive.bytes(target)
    this.#archive.u8(0)
    this.#end(name, start)
  }

  /** Adds a block or character device, as the mode says. */
  addDevice(
    name: Uint8Array,
    metadata: EntryMetadata,
    { major, minor }: { readonly major: number; readonly minor: number },
  ): void {
    const start = this.#filename(name)
    writeMetadata(this.#archive, metadata)
    this.#archive.item(DEVICE, 16)
    this.#archive.u64(major)
    this.#archive.u64(minor)
    this.#end(name, start)
  }

  /** Adds a FIFO or socket, as the mode says. */
  addSpecial(name: Uint8Array, metadata: EntryMetadata): void {
    const start = this.#filename(name)
    writeMetadata(this.#archive, metadata)
    this.#end(name, start)
  }

  /** Adds a link to the file at `position` (as `addFile` returned it) whose path from the root is `path`. */
  addHardlink(
    name: Uint8Array,
    { path, position }: { readonly path: Uint8Array; readonly position: number },
  ): void {
    const start = this.#filename(name)
    const contentSize = 8 + path.length + 1
    checkSize('hard link target', contentSize, HARDLINK.sizeMax)
    this.#archive.item(HARDLINK, contentSize)
    this.#archive.u64(start - position)
    this.#archive.bytes(path)
    this.#archive.u8(0)
    this.#end(name, start)
  }

  /** Ends the root and hands over what is left of the streams. */
  finish(): void {
    this.#checkContent()
    const root = this.#levels.pop()
    assert(root !== undefined && this.#levels.length === 0, 'only the root is open')
    root.table.write(this.#archive, 0)
    this.#archive.flush()
    if (this.#payload === null) return
    this.#payload.header(PAYLOAD_TAIL_MARKER, 0)
    this.#payload.flush()
  }

  #filename(name: Uint8Array): number {
    this.#checkContent()
    checkName(name)
    const start = this.#archive.position
    this.#archive.item(FILENAME, name.length + 1)
    this.#archive.bytes(name)
    this.#archive.u8(0)
    return start
  }

  #reference(offset: number, size: number): void {
    this.#archive.item(PAYLOAD_REF, 16)
    this.#archive.u64(offset)
    this.#archive.u64(size)
  }

  #end(name: Uint8Array, start: number): void {
    this.#record(name, start, 0)
    this.#settleContent()
  }

  #record(name: Uint8Array, start: number, extraSize: number): void {
    const level = this.#levels.at(-1)
    assert(level !== undefined, 'a directory is open')
    level.table.add(name, start, this.#archive.position - start + extraSize)
  }

  #settleContent(): void {
    this.#contentEnd = this.content.position
  }

  #checkContent(): void {
    assert(this.content.position === this.#contentEnd, 'a file has exactly the content announced')
  }
}

function checkSize(what: string, size: number, sizeMax: number): void {
  if (size <= sizeMax) return
  const text = `Cannot store ${what}: ${size} bytes, at most ${sizeMax} fit`
  throw errors.PXAR_UNSTORABLE({ text })
}
