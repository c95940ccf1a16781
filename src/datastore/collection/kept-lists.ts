/**
 * The chunks of each index as the last run marked them (races.md R-68): `keys-<generation>` holds the marks in their
 * order, `runs-<generation>` the lists, as pairs of a first mark and a number of marks. Both are only used if their
 * hashes are those of the header. A run that has something to delete reads every index again whose list it took.
 * `slots-<generation>` saves a run that takes all lists from making the table anew (`kept-table.ts`).
 */
import { createHash, type Hash, randomBytes } from 'node:crypto'
import { isSystemError } from '../../base/errors.ts'
import type { FileHandle, FileSystem } from '../../base/fs/file-system.ts'
import { sha256 } from '../../formats/digest.ts'
import { breathe } from '../sessions/breathe.ts'
import type { CollectionEngine } from './engine.ts'
import { writeSlots } from './kept-table.ts'
import type { KeptList, KnownRoot, ListsHeader } from './known-roots.ts'
import type { MarksState } from './marks.ts'

const WORD = 4
const KEY_WORDS = 2
/** Keys of one step: 2 MiB. */
const KEYS_PER_STEP = 1 << 18
/** About five milliseconds. */
const HASHED_AT_ONCE = 4 << 20
/** Runs of marks: words of lists that are taken up at once; some milliseconds. */
const WORDS_AT_ONCE = 1 << 18
/** Lists beyond this are not kept: their indexes are read in each run. */
const RUNS_SIZE_MAX = 1 << 29
const FILE_MODE = 0o600
const FILE_NAME = /^(?:keys|runs|slots)-([0-9a-f]{16})$/

/** Writes the lists of a run as they come. */
export class ListsWriter {
  readonly generation = randomBytes(8).toString('hex')
  readonly #fs: FileSystem
  readonly #folder: string
  readonly #hash: Hash = createHash('sha256')
  #handle: FileHandle | null = null
  #words = 0
  /** Lists that are to be copied before anything is added. */
  #base: ListsHeader | null = null
  #isDamaged = false

  constructor(fs: FileSystem, folder: string) {
    this.#fs = fs
    this.#folder = folder
  }

  /** The lists of `base` stay in their places, and what is added comes behind them; to be called first. */
  continueFrom(base: ListsHeader): void {
    this.#base = base
  }

  /** Its place; null if there is no room for it, or those before it are damaged. */
  async add(runs: Uint32Array<ArrayBuffer>): Promise<KeptList | null> {
    await this.#copyBase()
    if (this.#isDamaged || (this.#words + runs.length) * WORD > RUNS_SIZE_MAX) return null
    const place = { position: this.#words, length: runs.length }
    await this.#append(new Uint8Array(runs.buffer, runs.byteOffset, runs.byteLength))
    return place
  }

  /**
   * Writes the marks, and makes all durable; null if the lists that were continued are damaged. `isWhole`: whether every
   * mark is named by the list of a root that is kept.
   */
  async finish(
    marks: MarksState,
    { age, isWhole }: { readonly age: number; readonly isWhole: boolean },
  ): Promise<ListsHeader | null> {
    await this.add(new Uint32Array(0))
    await this.#handle?.sync()
    await this.close()
    if (this.#isDamaged) return null
    const keysHash = await this.#writeKeys(marks)
    const slotsHash = isWhole ? await this.#writeSlots(marks) : null
    await this.#fs.syncFolder(this.#folder)
    const { generation } = this
    const runsHash = this.#hash.digest('hex')
    const { offset, count: markCount } = marks
    return { generation, offset, markCount, keysHash, runsHash, slotsHash, age }
  }

  async close(): Promise<void> {
    await this.#handle?.close()
    this.#handle = null
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const name = `runs-${this.generation}`
    const handle = (this.#handle ??= await create(this.#fs, this.#folder, name))
    await handle.write(bytes, this.#words * WORD)
    for (let start = 0; start < bytes.length; start += HASHED_AT_ONCE) {
      if (start > 0) await breathe()
      this.#hash.update(bytes.subarray(start, start + HASHED_AT_ONCE))
    }
    this.#words += bytes.length / WORD
  }

  async #copyBase(): Promise<void> {
    const base = this.#base
    if (base === null) return
    this.#base = null
    this.#isDamaged = true
    try {
      const path = `${this.#folder}/runs-${base.generation}`
      await using handle = await this.#fs.open(path, 'read')
      const bytes = new Uint8Array(HASHED_AT_ONCE)
      for (;;) {
        const count = await handle.read(bytes, this.#words * WORD)
        if (count > 0) await this.#append(bytes.subarray(0, count))
        if (count < bytes.length) break
      }
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
    this.#isDamaged = this.#hash.copy().digest('hex') !== base.runsHash
  }

  async #writeSlots(marks: MarksState): Promise<string> {
    await using handle = await create(this.#fs, this.#folder, `slots-${this.generation}`)
    return await writeSlots(handle, marks)
  }

  async #writeKeys(marks: MarksState): Promise<string> {
    await using handle = await create(this.#fs, this.#folder, `keys-${this.generation}`)
    const hash = createHash('sha256')
    let rest = marks.count * KEY_WORDS * WORD
    let position = 0
    for (const block of marks.keys) {
      // A copy: shared memory cannot be handed to the system.
      const bytes = new Uint8Array(block).slice(0, rest)
      await handle.write(bytes, position)
      hash.update(bytes)
      position += bytes.length
      rest -= bytes.length
      await breathe()
    }
    await handle.sync()
    return hash.digest('hex')
  }
}

/** Bytes of the file of lists; null if it is not there. */
export async function sizeOfLists(
  { fs, folder }: { readonly fs: FileSystem; readonly folder: string },
  header: ListsHeader,
): Promise<number | null> {
  try {
    return (await fs.stat(`${folder}/runs-${header.generation}`)).size
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}

/** Removes the files of all generations but `kept`. */
export async function removeOldLists(
  fs: FileSystem,
  folder: string,
  kept: string | null,
): Promise<void> {
  for (const { name } of await fs.readDir(folder)) {
    const generation = FILE_NAME.exec(name)?.[1]
    if (generation === undefined || generation === kept) continue
    await fs.unlink(`${folder}/${name}`)
  }
}

/** What `restoreLists` gives back: the marks, and the lists with the numbers that these have now. */
export interface RestoredLists {
  readonly marks: MarksState
  readonly lists: readonly KeptList[]
}

/**
 * The marks of `roots` alone, each of which has a list, added to the empty `marks`; their lists go to `writer`. Null if
 * a file is missing or damaged.
 */
export async function restoreLists(
  place: { readonly fs: FileSystem; readonly folder: string; readonly signal: AbortSignal },
  header: ListsHeader,
  work: {
    readonly roots: readonly KnownRoot[]
    readonly marks: MarksState
    readonly engine: CollectionEngine
    readonly writer: ListsWriter
  },
): Promise<RestoredLists | null> {
  const { folder, signal } = place
  const runs = await readHashed(place, `${folder}/runs-${header.generation}`, header.runsHash)
  if (runs === null) return null
  const words = new Uint32Array(runs.buffer, 0, Math.floor(runs.byteLength / WORD))
  const union = new MarkUnion(header.markCount)
  for (const { list } of work.roots) {
    if (list === null) return null
    for (const piece of piecesOf(words, list)) {
      union.add(piece)
      signal.throwIfAborted()
      await breathe()
    }
  }
  const marks = await restoreKeys(place, header, { ...work, union })
  if (marks === null) return null
  const lists: KeptList[] = []
  for (const { list } of work.roots) {
    if (list === null) return null
    const renumbered = new Uint32Array(list.length)
    let done = 0
    for (const piece of piecesOf(words, list)) {
      renumbered.set(union.renumber(piece), done)
      done += piece.length
      await breathe()
    }
    const kept = await work.writer.add(renumbered)
    if (kept === null) return null
    lists.push(kept)
  }
  return { marks, lists }
}

/** Whole runs each: a run is two words. */
function* piecesOf(words: Uint32Array, { position, length }: KeptList): Generator<Uint32Array> {
  for (let start = 0; start < length; start += WORDS_AT_ONCE) {
    const end = Math.min(start + WORDS_AT_ONCE, length)
    yield words.subarray(position + start, position + end)
  }
}

async function restoreKeys(
  {
    fs,
    folder,
    signal,
  }: { readonly fs: FileSystem; readonly folder: string; readonly signal: AbortSignal },
  header: ListsHeader,
  work: {
    readonly marks: MarksState
    readonly engine: CollectionEngine
    readonly union: MarkUnion
  },
): Promise<MarksState | null> {
  let marks = work.marks
  const hash = createHash('sha256')
  try {
    await using handle = await fs.open(`${folder}/keys-${header.generation}`, 'read')
    for (let first = 0; first < header.markCount; first += KEYS_PER_STEP) {
      signal.throwIfAborted()
      const count = Math.min(KEYS_PER_STEP, header.markCount - first)
      const keys = new Int32Array(count * KEY_WORDS)
      const bytes = new Uint8Array(keys.buffer)
      if ((await handle.read(bytes, first * KEY_WORDS * WORD)) !== bytes.length) return null
      hash.update(bytes)
      const wanted = work.union.within(first, count)
      marks = await work.engine.restore({ marks, keys, wanted }, { signal })
    }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
  return hash.digest('hex') === header.keysHash ? marks : null
}

async function readHashed(
  { fs }: { readonly fs: FileSystem },
  path: string,
  hash: string,
): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    const bytes = await fs.readFile(path, RUNS_SIZE_MAX)
    const whole = bytes.byteOffset === 0 ? bytes : bytes.slice()
    // In the pool: half a gigabyte would hold everybody up.
    return (await sha256(whole)) === hash ? whole : null
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'EFBIG')) return null
    throw error
  }
}

async function create(fs: FileSystem, folder: string, name: string): Promise<FileHandle> {
  await fs.mkdir(folder, { recursive: true, mode: 0o700 })
  return await fs.open(`${folder}/${name}`, 'create-new', FILE_MODE)
}

const BITS = 32

/** Marks that some lists name, and their numbers when all others are left out. */
class MarkUnion {
  readonly #bits: Uint32Array<ArrayBuffer>
  /** Marks before each word; made when first asked. */
  #ranks: Uint32Array | null = null

  constructor(markCount: number) {
    this.#bits = new Uint32Array(Math.ceil(markCount / BITS) + 1)
  }

  add(runs: Uint32Array): void {
    for (let index = 0; index < runs.length; index += 2) {
      this.#set(runs[index] ?? 0, (runs[index] ?? 0) + (runs[index + 1] ?? 0))
    }
  }

  /** One byte for each of `count` marks from `first` on: whether it is wanted. */
  within(first: number, count: number): Uint8Array<ArrayBuffer> {
    const wanted = new Uint8Array(count)
    for (let index = 0; index < count; index += 1) {
      const mark = first + index
      wanted[index] = ((this.#bits[mark >>> 5] ?? 0) >>> (mark & 31)) & 1
    }
    return wanted
  }

  renumber(runs: Uint32Array): Uint32Array<ArrayBuffer> {
    const renumbered = runs.slice()
    for (let index = 0; index < runs.length; index += 2) {
      renumbered[index] = this.#rankOf(runs[index] ?? 0)
    }
    return renumbered
  }

  #set(from: number, to: number): void {
    const bits = this.#bits
    for (let mark = from; mark < to; ) {
      const word = mark >>> 5
      if ((mark & 31) === 0 && mark + BITS <= to) {
        bits[word] = 0xffff_ffff
        mark += BITS
      } else {
        bits[word] = (bits[word] ?? 0) | (1 << (mark & 31))
        mark += 1
      }
    }
  }

  #rankOf(mark: number): number {
    this.#ranks ??= ranksOf(this.#bits)
    const word = mark >>> 5
    const below = (this.#bits[word] ?? 0) & ((1 << (mark & 31)) - 1)
    return (this.#ranks[word] ?? 0) + countBits(below)
  }
}

function ranksOf(bits: Uint32Array): Uint32Array {
  const ranks = new Uint32Array(bits.length)
  let sum = 0
  for (let word = 0; word < bits.length; word += 1) {
    ranks[word] = sum
    sum += countBits(bits[word] ?? 0)
  }
  return ranks
}

function countBits(word: number): number {
  let value = word - ((word >>> 1) & 0x5555_5555)
  value = (value & 0x3333_3333) + ((value >>> 2) & 0x3333_3333)
  return Math.imul((value + (value >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24
}
