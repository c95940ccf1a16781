/** Reading task logs, also while they grow: pages of lines, the last line, the whole file. */
import { isSystemError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { parseTaskEndLine } from '../formats/task-status.ts'
import type { TaskEnd } from './index-line.ts'

export interface LogLine {
  /** Number of the line, from 1. */
  readonly n: number
  readonly t: string
}

export interface LogPage {
  readonly lines: readonly LogLine[]
  /** Lines in the whole log. */
  readonly total: number
}

const BLOCK_SIZE = 64 * 1024
/** The closing line is looked for in this much from the end, as stock does. */
const TAIL_SIZE = 8192
const NEWLINE = 0x0a

/** Lines from number `start` on (0 is 1), at most `limit` (0 = all), and how many there are. */
export async function readLogPage(
  fs: FileSystem,
  path: string,
  page: { readonly start: number; readonly limit: number },
): Promise<LogPage> {
  const first = Math.max(page.start, 1)
  const last = page.limit === 0 ? Number.POSITIVE_INFINITY : first + page.limit - 1
  const wanted: LogLine[] = []
  let total = 0
  for await (const line of linesOf(fs, path)) {
    total += 1
    if (total >= first && total <= last) {
      wanted.push({ n: total, t: Buffer.concat(line).toString('utf8') })
    }
  }
  return { lines: wanted, total }
}

/**
 * All lines from number `start` on, in portions of some 64 KiB, so that a log of any size can be sent; returns how many
 * lines the log has.
 */
export async function* streamLogLines(
  fs: FileSystem,
  path: string,
  { start }: { readonly start: number },
): AsyncGenerator<readonly LogLine[], number> {
  let total = 0
  let size = 0
  let portion: LogLine[] = []
  for await (const line of linesOf(fs, path)) {
    total += 1
    if (total < start) continue
    const t = Buffer.concat(line).toString('utf8')
    portion.push({ n: total, t })
    size += t.length
    if (size < BLOCK_SIZE) continue
    yield portion
    portion = []
    size = 0
  }
  if (portion.length > 0) yield portion
  return total
}

/** The file in pieces of 64 KiB. */
export async function* streamFile(fs: FileSystem, path: string): AsyncIterable<Uint8Array> {
  await using handle = await fs.open(path, 'read')
  for (let position = 0; ; ) {
    const buffer = new Uint8Array(BLOCK_SIZE)
    const size = await handle.read(buffer, position)
    if (size > 0) yield buffer.subarray(0, size)
    if (size < BLOCK_SIZE) return
    position += size
  }
}

/** How a task ended by the last line of its log: `unknown` at `startTime` if that is no closing line. */
export async function readTaskEnd(
  fs: FileSystem,
  path: string,
  startTime: number,
): Promise<TaskEnd | null> {
  const line = await readLastLine(fs, path)
  if (line === null) return null
  const status = parseTaskEndLine(line)
  const stamp = Date.parse(line.slice(0, line.indexOf(': ')))
  const isTimed = status.kind !== 'unknown' && !Number.isNaN(stamp)
  return { endTime: isTimed ? Math.floor(stamp / 1000) : startTime, status }
}

async function readLastLine(fs: FileSystem, path: string): Promise<string | null> {
  try {
    await using handle = await fs.open(path, 'read')
    const { size } = await handle.stat()
    const tail = new Uint8Array(Math.min(size, TAIL_SIZE))
    const count = await handle.read(tail, size - tail.length)
    const text = Buffer.from(tail.subarray(0, count)).toString('utf8')
    return text.replace(/\n+$/, '').split('\n').at(-1) ?? ''
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENAMETOOLONG')) return null
    throw error
  }
}

/** Each line as its pieces, without line end; a last line without end counts. */
async function* linesOf(fs: FileSystem, path: string): AsyncIterable<Uint8Array[]> {
  let pieces: Uint8Array[] = []
  for await (const block of streamFile(fs, path)) {
    let start = 0
    for (let end = block.indexOf(NEWLINE); end >= 0; end = block.indexOf(NEWLINE, start)) {
      yield [...pieces, block.subarray(start, end)]
      pieces = []
      start = end + 1
    }
    if (start < block.length) pieces.push(block.subarray(start))
  }
  if (pieces.length > 0) yield pieces
}
