/**
 * Loads the code under test for the simulator. Whatever would wait for a thread, a timer or chance is replaced by a
 * double; module-level state becomes state of a simulated process; a fixed chunk has 8 bytes. Everything else is the
 * real code. Must be imported before anything of `src` is.
 */
import { registerHooks } from 'node:module'
import { fileOf, patchSource, type SourcePatch } from '../support/source-patch.ts'
import './doubles/runtime.ts'

const DOUBLES: Readonly<Record<string, string>> = {
  'node:sqlite': new URL('./bucket/sqlite.ts', import.meta.url).href,
  'node:crypto': new URL('./doubles/crypto.ts', import.meta.url).href,
  'node:timers/promises': new URL('./doubles/timers-promises.ts', import.meta.url).href,
  'node:zlib': new URL('./doubles/zlib.ts', import.meta.url).href,
}

/** The thread of a ledger, and the disk under its file. */
const LEDGER: readonly SourcePatch[] = [
  {
    id: 'thread of a ledger',
    file: 'src/storage/bucket-chunks/sqlite-ledger.ts',
    find: 'new WorkerPool(WORKER_URL, { size: 1 })',
    replace: 'globalThis.cairnSimulator.ledgerThread()',
  },
  {
    id: 'log of a ledger',
    file: 'src/storage/bucket-chunks/ledger-writer.ts',
    find: "import { closeSync, fdatasyncSync, openSync } from 'node:fs'\n",
    replace:
      'const openSync = (path) => globalThis.cairnSimulator.ledgerDisk.openSync(path)\n' +
      'const closeSync = (file) => globalThis.cairnSimulator.ledgerDisk.closeSync(file)\n' +
      'const fdatasyncSync = (file) => globalThis.cairnSimulator.ledgerDisk.fdatasyncSync(file)\n',
  },
  {
    id: 'clearing a ledger in one step',
    file: 'src/storage/bucket-chunks/sqlite-ledger.ts',
    find: 'const FIRST_BYTES = 256',
    replace: 'const FIRST_BYTES = 1',
  },
  {
    id: 'that step is the last one',
    file: 'src/storage/bucket-chunks/ledger-writer.ts',
    find: '    if (firstByte === 255) this.#sync()\n',
    replace: '    if (firstByte === 0) this.#sync()\n',
  },
  {
    id: 'in one transaction',
    file: 'src/storage/bucket-chunks/ledger-writer.ts',
    find: 'second < 256; second',
    replace: 'second < 16; second',
  },
]

/** What a whole process shares. `npm run simulate` would show lies if one were forgotten: a test looks for others. */
export const PROCESS_STATE: readonly SourcePatch[] = [
  {
    id: 'cores of a process',
    file: 'src/datastore/store-core.ts',
    find: 'const cores = new Map<string, StoreCore>()',
    replace: "const cores = globalThis.cairnSimulator.processMap('cores')",
  },
  {
    id: 'process locks of a process',
    file: 'src/base/fs/record-lock.ts',
    find: 'const locks = new Map<string, ProcessLock>()',
    replace: "const locks = globalThis.cairnSimulator.processMap('locks')",
  },
  {
    id: 'places in buckets of a process',
    file: 'src/datastore/bucket/open-bucket.ts',
    find: 'const places = new Set<string>()',
    replace: "const places = globalThis.cairnSimulator.processSet('places')",
  },
  ...LEDGER,
]

const SIZES: readonly SourcePatch[] = [
  {
    id: 'short fixed chunks',
    file: 'src/formats/fixed-index.ts',
    find: 'export const FIXED_CHUNK_SIZE = 4 << 20',
    replace: 'export const FIXED_CHUNK_SIZE = 8',
  },
  {
    id: 'four chunk folders',
    file: 'src/datastore/collection/marks.ts',
    find: 'export const PREFIX_COUNT = 65_536',
    replace: 'export const PREFIX_COUNT = 4',
  },
  {
    id: 'small tables of marks',
    file: 'src/datastore/collection/marks.ts',
    find: 'const BLOCK_BITS = 16',
    replace: 'const BLOCK_BITS = 4',
  },
  {
    id: 'few shards of marks',
    file: 'src/datastore/collection/marks.ts',
    find: 'const SHARD_COUNT = 256\nconst SHARD_BITS = 8\n',
    replace: 'const SHARD_COUNT = 4\nconst SHARD_BITS = 2\n',
  },
  {
    id: 'their hashes',
    file: 'src/datastore/collection/marks.ts',
    find: 'const HASH_RANGE = 2 ** 24',
    replace: 'const HASH_RANGE = 2 ** 30',
  },
  {
    id: 'short headers of indexes',
    file: 'src/formats/archive-index.ts',
    find: 'export const INDEX_HEADER_SIZE = 4096',
    replace: 'export const INDEX_HEADER_SIZE = 128',
  },
  {
    id: 'short pieces of indexes',
    file: 'src/datastore/collection/mark-index.ts',
    find: 'export const PIECE_SIZE = 1 << 20',
    replace: 'export const PIECE_SIZE = 1 << 10',
  },
  {
    id: 'pieces of indexes that fill no page',
    file: 'src/datastore/collection/mark-index.ts',
    find: 'const PAGES_ENTRIES = 512',
    replace: 'const PAGES_ENTRIES = 1',
  },
  {
    id: 'short pieces of kept lists',
    file: 'src/datastore/collection/kept-lists.ts',
    find: 'const HASHED_AT_ONCE = 4 << 20',
    replace: 'const HASHED_AT_ONCE = 16 << 10',
  },
  {
    id: 'small tables of digests',
    file: 'src/formats/digest-table.ts',
    find: 'const CAPACITY_MIN = 16',
    replace: 'const CAPACITY_MIN = 4',
  },
  {
    id: 'short pages and batches',
    file: 'src/storage/object-store.ts',
    find: 'export const KEYS_PER_REQUEST = 1_000',
    replace: 'export const KEYS_PER_REQUEST = 3',
  },
  {
    id: 'passes of one folder at least',
    file: 'src/datastore/collection/collect.ts',
    find: 'const PASSES_MAX = 256',
    replace: 'const PASSES_MAX = 4',
  },
]

/** Pure functions that are called with the same few arguments in every schedule. */
const MEMOS: readonly SourcePatch[] = [
  {
    id: 'names of backup times',
    file: 'src/formats/backup-time.ts',
    find: '  return `${new Date(backupTime * 1000).toISOString().slice(0, 19)}Z`\n',
    replace:
      "  return globalThis.cairnSimulator.memoized('times', backupTime, () =>" +
      ' `${new Date(backupTime * 1000).toISOString().slice(0, 19)}Z`)\n',
  },
  {
    id: 'parsed JSON',
    file: 'src/formats/json.ts',
    find: 'export function parseJson(text: string): JsonValue {\n',
    replace:
      'export function parseJson(text: string): JsonValue {\n' +
      "  return globalThis.cairnSimulator.memoized('json', text, () => parseNow(text))\n" +
      '}\n\nfunction parseNow(text: string): JsonValue {\n',
  },
]

const patches = [...PROCESS_STATE, ...SIZES, ...MEMOS]
const patched = new Set(patches.map(({ file }) => file))

registerHooks({
  resolve(specifier, context, nextResolve) {
    const double = DOUBLES[specifier]
    const isUnderTest = fileOf(context.parentURL ?? '')?.startsWith('src/') ?? false
    if (double === undefined || !isUnderTest) return nextResolve(specifier, context)
    return { url: double, format: 'module-typescript', shortCircuit: true }
  },
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const file = fileOf(url)
    if (file === null || !patched.has(file)) return loaded
    const text = Buffer.from(loaded.source as Uint8Array).toString()
    return { ...loaded, source: patchSource(file, text, patches) }
  },
})

// Errors are part of many schedules; their stacks cost more than the steps between them.
Error.stackTraceLimit = 0

const ABORTED = new DOMException('This operation was aborted', 'AbortError')
const abortReally = Reflect.get(AbortController.prototype, 'abort')

/** As the real one, whose reason is made anew each time. */
AbortController.prototype.abort = function abort(reason: unknown = ABORTED): void {
  abortReally.call(this, reason)
}
