/**
 * The catalog tables of one archive's tree. Distances are relative, so the tables of a tree that is
 * walked in another thread can be put into the catalog of a snapshot as they are.
 */
import { assert } from '../../base/assert.ts'
import { ByteWriter } from '../../base/bytes.ts'
import { type CatalogLeafKind, catalogCode, writeSignedVarint, writeVarint } from './format.ts'

/** An entry's bytes, except that a directory's distance is known only when its table is written. */
interface Level {
  readonly name: Uint8Array
  readonly entries: ByteWriter
  /** Pairs: position in `entries` where a distance belongs, position of the child's table. */
  readonly children: number[]
  count: number
}

export interface CatalogTree {
  /** Bytes of all tables together. */
  readonly size: number
  /** Where the top directory's table, the last one, starts in them. */
  readonly topOffset: number
}

/** Follows a walk: entries in archive order, `finish` at the end of the root. */
export class CatalogTreeWriter {
  readonly #onBytes: (bytes: Uint8Array) => void
  readonly #levels: Level[] = []
  #position = 0

  /** `onBytes` gets the finished tables in order; they belong to the receiver. */
  constructor(onBytes: (bytes: Uint8Array) => void) {
    this.#onBytes = onBytes
    this.startDirectory(new Uint8Array(0))
  }

  startDirectory(name: Uint8Array): void {
    this.#levels.push({ name, entries: new ByteWriter(), children: [], count: 0 })
  }

  endDirectory(): void {
    assert(this.#levels.length > 1, 'a directory below the top is open')
    const level = this.#levels.pop() as Level
    const offset = this.#writeTable(level)
    const parent = this.#levels.at(-1) as Level
    addName(parent, catalogCode('directory'), level.name)
    parent.children.push(parent.entries.size, offset)
  }

  addFile(name: Uint8Array, file: { readonly size: number; readonly mtimeSec: number }): void {
    const level = this.#levels.at(-1) as Level
    addName(level, catalogCode('file'), name)
    writeVarint(level.entries, file.size)
    writeSignedVarint(level.entries, file.mtimeSec)
  }

  addLeaf(kind: CatalogLeafKind, name: Uint8Array): void {
    addName(this.#levels.at(-1) as Level, catalogCode(kind), name)
  }

  /** Writes the top directory's table. */
  finish(): CatalogTree {
    assert(this.#levels.length === 1, 'only the top is open')
    const topOffset = this.#writeTable(this.#levels.pop() as Level)
    return { size: this.#position, topOffset }
  }

  /** Writes the table of `level` and returns where it starts. */
  #writeTable(level: Level): number {
    const offset = this.#position
    const bytes = encodeTable(level, offset)
    this.#position += bytes.length
    this.#onBytes(bytes)
    return offset
  }
}

function addName(level: Level, code: number, name: Uint8Array): void {
  level.count++
  level.entries.u8(code)
  writeVarint(level.entries, name.length)
  level.entries.bytes(name)
}

function encodeTable({ entries, children, count }: Level, offset: number): Uint8Array {
  const raw = entries.finish()
  const body = new ByteWriter(raw.length + children.length * 5 + 16)
  writeVarint(body, count)
  let copied = 0
  for (let index = 0; index < children.length; index += 2) {
    const at = children[index] as number
    body.bytes(raw.subarray(copied, at))
    writeVarint(body, offset - (children[index + 1] as number))
    copied = at
  }
  body.bytes(raw.subarray(copied))
  const rest = body.finish()
  const table = new ByteWriter(rest.length + 10)
  writeVarint(table, rest.length)
  return table.bytes(rest).finish()
}
