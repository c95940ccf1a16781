/** Reads catalogs table by table over positional reads (formats.md 8). */
import { readU64le } from '../../base/bytes.ts'
import { errors } from '../errors.ts'
import type { RandomReader } from '../random-reader.ts'
import {
  CATALOG_MAGIC,
  CATALOG_NAME_SIZE_END,
  CATALOG_TAIL_SIZE,
  type CatalogLeafKind,
  parseCatalogCode,
  readSignedVarint,
  readVarint,
  VARINT_SIZE_MAX,
} from './format.ts'

/** Largest table read: a directory of some millions of entries. */
const TABLE_SIZE_MAX = 256 * 1024 * 1024

/** Name bytes as stored. */
interface Named {
  readonly name: Buffer
}

export interface CatalogDirectory extends Named {
  readonly kind: 'directory'
  /** Where its table starts. */
  readonly offset: number
}

export interface CatalogFile extends Named {
  readonly kind: 'file'
  readonly size: number
  readonly mtimeSec: number
}

export interface CatalogLeaf extends Named {
  readonly kind: CatalogLeafKind
}

export type CatalogEntry = CatalogDirectory | CatalogFile | CatalogLeaf

/** One catalog; tables are read when they are listed and nothing is kept. */
export class CatalogReader {
  readonly #source: RandomReader

  constructor(source: RandomReader) {
    this.#source = source
  }

  /** The root, whose entries are the snapshot's archives. Errors: CATALOG_INVALID. */
  async root(): Promise<CatalogDirectory> {
    const { size } = this.#source
    const sizeMin = CATALOG_MAGIC.length + CATALOG_TAIL_SIZE
    if (size < sizeMin) throw invalid(`catalog too small (${size} < ${sizeMin})`)
    const magic = await this.#source.read(0, CATALOG_MAGIC.length)
    if (!CATALOG_MAGIC.every((byte, index) => magic[index] === byte)) {
      throw invalid('got unexpected magic number for catalog')
    }
    const tail = await this.#source.read(size - CATALOG_TAIL_SIZE, CATALOG_TAIL_SIZE)
    return { kind: 'directory', name: Buffer.alloc(0), offset: parseStart(tail, size) }
  }

  /** The entries of `directory` in archive order. Errors: CATALOG_INVALID. */
  async *list(directory: CatalogDirectory): AsyncGenerator<CatalogEntry> {
    const { offset } = directory
    const table = await this.#readTable(offset)
    let { value: count, end: at } = readVarint(table, 0)
    for (; count > 0; count--) {
      const parsed = parseEntry(table, at, offset)
      yield parsed.entry
      at = parsed.end
    }
    if (at !== table.length) throw invalid('unable to parse whole catalog data block')
  }

  /** The entry at `path` (`/archive.pxar.didx/dir/file`), or null. Errors: CATALOG_INVALID. */
  async find(path: Buffer): Promise<CatalogEntry | null> {
    let entry: CatalogEntry = await this.root()
    for (const component of splitPath(path)) {
      if (entry.kind !== 'directory') return null
      const child = await this.#findChild(entry, component)
      if (child === null) return null
      entry = child
    }
    return entry
  }

  /** As find. Errors: ARCHIVE_PATH_UNKNOWN, CATALOG_INVALID. */
  async lookup(path: Buffer): Promise<CatalogEntry> {
    const entry = await this.find(path)
    if (entry !== null) return entry
    const text = `path ${JSON.stringify(path.toString())} not found in catalog`
    throw errors.ARCHIVE_PATH_UNKNOWN({ text })
  }

  async #findChild(directory: CatalogDirectory, name: Buffer): Promise<CatalogEntry | null> {
    for await (const entry of this.list(directory)) {
      if (entry.name.equals(name)) return entry
    }
    return null
  }

  async #readTable(offset: number): Promise<Uint8Array> {
    const end = this.#source.size - CATALOG_TAIL_SIZE
    if (offset < CATALOG_MAGIC.length || offset >= end) throw invalid('table offset out of range')
    const head = await this.#source.read(offset, Math.min(VARINT_SIZE_MAX, end - offset))
    const { value: size, end: headSize } = readVarint(head, 0)
    if (size < 1) throw invalid(`got small directory size ${size}`)
    if (size > end - offset - headSize) throw invalid('directory table ends after the catalog')
    if (size > TABLE_SIZE_MAX) throw invalid(`directory table too large (${size})`)
    return await this.#source.read(offset + headSize, size)
  }
}

function parseStart(tail: Uint8Array, size: number): number {
  try {
    const start = readU64le(tail, 0)
    if (start >= CATALOG_MAGIC.length && start < size - CATALOG_TAIL_SIZE) return start
  } catch {
    // A number above 2^53 is out of range as well.
  }
  throw invalid('root table offset out of range')
}

function parseEntry(
  table: Uint8Array,
  start: number,
  tableOffset: number,
): { entry: CatalogEntry; end: number } {
  const code = table[start]
  if (code === undefined) throw invalid('catalog data block ends inside an entry')
  const kind = parseCatalogCode(code)
  const { value: nameSize, end: nameStart } = readVarint(table, start + 1)
  if (nameSize >= CATALOG_NAME_SIZE_END) {
    throw invalid(`directory entry name too long (${nameSize} >= ${CATALOG_NAME_SIZE_END})`)
  }
  const nameEnd = nameStart + nameSize
  if (nameEnd > table.length) throw invalid('catalog data block ends inside an entry')
  const name = Buffer.from(table.subarray(nameStart, nameEnd))
  if (kind === 'file') {
    const size = readVarint(table, nameEnd)
    const mtime = readSignedVarint(table, size.end)
    return { entry: { kind, name, size: size.value, mtimeSec: mtime.value }, end: mtime.end }
  }
  if (kind !== 'directory') return { entry: { kind, name }, end: nameEnd }
  const { value: distance, end } = readVarint(table, nameEnd)
  // A distance of zero would make a directory its own child.
  if (distance > tableOffset || distance === 0) {
    throw invalid(`got wrong directory offset (${distance} > ${tableOffset})`)
  }
  return { entry: { kind, name, offset: tableOffset - distance }, end }
}

function splitPath(path: Buffer): Buffer[] {
  return path
    .toString('latin1')
    .split('/')
    .filter((component) => component !== '')
    .map((component) => Buffer.from(component, 'latin1'))
}

function invalid(text: string): Error {
  return errors.CATALOG_INVALID({ text })
}
