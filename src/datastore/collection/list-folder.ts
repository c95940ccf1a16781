/** What the names of a chunk folder mean: the part that does not touch files, for either engine (datastore-semantics.md 3.5). */
import { DIGEST_SIZE } from '../../formats/digest.ts'
import { readDigest } from './chunk-names.ts'
import {
  type EntryKind,
  type ListAnswer,
  type ListRequest,
  type LooseEntry,
  SIZES_FIELDS,
} from './engine.ts'
import { Marks, PREFIX_COUNT } from './marks.ts'
import { RawChunks, type RawFolder } from './raw-chunks.ts'

const NAME_LENGTH = 2 * DIGEST_SIZE
const BAD_NAME = /^\.[0-9]\.bad$/
const TEMPORARY_NAME = /^\.tmp_[A-Za-z0-9]{6}$/
/** A folder that changed this shortly before it was read may change again without a sign. */
const SETTLED_MS = 5_000

/** What `lstat` says of an entry; null when it is gone. */
export interface EntryStat {
  readonly isFile: boolean
  readonly size: number
  readonly mtimeMs: number
  readonly ctimeMs: number
}

/** A name that belongs to a chunk. */
export interface ChunkName {
  readonly name: string
  readonly kind: EntryKind
  readonly isMarked: boolean
}

/** The names of folder `prefix` that belong to chunks; all others are nobody's business. */
export class FolderNames {
  readonly #marks: Marks
  readonly #digest = new Uint8Array(DIGEST_SIZE)

  constructor(marks: Marks) {
    this.#marks = marks
  }

  parse(prefix: number, names: readonly string[]): ChunkName[] {
    const found: ChunkName[] = []
    for (const name of names) {
      const kind = kindOf(name)
      if (kind === null || !readDigest(name, this.#digest)) continue
      // In another folder nobody finds it as a chunk, and these marks may not be for it.
      if ((((this.#digest[0] ?? 0) << 8) | (this.#digest[1] ?? 0)) !== prefix) continue
      const isMarked = kind !== 'temporary' && this.#marks.has(this.#digest, 0)
      found.push({ name, kind, isMarked })
    }
    return found
  }
}

/** Collects the answer to a request, folder by folder. */
export class FolderList {
  readonly #request: ListRequest
  readonly #names: FolderNames
  readonly #raw: RawChunks
  readonly #percents: [number, number][] = []
  readonly #loose: LooseEntry[] = []
  readonly #known: Float64Array<ArrayBuffer>
  #keptCount = 0
  #keptBytes = 0
  #neededBadCount = 0
  #entryCount = 0
  #percent: number

  constructor(request: ListRequest) {
    this.#request = request
    const marks = new Marks(request.marks)
    this.#names = new FolderNames(marks)
    this.#raw = new RawChunks(marks)
    this.#known = new Float64Array((request.to - request.from) * SIZES_FIELDS)
    this.#percent = Math.floor(((request.from - 1) * 100) / PREFIX_COUNT)
  }

  parse(prefix: number, names: readonly string[]): ChunkName[] {
    const parsed = this.#names.parse(prefix, names)
    if (parsed.length > 0) this.#notePercent(prefix)
    return parsed
  }

  /**
   * Whether nothing can be removed from the folder: it is as the last run saw it, which found marked chunks alone, and
   * all of its marks are among these. They are counted then, and nobody need read the folder.
   */
  passes(prefix: number, ctimeMs: number): boolean {
    const { known, from } = this.#request
    const at = (prefix - from) * SIZES_FIELDS
    const count = known[at + 1] ?? 0
    if (!this.mayPass(prefix) || known[at] !== ctimeMs) return false
    if (count > 0) this.#notePercent(prefix)
    this.#keptCount += count
    this.#entryCount += count
    this.#keptBytes += known[at + 2] ?? 0
    this.#known.set(known.subarray(at, at + SIZES_FIELDS), at)
    return true
  }

  /** Whether it is worth asking for the folder's change time before its names. */
  mayPass(prefix: number): boolean {
    const { known, from, areMarksKept } = this.#request
    const at = (prefix - from) * SIZES_FIELDS
    return areMarksKept && (known[at] ?? 0) > 0 && known[at + 3] === 0
  }

  /** Bytes of all chunks of the folder if the last run knows them and nothing changed since; else null. */
  knownBytes(prefix: number, entries: readonly ChunkName[], ctimeMs: number): number | null {
    return this.#knownBytes(prefix, countChunks(entries), ctimeMs)
  }

  /** The same as `parse`, `knownBytes` and `add` for a folder of chunks alone; false if it holds anything else. */
  addRaw(prefix: number, folder: RawFolder): boolean {
    const chunks = this.#raw
    if (!chunks.read(prefix, folder)) return false
    if (chunks.count > 0) this.#notePercent(prefix)
    const knownBytes = this.#knownBytes(prefix, chunks.count, folder.ctimeMs)
    let chunkBytes = 0
    let keptBytes = 0
    let markedCount = 0
    for (let index = 0; index < chunks.count; index += 1) {
      const isMarked = chunks.isMarked(index)
      if (isMarked && knownBytes !== null) {
        this.#keptCount += 1
        this.#entryCount += 1
        markedCount += 1
        continue
      }
      const stat = folder.stat(chunks.nameStart(index))
      if (stat === null || !stat.isFile) continue
      this.#entryCount += 1
      chunkBytes += stat.size
      if (isMarked) {
        this.#keptCount += 1
        markedCount += 1
        keptBytes += stat.size
      } else {
        const name = folder.nameAt(chunks.nameStart(index))
        const timeMs = Math.max(stat.mtimeMs, stat.ctimeMs)
        this.#loose.push({ name, kind: 'chunk', size: stat.size, timeMs, isHealed: false })
      }
    }
    this.#keptBytes += knownBytes === null ? keptBytes : knownBytes - chunkBytes
    const otherCount = chunks.count - markedCount
    const bytes = knownBytes ?? chunkBytes
    this.#remember(prefix, { ctimeMs: folder.ctimeMs, count: chunks.count, bytes, otherCount })
    return true
  }

  /** `stats`: one for each entry; undefined for marked chunks whose bytes are known by `knownBytes`. */
  add(
    prefix: number,
    entries: readonly ChunkName[],
    folder: {
      readonly stats: readonly (EntryStat | null | undefined)[]
      readonly ctimeMs: number
      readonly knownBytes: number | null
    },
  ): void {
    let chunkBytes = 0
    let keptBytes = 0
    const keptBefore = this.#keptCount
    entries.forEach((entry, index) => {
      const stat = folder.stats[index]
      if (stat === undefined) {
        this.#keptCount += 1
        this.#entryCount += 1
        return
      }
      if (stat === null || !stat.isFile) return
      if (entry.kind !== 'temporary') this.#entryCount += 1
      if (entry.kind === 'chunk') chunkBytes += stat.size
      if (entry.kind === 'chunk' && entry.isMarked) {
        this.#keptCount += 1
        keptBytes += stat.size
      } else this.#addLoose(entry, stat, entries)
    })
    this.#keptBytes += folder.knownBytes === null ? keptBytes : folder.knownBytes - chunkBytes
    this.#remember(prefix, {
      ctimeMs: folder.ctimeMs,
      count: countChunks(entries),
      bytes: folder.knownBytes ?? chunkBytes,
      otherCount: entries.length - (this.#keptCount - keptBefore),
    })
  }

  answer(): ListAnswer {
    return {
      keptCount: this.#keptCount,
      keptBytes: this.#keptBytes,
      neededBadCount: this.#neededBadCount,
      loose: this.#loose,
      entryCount: this.#entryCount,
      percents: this.#percents,
      known: this.#known,
    }
  }

  #addLoose(entry: ChunkName, stat: EntryStat, entries: readonly ChunkName[]): void {
    const { name, kind, isMarked } = entry
    const isHealed = kind === 'bad' && isMarked && hasGood(name, entries)
    if (kind === 'bad' && isMarked && !isHealed) {
      this.#neededBadCount += 1
      return
    }
    const timeMs = Math.max(stat.mtimeMs, stat.ctimeMs)
    this.#loose.push({ name, kind, size: stat.size, timeMs, isHealed })
  }

  /** The entries before the first one of each percent. */
  #notePercent(prefix: number): void {
    const percent = Math.floor((prefix * 100) / PREFIX_COUNT)
    if (percent <= this.#percent) return
    this.#percent = percent
    this.#percents.push([percent, this.#entryCount])
  }

  #knownBytes(prefix: number, count: number, ctimeMs: number): number | null {
    const { known, from } = this.#request
    const at = (prefix - from) * SIZES_FIELDS
    return known[at] === ctimeMs && known[at + 1] === count ? (known[at + 2] ?? null) : null
  }

  #remember(
    prefix: number,
    folder: {
      readonly ctimeMs: number
      readonly count: number
      readonly bytes: number
      readonly otherCount: number
    },
  ): void {
    const { ctimeMs, count, bytes, otherCount } = folder
    const isSettled = ctimeMs < this.#request.nowMs - SETTLED_MS
    const at = (prefix - this.#request.from) * SIZES_FIELDS
    this.#known.set([isSettled ? ctimeMs : -1, count, bytes, otherCount], at)
  }
}

/** `0000` to `ffff`. */
export function prefixName(prefix: number): string {
  return prefix.toString(16).padStart(4, '0')
}

/** The digest that a name of `FolderNames` begins with, in lower case. */
export function digestPart(name: string): string {
  return name.slice(0, NAME_LENGTH).toLowerCase()
}

function countChunks(entries: readonly ChunkName[]): number {
  let count = 0
  for (const { kind } of entries) if (kind === 'chunk') count += 1
  return count
}

function hasGood(name: string, entries: readonly ChunkName[]): boolean {
  const digest = digestPart(name)
  return entries.some((entry) => entry.kind === 'chunk' && entry.name === digest)
}

function kindOf(name: string): EntryKind | null {
  if (name.length === NAME_LENGTH) return 'chunk'
  if (name.length < NAME_LENGTH) return null
  const rest = name.slice(NAME_LENGTH)
  if (BAD_NAME.test(rest)) return 'bad'
  return TEMPORARY_NAME.test(rest) ? 'temporary' : null
}
