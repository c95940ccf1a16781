/** The catalog of a snapshot as a byte stream that grows while its trees are walked. */
import type { CatalogTree } from '../../archive/catalog/tree-writer.ts'
import { CatalogWriter } from '../../archive/catalog/writer.ts'
import { assert } from '../../base/assert.ts'
import { BoundedQueue } from '../../base/async/bounded-queue.ts'

/** Batches of about 128 KiB that wait for the upload. */
const BATCHES_MAX = 16

/** What a walk writes to; one archive at a time. */
export interface CatalogSink {
  /** The next archive begins; `name` is its name on the server, e.g. `root.pxar.didx`. */
  startArchive(name: string): void
  /** Tables of its tree, which become the catalog's; waits while the upload is behind. */
  addTables(bytes: Uint8Array): Promise<void>
  /** Its tree is complete. */
  endTree(tree: CatalogTree): void
  endArchive(): void
}

export interface OpenCatalog {
  readonly writer: CatalogSink
  /** Must be consumed while the trees are walked: they wait for it. */
  readonly stream: AsyncIterable<Uint8Array>
  /** After the last archive: the stream ends. */
  finish(): void
  /** The stream fails with `error`. */
  abort(error?: unknown): void
}

/** An empty catalog. */
export function openCatalog(): OpenCatalog {
  const queue = new BoundedQueue<Uint8Array>(BATCHES_MAX)
  const catalog = new CatalogWriter()
  let name: string | null = null
  let tree: CatalogTree | null = null
  put(catalog.start())

  const writer: CatalogSink = {
    startArchive(archiveName) {
      assert(name === null, 'the archive before is ended')
      name = archiveName
      tree = null
      catalog.startArchive()
    },
    async addTables(bytes) {
      catalog.addTables(bytes)
      await queue.push(bytes)
    },
    endTree(archiveTree) {
      tree = archiveTree
    },
    endArchive() {
      assert(name !== null && tree !== null, 'an archive with a complete tree is open')
      catalog.endArchive(Buffer.from(name), tree)
      name = null
    },
  }
  return {
    writer,
    stream: queue,
    finish() {
      put(catalog.finish())
      queue.end()
    },
    abort: (error = new Error('catalog given up')) => queue.fail(error),
  }

  /** Without waiting: only the few bytes at the beginning and the end. */
  function put(bytes: Uint8Array): void {
    queue.push(bytes).catch(() => {})
  }
}
