/** The roots of a run: every index that was read, and the marks of all of them. */
import { DYNAMIC_ENTRY_SIZE } from '../../formats/dynamic-index.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import type { MarkAnswer } from './engine.ts'
import { filterInSteps, forEachInSteps, sortInSteps } from './in-steps.ts'
import type { Memory, RootEntry } from './memory.ts'
import { Marks, type MarksState, MARKS_MAX, PREFIX_COUNT } from './marks.ts'
import { drainMoveJournal } from './move-journal.ts'
import type { CollectionRun } from './run.ts'
import { isExpectedPlace, type RootFile, walkRoots } from './walk-roots.ts'

/** Files and bytes of one call to the engine: what is shown as progress, and how soon an abort is noticed. */
const BATCH_COUNT = 64
const BATCH_BYTES = 64 << 20
/** About what a mark takes, and the part of the allowed memory that may be taken without knowing what for. */
const MARK_SIZE = 14
const ROOM_PART = 8
/** What others may name beside the largest index: less than a table would take that grew twice. */
const ROOM_RESERVE = 5 / 3
/** Each round needs an index that appeared in the one before; a store that is never still is left alone. */
const ROUNDS_MAX = 100

/** The marks take more memory than they may. */
export class MarksFull extends Error {}

export interface RootsOptions {
  /** Empty. */
  readonly marks: MarksState
  /** How many are expected. */
  readonly capacity: number
  /** What the marks may take. */
  readonly bytesMax: number
  readonly memory: Memory
}

export class Roots {
  readonly #run: CollectionRun
  readonly #options: RootsOptions
  /** Read indexes by device, inode and change time. */
  readonly #read = new Map<string, RootEntry>()
  /** Paths of the last walk below the datastore's folder. */
  #files: readonly RootFile[] = []
  #firstFiles: readonly RootFile[] = []
  readonly #unread = new Set<string>()
  readonly #temporaries = new Set<string>()
  #marks: MarksState
  #total = 0
  #done = 0
  #percent = 0

  constructor(run: CollectionRun, options: RootsOptions) {
    this.#run = run
    this.#options = options
    this.#marks = options.marks
  }

  get marks(): MarksState {
    return this.#marks
  }

  /** The index files that the first and the last walk saw. */
  get firstFiles(): readonly RootFile[] {
    return this.#firstFiles
  }

  get files(): readonly RootFile[] {
    return this.#files
  }

  /** Paths that were listed and gone when they were to be read. */
  get unread(): ReadonlySet<string> {
    return this.#unread
  }

  /** All indexes that were read or taken from memory. */
  get entries(): readonly RootEntry[] {
    return [...this.#read.values()]
  }

  /** Those that the last walk saw, in its order and under the names that they had there. */
  async present(): Promise<readonly RootEntry[]> {
    const present: RootEntry[] = []
    await forEachInSteps(this.#files, (file) => {
      const entry = this.#read.get(identityOf(file))
      if (entry !== undefined) present.push({ ...entry, path: file.path })
    })
    return present
  }

  /** Temporary files beside snapshots, below the datastore's folder. */
  get temporaries(): ReadonlySet<string> {
    return this.#temporaries
  }

  /** Goes on with `marks`: these and those of roots that are no files here (races.md R-59). */
  takeMarks(marks: MarksState): void {
    this.#marks = marks
  }

  /** Reads what was taken from memory: nothing is removed on the word of a list (races.md R-68). */
  async readKept(): Promise<void> {
    const kept = await filterInSteps(
      this.#files,
      (file) => this.#read.get(identityOf(file))?.isFromMemory === true,
    )
    if (kept.length === 0) return
    const { progress } = this.#run
    progress.log(`reading ${kept.length} unchanged index files again before anything is removed`)
    await this.#markFiles(kept)
  }

  /**
   * Reads all indexes, and walks again until no unknown one appears (races.md R-61). Throws COLLECTION_MARK_FAILED,
   * COLLECTION_UNSAFE, MarksFull.
   */
  async markAll(): Promise<void> {
    const { store, progress } = this.#run
    for (let round = 1; ; round += 1) {
      const hasMoves = await drainMoveJournal(store)
      const onTemporary = (path: string): void => void this.#temporaries.add(path)
      const { signal } = progress
      this.#files = await walkRoots(store.fs, store.path, { signal, onTemporary })
      if (round === 1) await this.#remember()
      const isUnknown = (file: RootFile): boolean => !this.#read.has(identityOf(file))
      const unknown = await filterInSteps(this.#files, isUnknown)
      if (round > 1 && unknown.length === 0 && !hasMoves) break
      if (round > ROUNDS_MAX) {
        throw errors.COLLECTION_UNSAFE({ reason: 'new index files keep appearing' })
      }
      this.#announce(unknown, round)
      await this.#markFiles(unknown)
    }
    await this.#warnOfPlaces()
    // Only the marker guesses.
    this.#marks = { ...this.#marks, followers: [] }
  }

  async #remember(): Promise<void> {
    this.#firstFiles = this.#files
    this.#total = this.#files.length
    const { memory, capacity } = this.#options
    const restored = await memory.restore(this.#files, capacity)
    if (restored === null) {
      if (capacity === 0) this.#marks = roomFor(this.#files, this.#options)
      return
    }
    this.#marks = restored.marks
    for (const entry of restored.entries) {
      this.#read.set(identityOf(entry.identity), entry)
      this.#advance()
    }
  }

  #announce(unknown: readonly RootFile[], round: number): void {
    const { store, progress } = this.#run
    if (round === 1) return
    this.#total += unknown.length
    for (const { path } of unknown) {
      const shown = quote(`${store.path}/${path}`)
      progress.log(`Encountered new index file '${shown}', increment total index file count`)
    }
  }

  async #markFiles(files: readonly RootFile[]): Promise<void> {
    const { store, engine, progress } = this.#run
    // In the order of groups and times one index resembles the one before.
    const sorted = await sortInSteps(files, ({ path }) => path)
    for (const batch of batches(sorted)) {
      progress.signal.throwIfAborted()
      const byPath = new Map(batch.map((file) => [`${store.path}/${file.path}`, file]))
      const paths = [...byPath.keys()]
      const request = { marks: this.#marks, paths, bytesMax: this.#options.bytesMax }
      const answer = await engine.mark(request, { signal: progress.signal })
      await this.#take(answer, byPath)
      if (answer.isFull || answer.marks.count >= MARKS_MAX) throw new MarksFull()
    }
  }

  async #take(answer: MarkAnswer, byPath: ReadonlyMap<string, RootFile>): Promise<void> {
    this.#marks = answer.marks
    for (const { path: fullPath, identity, chunkCount, size, runs } of answer.indexes) {
      const path = fullPath.slice(this.#run.store.path.length + 1)
      const list = await this.#options.memory.keep(runs)
      const entry = { path, identity, chunkCount, size, list, isFromMemory: false }
      this.#read.set(identityOf(identity), entry)
      this.#advance()
    }
    for (const path of answer.vanished) {
      const file = byPath.get(path)
      if (file !== undefined) this.#unread.add(file.path)
      this.#advance()
    }
  }

  #advance(): void {
    const { progress } = this.#run
    this.#done += 1
    progress.advance('index files', this.#done, this.#total)
    const percent = Math.min(100, Math.floor((this.#done * 100) / this.#total))
    if (percent <= this.#percent) return
    this.#percent = percent
    progress.log(`marked ${percent}% (${this.#done} of ${this.#total} index files)`)
  }

  async #warnOfPlaces(): Promise<void> {
    const { store, progress } = this.#run
    const strange = await filterInSteps(this.#files, ({ path }) => !isExpectedPlace(path))
    for (const { path } of strange) {
      const shown = quote(`${store.path}/${path}`)
      progress.warn(`Marked chunks for unexpected index file at '${shown}'`)
    }
    if (strange.length === 0) return
    progress.warn(`Found ${strange.length} index files outside of expected directory scheme`)
  }
}

/** An empty table with room for what the largest index names: growing would cost half as much as marking. */
function roomFor(
  files: readonly RootFile[],
  { marks, bytesMax }: Pick<RootsOptions, 'marks' | 'bytesMax'>,
): MarksState {
  const sizeMax = files.reduce((most, { size }) => Math.max(most, size), 0)
  const { from, to, isShared: shared } = marks
  const count = (sizeMax / DYNAMIC_ENTRY_SIZE) * ((to - from) / PREFIX_COUNT)
  const reserve = files.length > 1 ? ROOM_RESERVE : 1
  // It may name one chunk many times.
  const capacity = Math.ceil(Math.min(count * reserve, bytesMax / ROOM_PART / MARK_SIZE))
  return new Marks({ from, to, capacity, shared }).state
}

function identityOf(file: { dev: bigint; ino: bigint; ctimeNs: bigint }): string {
  return `${file.dev}:${file.ino}:${file.ctimeNs}`
}

/** Files of one call each, in the order given. */
function* batches(files: readonly RootFile[]): Generator<RootFile[]> {
  let batch: RootFile[] = []
  let bytes = 0
  for (const file of files) {
    batch.push(file)
    bytes += file.size
    if (batch.length < BATCH_COUNT && bytes < BATCH_BYTES) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}
