/** The file work of a collection with synchronous calls: for worker threads, where they are several times as fast. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  unlinkSync,
} from 'node:fs'
import { isSystemError } from '../../base/errors.ts'
import { alignedBytes } from '../../base/fs/native-address.ts'
import { canScan, FolderScanner } from '../../base/fs/native-scan.ts'
import { INDEX_HEADER_SIZE } from '../../formats/archive-index.ts'
import { osErrorText } from '../../storage/os-error-text.ts'
import type {
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
import {
  checkWhole,
  identityFrom,
  IndexMarker,
  type IndexStat,
  isSameIndex,
  markFailure,
  PIECE_SIZE,
} from './mark-index.ts'
import { Marks } from './marks.ts'
import { decideUnlink, entryPath, goodPath } from './unlink-entry.ts'

/** `check` throws when nobody wants it any more. */
export function markSync(request: MarkRequest, check: () => void): MarkAnswer {
  const marks = new Marks(request.marks)
  const buffer = alignedBytes(PIECE_SIZE)
  const indexes: ReadIndex[] = []
  const vanished: string[] = []
  let isFull = false
  for (const path of request.paths) {
    const index = markFile(path, { marks, buffer, check })
    if (index === null) vanished.push(path)
    else indexes.push(index)
    isFull = marks.byteLength > request.bytesMax
    if (isFull) break
  }
  return { marks: marks.state, indexes, vanished, isFull }
}

function markFile(
  path: string,
  work: { readonly marks: Marks; readonly buffer: Uint8Array; readonly check: () => void },
): ReadIndex | null {
  const { marks, buffer, check } = work
  let fd: number
  try {
    // A restore follows links, too. Whatever else stands there now must not hold us up.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw markFailure(path, error)
  }
  try {
    const stat = statOf(fd)
    const header = buffer.subarray(0, readFully(fd, buffer, 0, INDEX_HEADER_SIZE))
    const marker = new IndexMarker(path, { header, stat, marks })
    for (let next = marker.next; next !== null; next = marker.next) {
      check()
      checkWhole(path, readFully(fd, buffer, next.position, next.length), next.length)
      marker.feed(buffer.subarray(0, next.length))
    }
    return marker.result()
  } catch (error) {
    if (error instanceof DOMException) throw error
    throw markFailure(path, error)
  } finally {
    closeSync(fd)
  }
}

/** See `CollectionEngine.compare`. */
export function compareSync(request: CompareRequest, check: () => void): boolean[] {
  const buffer = Buffer.allocUnsafe(INDEX_HEADER_SIZE)
  return request.paths.map((path, index) => {
    check()
    const expected = request.identities[index]
    return expected !== undefined && isIndex(path, expected, buffer)
  })
}

function isIndex(path: string, expected: IndexIdentity, buffer: Buffer): boolean {
  let fd: number
  try {
    // A restore follows links, too. Whatever else stands there now must not hold us up.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    // Whoever reads it whole says what is wrong.
    return false
  }
  try {
    const header = buffer.subarray(0, readFully(fd, buffer, 0, INDEX_HEADER_SIZE))
    return isSameIndex(identityFrom(statOf(fd), header), expected)
  } catch {
    return false
  } finally {
    closeSync(fd)
  }
}

function statOf(fd: number): IndexStat {
  const { dev, ino, ctimeNs, size, mode } = fstatSync(fd, { bigint: true })
  return { dev, ino, ctimeNs, size: Number(size), isFile: isFile(mode) }
}

const TYPE_MASK = 0o170_000n
const REGULAR_FILE = 0o100_000n

function isFile(mode: bigint): boolean {
  return (mode & TYPE_MASK) === REGULAR_FILE
}

function readFully(fd: number, buffer: Uint8Array, position: number, length: number): number {
  let done = 0
  while (done < length) {
    const count = readSync(fd, buffer, done, length - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}

export function listSync(request: ListRequest, check: () => void): ListAnswer {
  const list = new FolderList(request)
  using scanner = canScan() ? new FolderScanner(request.folder) : null
  for (let prefix = request.from; prefix < request.to; prefix += 1) {
    check()
    const name = prefixName(prefix)
    if (list.mayPass(prefix)) {
      const ctimeMs = scanner?.changeTime(name) ?? changeTime(`${request.folder}/${name}`)
      if (ctimeMs === null || list.passes(prefix, ctimeMs)) continue
    }
    if (scanner?.read(name) === false) continue
    // What lies beside chunks is too rare to be read in two ways.
    if (scanner !== null && list.addRaw(prefix, scanner)) continue
    listFolder(`${request.folder}/${name}`, prefix, list)
  }
  return list.answer()
}

function listFolder(path: string, prefix: number, list: FolderList): void {
  // Before the names: a change after this look is one that the time shows.
  const ctimeMs = changeTime(path)
  if (ctimeMs === null) return
  let names: string[]
  try {
    names = readdirSync(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    throw error
  }
  const entries = list.parse(prefix, names)
  const knownBytes = list.knownBytes(prefix, entries, ctimeMs)
  const stats = entries.map(({ name, kind, isMarked }) => {
    if (knownBytes !== null && kind === 'chunk' && isMarked) return undefined
    return look(`${path}/${name}`)
  })
  list.add(prefix, entries, { stats, ctimeMs, knownBytes })
}

/** Of a folder; null if it is not there. */
function changeTime(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? null
}

function look(path: string): EntryStat | null {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return null
  const { size, mtimeMs, ctimeMs } = stat
  return { isFile: stat.isFile(), size, mtimeMs, ctimeMs }
}

export function unlinkManySync(request: UnlinkRequest): UnlinkAnswer {
  const { folder, entries, cutoffsMs } = request
  let outcomes = ''
  for (const [index, entry] of entries.entries()) {
    try {
      outcomes += unlinkOne(folder, entry, cutoffsMs[index] ?? 0)
    } catch (error) {
      const failure = { path: entryPath(folder, entry), reason: osErrorText(error) }
      return { outcomes, failure }
    }
  }
  return { outcomes, failure: null }
}

function unlinkOne(folder: string, entry: LooseEntry, cutoffMs: number): 'r' | 'g' | 'k' {
  const path = entryPath(folder, entry)
  const good = entry.isHealed ? look(goodPath(folder, entry)) : null
  const decision = decideUnlink(entry, { stat: look(path), good, cutoffMs })
  if (decision !== 'remove') return decision === 'gone' ? 'g' : 'k'
  try {
    unlinkSync(path)
    return 'r'
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return 'g'
    throw error
  }
}
