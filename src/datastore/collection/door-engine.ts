/** The engine for any `FileSystem`: awaited calls, one after the other, so that tests can stop between any two. */
import { isSystemError } from '../../base/errors.ts'
import type { FileHandle, FileStat, FileSystem } from '../../base/fs/file-system.ts'
import { INDEX_HEADER_SIZE } from '../../formats/archive-index.ts'
import { osErrorText } from '../../storage/os-error-text.ts'
import type {
  CollectionEngine,
  CompareRequest,
  IndexIdentity,
  ListAnswer,
  ListRequest,
  LooseEntry,
  MarkAnswer,
  MarkRequest,
  ReadIndex,
  UnlinkAnswer,
  UnlinkRequest,
} from './engine.ts'
import { type EntryStat, FolderList, prefixName } from './list-folder.ts'
import { checkWhole, identityFrom, IndexMarker, isSameIndex, markFailure } from './mark-index.ts'
import { Marks, PREFIX_COUNT, restoreMarks } from './marks.ts'
import { decideUnlink, entryPath, goodPath } from './unlink-entry.ts'

const NANOSECONDS_PER_MS = 1e6

export function doorEngine(fs: FileSystem): CollectionEngine {
  return {
    listsAtOnce: 1,
    foldersPerList: PREFIX_COUNT,
    mark: async (request, { signal }) => await mark(fs, request, signal),
    compare: async (request, { signal }) => await compare(fs, request, signal),
    restore: async (request) => await Promise.resolve(restoreMarks(request)),
    list: async (request, { signal }) => await list(fs, request, signal),
    unlink: async (request) => await unlinkMany(fs, request),
    [Symbol.asyncDispose]: async () => {},
  }
}

async function mark(
  fs: FileSystem,
  request: MarkRequest,
  signal: AbortSignal | undefined,
): Promise<MarkAnswer> {
  const marks = new Marks(request.marks)
  const indexes: ReadIndex[] = []
  const vanished: string[] = []
  let isFull = false
  for (const path of request.paths) {
    const index = await markFile(fs, path, { marks, signal })
    if (index === null) vanished.push(path)
    else indexes.push(index)
    isFull = marks.byteLength > request.bytesMax
    if (isFull) break
  }
  return { marks: marks.state, indexes, vanished, isFull }
}

async function markFile(
  fs: FileSystem,
  path: string,
  work: { readonly marks: Marks; readonly signal: AbortSignal | undefined },
): Promise<ReadIndex | null> {
  const { marks, signal } = work
  signal?.throwIfAborted()
  let handle: FileHandle
  try {
    handle = await fs.open(path, 'read')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw markFailure(path, error)
  }
  await using _handle = handle
  try {
    const { dev, ino, ctimeNs, size, kind } = await handle.stat()
    const stat = { dev, ino, ctimeNs, size, isFile: kind === 'file' }
    const header = await readAt(handle, 0, Math.min(INDEX_HEADER_SIZE, size))
    const marker = new IndexMarker(path, { header, stat, marks })
    for (let next = marker.next; next !== null; next = marker.next) {
      signal?.throwIfAborted()
      const piece = await readAt(handle, next.position, next.length)
      checkWhole(path, piece.length, next.length)
      marker.feed(piece)
    }
    return marker.result()
  } catch (error) {
    signal?.throwIfAborted()
    throw markFailure(path, error)
  }
}

async function compare(
  fs: FileSystem,
  request: CompareRequest,
  signal: AbortSignal | undefined,
): Promise<boolean[]> {
  const same: boolean[] = []
  for (const [index, path] of request.paths.entries()) {
    signal?.throwIfAborted()
    const expected = request.identities[index]
    same.push(expected !== undefined && (await isIndex(fs, path, expected)))
  }
  return same
}

async function isIndex(fs: FileSystem, path: string, expected: IndexIdentity): Promise<boolean> {
  try {
    await using handle = await fs.open(path, 'read')
    const { dev, ino, ctimeNs, size, kind } = await handle.stat()
    const stat = { dev, ino, ctimeNs, size, isFile: kind === 'file' }
    const header = await readAt(handle, 0, Math.min(INDEX_HEADER_SIZE, size))
    return isSameIndex(identityFrom(stat, header), expected)
  } catch {
    // Whoever reads it whole says what is wrong.
    return false
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  return bytes.subarray(0, await handle.read(bytes, position))
}

async function list(
  fs: FileSystem,
  request: ListRequest,
  signal: AbortSignal | undefined,
): Promise<ListAnswer> {
  const folders = new FolderList(request)
  for (const prefix of await prefixesOf(fs, request.folder)) {
    if (prefix < request.from || prefix >= request.to) continue
    signal?.throwIfAborted()
    await listFolder(fs, `${request.folder}/${prefixName(prefix)}`, { prefix, folders })
  }
  return folders.answer()
}

/** One call instead of tens of thousands where a test's store has few folders. */
async function prefixesOf(fs: FileSystem, folder: string): Promise<Uint16Array> {
  const names = (await fs.readDir(folder)).map(({ name }) => name)
  return Uint16Array.from(names.filter(isPrefix), (name) => Number.parseInt(name, 16)).sort()
}

function isPrefix(name: string): boolean {
  return /^[0-9a-f]{4}$/.test(name)
}

async function listFolder(
  fs: FileSystem,
  path: string,
  { prefix, folders }: { readonly prefix: number; readonly folders: FolderList },
): Promise<void> {
  const folder = await look(fs, path)
  if (folder === null) return
  const { ctimeMs } = folder
  if (folders.passes(prefix, ctimeMs)) return
  let names: string[]
  try {
    names = (await fs.readDir(path)).map(({ name }) => name)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    throw error
  }
  const entries = folders.parse(prefix, names)
  const knownBytes = folders.knownBytes(prefix, entries, ctimeMs)
  const stats: (EntryStat | null | undefined)[] = []
  for (const { name, kind, isMarked } of entries) {
    const isKnown = knownBytes !== null && kind === 'chunk' && isMarked
    stats.push(isKnown ? undefined : await look(fs, `${path}/${name}`))
  }
  folders.add(prefix, entries, { stats, ctimeMs, knownBytes })
}

async function look(fs: FileSystem, path: string): Promise<EntryStat | null> {
  let stat: FileStat
  try {
    stat = await fs.lstat(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
  return {
    isFile: stat.kind === 'file',
    size: stat.size,
    mtimeMs: Number(stat.mtimeNs) / NANOSECONDS_PER_MS,
    ctimeMs: Number(stat.ctimeNs) / NANOSECONDS_PER_MS,
  }
}

async function unlinkMany(fs: FileSystem, request: UnlinkRequest): Promise<UnlinkAnswer> {
  const { folder, entries, cutoffsMs } = request
  let outcomes = ''
  for (const [index, entry] of entries.entries()) {
    try {
      outcomes += await unlinkOne(fs, folder, { entry, cutoffMs: cutoffsMs[index] ?? 0 })
    } catch (error) {
      const failure = { path: entryPath(folder, entry), reason: osErrorText(error) }
      return { outcomes, failure }
    }
  }
  return { outcomes, failure: null }
}

async function unlinkOne(
  fs: FileSystem,
  folder: string,
  { entry, cutoffMs }: { readonly entry: LooseEntry; readonly cutoffMs: number },
): Promise<'r' | 'g' | 'k'> {
  const path = entryPath(folder, entry)
  const good = entry.isHealed ? await look(fs, goodPath(folder, entry)) : null
  const decision = decideUnlink(entry, { stat: await look(fs, path), good, cutoffMs })
  if (decision !== 'remove') return decision === 'gone' ? 'g' : 'k'
  try {
    await fs.unlink(path)
    return 'r'
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return 'g'
    throw error
  }
}
