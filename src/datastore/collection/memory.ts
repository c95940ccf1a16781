/**
 * What one run knows from the one before and leaves for the next (races.md R-68, R-69). Memory saves reading, and it is
 * the only witness of an index that is gone: one that nobody here removed stays a root by its kept list, or stops the
 * run when there is none.
 */
import { errors } from '../errors.ts'
import { PROCESS_LOCK_FILE } from '../layout.ts'
import type { IndexIdentity } from './engine.ts'
import {
  ListsWriter,
  removeOldLists,
  type RestoredLists,
  restoreLists,
  sizeOfLists,
} from './kept-lists.ts'
import { readTable } from './kept-table.ts'
import { quote } from '../debug-text.ts'
import {
  type KeptList,
  type KnownRoot,
  type KnownRoots,
  type ListsHeader,
  readKnownRoots,
  writeKnownRoots,
} from './known-roots.ts'
import { Marks, type MarksState } from './marks.ts'
import { explanationOf, type RemovalNotes } from './removal-log.ts'
import { forEachInSteps } from './in-steps.ts'
import type { CollectionRun } from './run.ts'
import type { RootFile } from './walk-roots.ts'

/** An index that this run read, or took from memory. */
export interface RootEntry {
  readonly path: string
  readonly identity: IndexIdentity
  readonly chunkCount: number
  readonly size: number
  readonly list: KeptList | null
  readonly isFromMemory: boolean
}

/** Other bits of the digests are taken after so many runs, so that what shares them with a live chunk goes at last. */
const AGE_MAX = 16
/** How much larger than the lists that count their file may become. */
const LISTS_GROWTH_MAX = 2
/** Headers of one call: what is waited for when a run is aborted. */
const COMPARE_COUNT = 256

export class Memory {
  readonly #run: CollectionRun
  readonly #folder: string
  readonly #lockInode: string
  readonly #known: KnownRoots | null
  readonly #notes: RemovalNotes
  /** Removals that were about to come when the notes were read. */
  readonly #leaving: ReadonlySet<string>
  readonly #vanished = new Map<string, RootEntry>()
  #writer: ListsWriter | null = null
  #age = 0
  #restored: ListsHeader | null = null

  private constructor(
    run: CollectionRun,
    state: {
      readonly known: KnownRoots | null
      readonly notes: RemovalNotes
      readonly leaving: ReadonlySet<string>
      readonly lockInode: string
    },
  ) {
    this.#run = run
    this.#folder = run.store.core.collection.folder
    this.#known = state.known
    this.#notes = state.notes
    this.#leaving = state.leaving
    this.#lockInode = state.lockInode
  }

  /** Throws COLLECTION_UNSAFE if the list of known roots is damaged, unless that is confirmed. */
  static async open(run: CollectionRun): Promise<Memory> {
    const { store } = run
    const { collection } = store.core
    const notes = await collection.removals.seal()
    const { leaving } = collection
    const { ino } = await store.fs.stat(`${store.path}/${PROCESS_LOCK_FILE}`)
    const lockInode = `${ino}`
    let known: KnownRoots | null = null
    try {
      known = await readKnownRoots(store.fs, collection.folder, lockInode)
    } catch (error) {
      if (!run.isConfirmed) throw error
    }
    return new Memory(run, { known, notes, leaving, lockInode })
  }

  /** Whether a run before this one saw the store's roots. */
  get isFirstRun(): boolean {
    return this.#known === null
  }

  /** Of the lists whose marks this run took, all of them; null otherwise. */
  get wholeGeneration(): string | null {
    return this.#restored?.generation ?? null
  }

  /** Snapshots that came since the last complete run: UUIDs of their indexes by path. */
  get arrivals(): ReadonlyMap<string, readonly string[]> {
    return this.#notes.arrivals
  }

  /** Roots that are gone without a note and are kept by their lists. */
  get vanished(): ReadonlyMap<string, RootEntry> {
    return this.#vanished
  }

  /** Begins lists for a run in one pass; before it, nothing is kept. */
  async beginLists(): Promise<void> {
    await this.#writer?.close()
    this.#writer = new ListsWriter(this.#run.store.fs, this.#folder)
    this.#restored = null
    this.#age = 0
    this.#vanished.clear()
  }

  /** Ends the writing of lists: a run in several passes has none. */
  async endLists(): Promise<void> {
    await this.#writer?.close()
    this.#writer = null
    this.#restored = null
    this.#vanished.clear()
  }

  async keep(runs: Uint32Array<ArrayBuffer>): Promise<KeptList | null> {
    return (await this.#writer?.add(runs)) ?? null
  }

  /**
   * After the first walk: the marks of all indexes among `files` that are what they were, and of those that vanished;
   * null if there is nothing to take. Throws COLLECTION_UNSAFE if one vanished whose list is lost.
   */
  async restore(
    files: readonly RootFile[],
    capacity: number,
  ): Promise<{ readonly marks: MarksState; readonly entries: readonly RootEntry[] } | null> {
    const gone = await this.#findVanished(files)
    const lists = this.#known?.lists ?? null
    if (lists === null || this.#writer === null) {
      this.#refuseVanished(gone)
      return null
    }
    const isOld = lists.age >= AGE_MAX && gone.length === 0
    const same = isOld ? [] : await this.#findUnchanged(files)
    const roots = [...same, ...gone]
    if (roots.length === 0) return null
    const restored =
      (await this.#restoreTable(lists, roots)) ??
      (await this.#restoreLists(lists, { roots, capacity }))
    if (restored === null) {
      this.#refuseVanished(gone)
      return null
    }
    this.#age = lists.age + 1
    const entries = roots.map((root, index) => {
      return { ...root, list: restored.lists[index] ?? null, isFromMemory: true }
    })
    const isWhole = restored.marks.count === lists.markCount
    this.#restored = isWhole && roots.length === this.#known?.roots.length ? lists : null
    for (const entry of entries.slice(same.length)) this.#vanished.set(entry.path, entry)
    this.#warnOfVanished()
    return { marks: restored.marks, entries: entries.slice(0, same.length) }
  }

  /**
   * Leaves `present` and what is gone without a note for the next run; `read` is all that this run read. The generation
   * of the lists that are kept, or null.
   */
  async save(
    marks: MarksState,
    run: { readonly present: readonly RootEntry[]; readonly read: readonly RootEntry[] },
  ): Promise<string | null> {
    const { store } = this.#run
    const { fs } = store
    const { roots, isWhole } = await this.#rootsToKnow(run)
    const isUntouched =
      this.#restored !== null &&
      this.#restored.markCount === marks.count &&
      roots.every((root) => root.isFromMemory) &&
      roots.length === this.#known?.roots.length
    const lists = isUntouched ? this.#restored : await this.#finishLists(marks, isWhole)
    if (!isUntouched) {
      await writeKnownRoots(fs, this.#folder, { roots, lists, lockInode: this.#lockInode })
    } else await this.#writer?.close()
    await this.#forgetNotes(roots)
    await removeOldLists(fs, this.#folder, lists?.generation ?? null)
    return lists?.generation ?? null
  }

  /** Gives up what was begun; files of lists are removed by the next run that is complete. */
  async close(): Promise<void> {
    await this.#writer?.close()
  }

  async #finishLists(marks: MarksState, isWhole: boolean): Promise<ListsHeader | null> {
    return (await this.#writer?.finish(marks, { age: this.#age, isWhole })) ?? null
  }

  /** Known roots of which neither path nor file is there, and that no note explains. */
  async #findVanished(files: readonly RootFile[]): Promise<KnownRoot[]> {
    if (this.#known === null || this.#run.isConfirmed) return []
    const paths = new Set<string>()
    const inodes = new Set<string>()
    await forEachInSteps(files, (file) => {
      paths.add(file.path)
      inodes.add(fileKey(file))
    })
    const gone: KnownRoot[] = []
    await forEachInSteps(this.#known.roots, (root) => {
      if (!paths.has(root.path) && !inodes.has(fileKey(root.identity))) gone.push(root)
    })
    if (gone.length === 0) return []
    const notes = await this.#run.store.core.collection.removals.read()
    return gone.filter(({ path }) => explanationOf(path, notes) === null)
  }

  async #findUnchanged(files: readonly RootFile[]): Promise<KnownRoot[]> {
    const { store, engine, progress } = this.#run
    const byPath = new Map<string, RootFile>()
    await forEachInSteps(files, (file) => byPath.set(file.path, file))
    const likely: KnownRoot[] = []
    await forEachInSteps(this.#known?.roots ?? [], (root) => {
      const file = byPath.get(root.path)
      if (file === undefined || root.list === null) return
      const isSame =
        file.size === root.identity.fileSize && fileKey(file) === fileKey(root.identity)
      if (isSame) likely.push(root)
    })
    const same: KnownRoot[] = []
    for (let start = 0; start < likely.length; start += COMPARE_COUNT) {
      const part = likely.slice(start, start + COMPARE_COUNT)
      const paths = part.map(({ path }) => `${store.path}/${path}`)
      const identities = part.map(({ identity }) => identity)
      const { signal } = progress
      const answers = await engine.compare({ paths, identities }, { signal })
      part.forEach((root, index) => {
        if (answers[index] === true) same.push(root)
      })
    }
    return same
  }

  /** The table of the last run as it was, if every root that made it is among `roots`; null otherwise. */
  async #restoreTable(
    lists: ListsHeader,
    roots: readonly KnownRoot[],
  ): Promise<RestoredLists | null> {
    const { store, progress } = this.#run
    const writer = this.#writer
    if (writer === null || roots.length !== this.#known?.roots.length) return null
    const kept: KeptList[] = []
    for (const { list } of roots) if (list !== null) kept.push(list)
    if (kept.length !== roots.length) return null
    const place = { fs: store.fs, folder: this.#folder, signal: progress.signal }
    const size = await sizeOfLists(place, lists)
    const used = kept.reduce((sum, { length }) => sum + length, 0) * Uint32Array.BYTES_PER_ELEMENT
    // Lists that were replaced go when all are written anew.
    if (size === null || size > used * LISTS_GROWTH_MAX) return null
    const marks = await readTable(place, lists)
    if (marks === null) return null
    writer.continueFrom(lists)
    return { marks, lists: kept }
  }

  async #restoreLists(
    lists: ListsHeader,
    work: { readonly roots: readonly KnownRoot[]; readonly capacity: number },
  ): Promise<RestoredLists | null> {
    const { store, engine, progress } = this.#run
    const writer = this.#writer
    if (writer === null || work.roots.some(({ list }) => list === null)) return null
    const { capacity, roots } = work
    const { state: marks } = new Marks({ capacity, offset: lists.offset, shared: true })
    const place = { fs: store.fs, folder: this.#folder, signal: progress.signal }
    return await restoreLists(place, lists, { roots, marks, engine, writer })
  }

  #refuseVanished(gone: readonly KnownRoot[]): void {
    const first = gone[0]
    if (first === undefined) return
    const shown = quote(`${this.#run.store.path}/${first.path}`)
    const reason =
      `${gone.length} known index files are gone and nobody here removed them, the first is ${shown}; ` +
      'if they are meant to be gone, confirm that'
    throw errors.COLLECTION_UNSAFE({ reason })
  }

  #warnOfVanished(): void {
    const [first] = this.#vanished.keys()
    if (first === undefined) return
    const { store, progress } = this.#run
    const count = this.#vanished.size
    progress.warn(
      `${count} known index files are gone and nobody here removed them, the first is ` +
        `'${quote(`${store.path}/${first}`)}': their chunks are kept until that is confirmed`,
    )
  }

  /** `isWhole`: whether these are all roots whose chunks were marked. */
  async #rootsToKnow(run: {
    readonly present: readonly RootEntry[]
    readonly read: readonly RootEntry[]
  }): Promise<{ readonly roots: readonly RootEntry[]; readonly isWhole: boolean }> {
    const notes = await this.#run.store.core.collection.removals.read()
    const roots = new Map<string, RootEntry>()
    const inodes = new Set<string>()
    await forEachInSteps(run.present, (entry) => {
      roots.set(entry.path, entry)
      inodes.add(fileKey(entry.identity))
    })
    // Those of a bucket may be no files here.
    let isWhole = this.#run.bucketRun === null
    const add = (entry: RootEntry): void => {
      if (inodes.has(fileKey(entry.identity))) return
      const isKept = !roots.has(entry.path) && explanationOf(entry.path, notes) === null
      if (isKept) roots.set(entry.path, entry)
      else isWhole = false
    }
    await forEachInSteps(run.read, add)
    for (const entry of this.#vanished.values()) add(entry)
    return { roots: [...roots.values()], isWhole }
  }

  /**
   * A note about what is still there may be about a removal that is still to come. If none is, it failed, or what was
   * moved away came back: kept, the note would explain away whatever happens to it later.
   */
  async #forgetNotes(roots: readonly RootEntry[]): Promise<void> {
    const { removals } = this.#run.store.core.collection
    if (this.#notes.files.length === 0) return
    const pending = new Set<string>()
    for (const { path } of roots) {
      const note = explanationOf(path, this.#notes.paths)
      if (note !== null && this.#leaving.has(note)) pending.add(note)
    }
    for (const note of pending) await removals.note(note)
    await removals.forget(this.#notes)
  }
}

function fileKey(file: { readonly dev: bigint; readonly ino: bigint; readonly ctimeNs: bigint }) {
  return `${file.dev}:${file.ino}:${file.ctimeNs}`
}
