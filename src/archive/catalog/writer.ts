/** A snapshot's whole catalog: the trees of its archives below one root table (formats.md 8). */
import { assert } from '../../base/assert.ts'
import { ByteWriter } from '../../base/bytes.ts'
import { CATALOG_MAGIC, catalogCode, writeVarint } from './format.ts'
import type { CatalogTree } from './tree-writer.ts'

interface ArchiveEntry {
  readonly name: Uint8Array
  readonly offset: number
}

/** Gives the bytes of a catalog in order: `start`, the tables of each tree, `finish`. */
export class CatalogWriter {
  readonly #archives: ArchiveEntry[] = []
  #position = CATALOG_MAGIC.length
  #treeStart = 0

  /** The first bytes. */
  start(): Uint8Array {
    return CATALOG_MAGIC.slice()
  }

  /** The tables of the next tree begin here. */
  startArchive(): void {
    this.#treeStart = this.#position
  }

  /** Counts tables of the tree, which the caller puts into the stream. */
  addTables(bytes: Uint8Array): void {
    this.#position += bytes.length
  }

  /** The tree is complete; `name` is the archive's name on the server, e.g. `root.pxar.didx`. */
  endArchive(name: Uint8Array, tree: CatalogTree): void {
    assert(this.#treeStart + tree.size === this.#position, 'all tables of the tree were added')
    this.#archives.push({ name, offset: this.#treeStart + tree.topOffset })
  }

  /** The root table and the end. */
  finish(): Uint8Array {
    const body = new ByteWriter()
    writeVarint(body, this.#archives.length)
    for (const { name, offset } of this.#archives) {
      body.u8(catalogCode('directory'))
      writeVarint(body, name.length)
      body.bytes(name)
      writeVarint(body, this.#position - offset)
    }
    const rest = body.finish()
    const out = new ByteWriter()
    writeVarint(out, rest.length)
    return out.bytes(rest).u64le(this.#position).finish()
  }
}
