/**
 * The second half of a collection (races.md 9.5, 9.6): every chunk folder is listed, and what the marks do not keep
 * goes if it is old and nobody holds its gate.
 *
 * Order for each file: listed loose; old enough; the gate taken and the marks asked once more in one step of the thread
 * that owns the sessions; looked at again and unlinked; the gate given back after that call has ended. Nothing here
 * writes to a file that stays.
 */
import { mapConcurrent } from '../../base/async/map-concurrent.ts'
import { DIGEST_SIZE, digestFromBytes } from '../../formats/digest.ts'
import { errors } from '../errors.ts'
import { readDigest } from './chunk-names.ts'
import { type ListAnswer, type LooseEntry, SIZES_FIELDS } from './engine.ts'
import { Marks, type MarksState, PREFIX_COUNT } from './marks.ts'
import { checkClock } from './plausibility.ts'
import { chunksFolder, type CollectionRun, type PassRange, type SessionMarks } from './run.ts'

/** Gates held at once; their unlinks take some milliseconds. */
const BATCH_COUNT = 1_000
/** A temporary file may belong to whoever writes a chunk without its gate: younger ones stay, whatever the grace. */
const TEMPORARY_AGE_MIN_MS = 3_600_000

export interface SweepOptions extends PassRange {
  readonly sessions: SessionMarks
  /** The marks as they are now. */
  readonly marks: () => MarksState
  /** What the last run knows of the folders, all of them; replaced by what this one knows. */
  readonly known: Float64Array<ArrayBuffer>
  /** Whether all marks of that run are among these. */
  readonly areMarksKept: boolean
  /** Awaited once before the first file is removed; throws if nothing may be. */
  readonly beforeFirst: () => Promise<void>
  /** Stock puts a chunk of zeros into a new store: alone it is no sign of lost indexes. */
  readonly keepsZeroChunk: boolean
}

/** SHA-256 of 4 MiB of zeros. */
export const ZERO_CHUNK = 'bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8'

export class Sweep {
  readonly #run: CollectionRun
  readonly #options: SweepOptions
  readonly #digest = new Uint8Array(DIGEST_SIZE)
  #marks: Marks
  #entryCount = 0
  #temporaryCount = 0
  #keptCount = 0
  #isPrepared = false

  constructor(run: CollectionRun, options: SweepOptions) {
    this.#run = run
    this.#options = options
    this.#marks = new Marks(options.marks())
  }

  /** Temporary files that were removed. */
  get temporaryCount(): number {
    return this.#temporaryCount
  }

  /** Chunks that are there and marked. */
  get keptCount(): number {
    return this.#keptCount
  }

  /** Throws COLLECTION_SWEEP_FAILED, COLLECTION_UNSAFE, system errors, the abort reason; what is removed then was garbage. */
  async run(): Promise<void> {
    const { engine, progress } = this.#run
    const { signal } = progress
    const options = { concurrency: engine.listsAtOnce, signal }
    const answers = mapConcurrent(this.#ranges(), options, async (range) => ({
      range,
      answer: await this.#list(range),
    }))
    for await (const { range, answer } of answers) {
      signal.throwIfAborted()
      checkClock(this.#run.store.clock, this.#run.start)
      this.#count(answer)
      this.#options.known.set(answer.known, range.from * SIZES_FIELDS)
      await this.#sweep(answer.loose)
      progress.advance('chunk folders', range.to, PREFIX_COUNT)
    }
  }

  *#ranges(): Generator<PassRange> {
    const { from, to } = this.#options
    const step = this.#run.engine.foldersPerList
    for (let start = from; start < to; start += step) {
      yield { from: start, to: Math.min(start + step, to) }
    }
  }

  async #list({ from, to }: PassRange): Promise<ListAnswer> {
    const { engine, store, progress } = this.#run
    const known = this.#options.known.slice(from * SIZES_FIELDS, to * SIZES_FIELDS)
    const marks = this.#options.marks()
    const { areMarksKept } = this.#options
    const nowMs = store.clock.now()
    const request = { folder: chunksFolder(store), from, to, marks, known, areMarksKept, nowMs }
    return await engine.list(request, { signal: progress.signal })
  }

  #count(answer: ListAnswer): void {
    const { progress, counts } = this.#run
    for (const [percent, before] of answer.percents) {
      progress.log(`processed ${percent}% (${this.#entryCount + before} chunks)`)
    }
    this.#entryCount += answer.entryCount
    this.#keptCount += answer.keptCount
    counts['disk-chunks'] += answer.keptCount
    counts['disk-bytes'] += answer.keptBytes
    counts['still-bad'] += answer.neededBadCount
  }

  async #sweep(loose: readonly LooseEntry[]): Promise<void> {
    let batch: LooseEntry[] = []
    for (const entry of loose) {
      const isExempt = this.#options.keepsZeroChunk && entry.name === ZERO_CHUNK
      if (isExempt || entry.timeMs >= this.#cutoffOf(entry)) this.#keep(entry)
      else batch.push(entry)
      if (batch.length < BATCH_COUNT) continue
      await this.#remove(batch)
      batch = []
    }
    if (batch.length > 0) await this.#remove(batch)
  }

  async #remove(batch: readonly LooseEntry[]): Promise<void> {
    const { engine, store, progress } = this.#run
    if (!this.#isPrepared) {
      await this.#options.beforeFirst()
      this.#marks = new Marks(this.#options.marks())
      this.#isPrepared = true
    }
    progress.signal.throwIfAborted()
    using gates = new DisposableStack()
    const entries = this.#takeGates(batch, gates)
    if (entries.length === 0) return
    const cutoffsMs = entries.map((entry) => this.#cutoffOf(entry))
    const answer = await engine.unlink({ folder: chunksFolder(store), entries, cutoffsMs })
    for (let index = 0; index < answer.outcomes.length; index += 1) {
      const entry = entries[index]
      if (entry !== undefined) this.#settle(entry, answer.outcomes[index] ?? '')
    }
    if (answer.failure !== null) throw errors.COLLECTION_SWEEP_FAILED(answer.failure)
  }

  /** The gate and the second look at the marks, without a turn of the event loop in between (races.md R-67). */
  #takeGates(batch: readonly LooseEntry[], gates: DisposableStack): LooseEntry[] {
    const entries: LooseEntry[] = []
    /** Several files of one digest go under one gate. */
    const held = new Set<string>()
    for (const entry of batch) {
      readDigest(entry.name, this.#digest)
      const digest = digestFromBytes(this.#digest)
      if (!held.has(digest)) {
        const gate = this.#run.store.core.gate.tryAcquire(digest)
        if (gate === null) {
          this.#keep(entry)
          continue
        }
        gates.use(gate)
        held.add(digest)
      }
      if (this.#isNeeded(entry)) this.#keep(entry)
      else entries.push(entry)
    }
    return entries
  }

  /** Whether the marks keep it now. `#digest` is the entry's. */
  #isNeeded(entry: LooseEntry): boolean {
    if (entry.kind === 'temporary' || entry.isHealed) return false
    return this.#options.sessions.has(this.#digest) || this.#marks.has(this.#digest, 0)
  }

  #cutoffOf(entry: LooseEntry): number {
    const { cutoffMs, wallMs } = this.#run.start
    if (entry.kind !== 'temporary') return cutoffMs
    return Math.min(cutoffMs, wallMs - TEMPORARY_AGE_MIN_MS)
  }

  /** What a session relies on counts as used, all else waits. */
  #keep(entry: LooseEntry): void {
    const { counts } = this.#run
    if (entry.kind === 'temporary') return
    if (entry.kind === 'bad') {
      counts['still-bad'] += 1
      return
    }
    readDigest(entry.name, this.#digest)
    const isUsed = this.#isNeeded(entry)
    counts[isUsed ? 'disk-chunks' : 'pending-chunks'] += 1
    counts[isUsed ? 'disk-bytes' : 'pending-bytes'] += entry.size
  }

  #settle(entry: LooseEntry, outcome: string): void {
    const { counts } = this.#run
    if (outcome === 'k') this.#keep(entry)
    if (outcome !== 'r') return
    if (entry.kind === 'temporary') this.#temporaryCount += 1
    else {
      counts[entry.kind === 'bad' ? 'removed-bad' : 'removed-chunks'] += 1
      counts['removed-bytes'] += entry.size
    }
  }
}
