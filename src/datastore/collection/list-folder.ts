/** What the names of a chunk folder mean: the part that does not touch files, for either engine (datastore-semantics.md 3.5). */
import { DIGEST_SIZE } from '../../formats/digest.ts'
import {
  type EntryKind,
  type ListAnswer,
  type ListRequest,
  type LooseEntry,
  SIZES_FIELDS,
} from './engine.ts'
import { Marks, PREFIX_COUNT } from './marks.ts'

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
    this.#names = new FolderNames(new Marks(request.marks))
    this.#known = new Float64Array((request.to - request.from) * SIZES_FIELDS)
    this.#percent = Math.floor(((request.from - 1) * 100) / PREFIX_COUNT)
  }

  parse(prefix: number, names: readonly string[]): ChunkName[] {
    const parsed = this.#names.parse(prefix, names)
    const percent = Math.floor((prefix * 100) / PREFIX_COUNT)
    if (parsed.length > 0 && percent > this.#percent) {
      this.#percent = percent
      this.#percents.push([percent, this.#entryCount])
    }
    return parsed
  }

  /** Bytes of all chunks of the folder if the last run knows them and nothing changed since; else null. */
  knownBytes(prefix: number, entries: readonly ChunkName[], ctimeMs: number): number | null {
    const { known, from } = this.#request
    const at = (prefix - from) * SIZES_FIELDS
    const count = countChunks(entries)
    return known[at] === ctimeMs && known[at + 1] === count ? (known[at + 2] ?? null) : null
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
    this.#remember(prefix, entries, folder.ctimeMs, folder.knownBytes ?? chunkBytes)
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

  #remember(prefix: number, entries: readonly ChunkName[], ctimeMs: number, bytes: number): void {
    const isSettled = ctimeMs < this.#request.nowMs - SETTLED_MS
    const at = (prefix - this.#request.from) * SIZES_FIELDS
    this.#known[at] = isSettled ? ctimeMs : -1
    this.#known[at + 1] = countChunks(entries)
    this.#known[at + 2] = bytes
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

const NOT_HEX = -1
const HEX_VALUES = new Int8Array(128).fill(NOT_HEX)
for (let value = 0; value < 16; value += 1) {
  const digit = value.toString(16)
  HEX_VALUES[digit.charCodeAt(0)] = value
  HEX_VALUES[digit.toUpperCase().charCodeAt(0)] = value
}

/** False if the name does not begin with 64 hex digits. */
export function readDigest(name: string, digest: Uint8Array): boolean {
  for (let index = 0; index < DIGEST_SIZE; index += 1) {
    const high = HEX_VALUES[name.charCodeAt(2 * index)] ?? NOT_HEX
    const low = HEX_VALUES[name.charCodeAt(2 * index + 1)] ?? NOT_HEX
    if (high < 0 || low < 0) return false
    digest[index] = (high << 4) | low
  }
  return true
}
