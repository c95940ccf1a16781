/**
 * The roots of the last complete run, kept in the state folder (races.md ): what was an index then and is
 * gone now without a note of its removal stays a root, or stops the run. One line of JSON per root after a header line;
 * the lists of their chunks are in files of their own (`kept-lists.ts`).
 */
import { isSystemError } from '../../base/errors.ts'
import { atomicWrite } from '../../base/fs/atomic-write.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import { errors } from '../errors.ts'
import { breathe } from '../sessions/breathe.ts'
import type { IndexIdentity } from './engine.ts'
import { quote } from '../debug-text.ts'

/** Where the chunks of a root stand in the file of lists: position and number of its words. */
export interface KeptList {
  readonly position: number
  readonly length: number
}

export interface KnownRoot {
  /** Below the datastore's folder. */
  readonly path: string
  readonly identity: IndexIdentity
  readonly chunkCount: number
  readonly size: number
  /** Null if it was not kept. */
  readonly list: KeptList | null
}

/** What belongs to the lists of one run. */
export interface ListsHeader {
  /** Part of the names of their files. */
  readonly generation: string
  /** Place in the digest that the marks were taken from. */
  readonly offset: number
  readonly markCount: number
  /** SHA-256 of the files, hex. */
  readonly keysHash: string
  readonly runsHash: string
  /** Null if there are marks that no list names: then the table is not kept. */
  readonly slotsHash: string | null
  /** Runs that used these marks; after some of them others are taken. */
  readonly age: number
}

export interface KnownRoots {
  readonly roots: readonly KnownRoot[]
  /** Null if no lists were kept. */
  readonly lists: ListsHeader | null
}

const FILE_NAME = 'roots'
const VERSION = 1
const FILE_MODE = 0o600
/** Some milliseconds. */
const LINES_PER_BREATH = 1024
/** Four hundred bytes a root. */
const FILE_SIZE_MAX = 1 << 30

/** The known roots of the store with this identity of `.lock`; null if there was no run. Throws COLLECTION_UNSAFE for a damaged file. */
export async function readKnownRoots(
  fs: FileSystem,
  folder: string,
  lockInode: string,
): Promise<KnownRoots | null> {
  const path = `${folder}/${FILE_NAME}`
  let bytes: Uint8Array
  try {
    bytes = await fs.readFile(path, FILE_SIZE_MAX)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
  try {
    return await parse(bytes, lockInode)
  } catch (error) {
    const reason = `the list of known index files ${quote(path)} is damaged`
    throw errors.COLLECTION_UNSAFE({ reason }, { cause: error })
  }
}

export async function writeKnownRoots(
  fs: FileSystem,
  folder: string,
  known: KnownRoots & { readonly lockInode: string },
): Promise<void> {
  await fs.mkdir(folder, { recursive: true, mode: 0o700 })
  const { lists, lockInode, roots } = known
  const header = { version: VERSION, lockInode, count: roots.length, lists }
  const pieces = [Buffer.from(`${JSON.stringify(header)}\n`)]
  for (let start = 0; start < roots.length; start += LINES_PER_BREATH) {
    const lines = roots.slice(start, start + LINES_PER_BREATH).map(formatRoot)
    pieces.push(Buffer.from(`${lines.join('\n')}\n`))
    if (start > 0) await breathe()
  }
  const options = { mode: FILE_MODE, durable: true }
  await atomicWrite(fs, `${folder}/${FILE_NAME}`, pieces, options)
}

/** Line by line: the whole as one text, and all its lines at once, would hold everybody up. */
async function parse(bytes: Uint8Array, lockInode: string): Promise<KnownRoots | null> {
  const lines = linesOf(bytes)
  const header = JSON.parse(nextOf(lines)) as Record<string, unknown>
  if (header['version'] !== VERSION) throw new Error('unknown version')
  if (header['lockInode'] !== lockInode) return null
  const count = Number(header['count'])
  const roots: KnownRoot[] = []
  for (let index = 1; index <= count; index += 1) {
    roots.push(parseRoot(nextOf(lines)))
    if (index % LINES_PER_BREATH === 0) await breathe()
  }
  const lists = (header['lists'] ?? null) as ListsHeader | null
  // Older files say nothing of slots.
  return { roots, lists: lists === null ? null : { ...lists, slotsHash: lists.slotsHash ?? null } }
}

const LINE_END = 0x0a

function* linesOf(bytes: Uint8Array): Generator<string> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let start = 0; start < view.length; ) {
    const end = view.indexOf(LINE_END, start)
    yield view.toString('utf8', start, end < 0 ? view.length : end)
    start = end < 0 ? view.length : end + 1
  }
}

/** Empty behind the last one, which no line of the file is. */
function nextOf(lines: Generator<string>): string {
  const next = lines.next()
  return next.done === true ? '' : next.value
}

function formatRoot({ path, identity, chunkCount, size, list }: KnownRoot): string {
  const { dev, ino, ctimeNs, fileSize, header } = identity
  const place = list === null ? null : [list.position, list.length]
  return JSON.stringify([
    path,
    `${dev}`,
    `${ino}`,
    `${ctimeNs}`,
    fileSize,
    header,
    chunkCount,
    size,
    place,
  ])
}

function parseRoot(line: string): KnownRoot {
  const [path, dev, ino, ctimeNs, fileSize, header, chunkCount, size, place] = JSON.parse(line) as [
    string,
    string,
    string,
    string,
    number,
    string,
    number,
    number,
    [number, number] | null,
  ]
  return {
    path,
    identity: { dev: BigInt(dev), ino: BigInt(ino), ctimeNs: BigInt(ctimeNs), fileSize, header },
    chunkCount,
    size,
    list: place === null ? null : { position: place[0], length: place[1] },
  }
}
