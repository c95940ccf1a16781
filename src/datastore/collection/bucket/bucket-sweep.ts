/**
 * The second half of a collection of a bucket (races.md 9.5, 9.7): the objects below `.chunks/` are listed in a few
 * ranges side by side, page by page, and what the marks do not keep goes if it is old by the bucket's own clock.
 * Beside it the ledger is compared with the list: what it has too much is forgotten, what it lacks is added.
 */
import { forEachConcurrent } from '../../../base/async/map-concurrent.ts'
import { type Digest, DIGEST_SIZE } from '../../../formats/digest.ts'
import { ChunkKeys, digestOfKey, firstDigest } from '../../../storage/bucket-chunks/chunk-keys.ts'
import type { LedgerEntry } from '../../../storage/ledger.ts'
import { KEYS_PER_REQUEST, type ListPage, type ObjectInfo } from '../../../storage/object-store.ts'
import { Marks, PREFIX_COUNT } from '../marks.ts'
import { checkClock } from '../plausibility.ts'
import type { CollectionRun, PassRange } from '../run.ts'
import { type SweepOptions, ZERO_CHUNK } from '../sweep.ts'
import { checkHolder } from './begin-bucket.ts'
import type { BucketRun } from './bucket-run.ts'
import { Deletes } from './deletes.ts'
import { LedgerCursor } from './ledger-cursor.ts'
import type { LooseObject } from './loose-object.ts'

/** Each range may ask for one page more than it needs; most of the time of a request is waiting. */
const RANGES_MAX = 8
const PAGES_PER_RANGE_MIN = 4

/** What is known of a range between its pages. */
interface Range {
  readonly cursor: LedgerCursor
  /** First digest behind it; null for the last range. */
  readonly end: Digest | null
  /** The last good chunk of the list: bad ones come right after it. */
  lastGood: Digest | null
}

interface JudgedPage {
  readonly listed: readonly LedgerEntry[]
  readonly loose: readonly LooseObject[]
  /** Whether the range ends on this page. */
  readonly isEnd: boolean
}

export class BucketSweep {
  readonly #run: CollectionRun
  readonly #bucketRun: BucketRun
  readonly #options: SweepOptions
  readonly #keys: ChunkKeys
  readonly #deletes: Deletes
  readonly #cutoffMs: number
  readonly #bytes = Buffer.alloc(DIGEST_SIZE)
  /** Suspects: a page may show what goes right after it, and an end of the doubt in between says nothing of that. */
  readonly #doubtful = new Set<Digest | null>()
  #marks: Marks
  /** While what was taken from memory is read again: nobody asks the marks then. */
  #preparing: Promise<void> | null = null
  #objectCount = 0
  #keptCount = 0
  #orphanCount = 0

  constructor(run: CollectionRun, bucketRun: BucketRun, options: SweepOptions) {
    this.#run = run
    this.#bucketRun = bucketRun
    this.#options = options
    this.#keys = new ChunkKeys(bucketRun.bucket.prefix)
    this.#cutoffMs = run.start.cutoffMs + bucketRun.offsetMs
    this.#marks = new Marks(options.marks())
    this.#deletes = new Deletes(run, bucketRun, {
      beforeFirst: async () => await (this.#preparing ??= this.#prepare()),
      checkHolder: async () => await checkHolder(bucketRun, run.progress.signal),
      isMarked: (digest) => this.#options.sessions.has(digest) || this.#marks.has(digest, 0),
      onKept: (object) => this.#keep(object),
    })
  }

  /** There are none in a bucket. */
  get temporaryCount(): number {
    return 0
  }

  /** Chunks that are there and marked. */
  get keptCount(): number {
    return this.#keptCount
  }

  /** Throws as `Sweep.run`, and the errors of ObjectStore. */
  async run(): Promise<void> {
    const { progress } = this.#run
    const { ledger } = this.#bucketRun.bucket
    const { signal } = progress
    const ranges = [...this.#ranges(ledger.count)]
    for (const { key } of await ledger.suspects()) this.#doubtful.add(digestOfKey(key))
    await ledger.beginRebuild()
    try {
      await forEachConcurrent(ranges, { concurrency: RANGES_MAX, signal }, async (range) => {
        await this.#sweep(range)
      })
      await this.#deletes.finish()
    } finally {
      await ledger.endRebuild()
    }
    progress.log(`processed ${this.#objectCount} total chunks`)
    if (this.#orphanCount > 0) {
      progress.log(`Forgot chunks that the bucket does not have: ${this.#orphanCount}`)
    }
    const { failedCount } = this.#deletes
    if (failedCount > 0) progress.warn(`${failedCount} deletes were not confirmed by the bucket`)
  }

  *#ranges(expectedCount: number): Generator<PassRange> {
    const { from, to } = this.#options
    const pages = (expectedCount * (to - from)) / PREFIX_COUNT / KEYS_PER_REQUEST
    const count = Math.max(1, Math.min(RANGES_MAX, Math.floor(pages / PAGES_PER_RANGE_MIN)))
    const step = Math.ceil((to - from) / count)
    for (let start = from; start < to; start += step) {
      yield { from: start, to: Math.min(start + step, to) }
    }
  }

  async #sweep({ from, to }: PassRange): Promise<void> {
    const { progress, store, start } = this.#run
    const { objects, ledger } = this.#bucketRun.bucket
    const end = to === PREFIX_COUNT ? null : firstDigest(to)
    const cursor = new LedgerCursor(ledger, { from: firstDigest(from), end })
    const range: Range = { cursor, end, lastGood: null }
    await cursor.readAhead()
    const { signal } = progress
    const after = this.#keys.before(from)
    const options = after === undefined ? { signal } : { signal, after }
    for await (const page of objects.list(this.#keys.base, options)) {
      signal.throwIfAborted()
      checkClock(store.clock, start)
      await this.#preparing
      const { listed, loose, isEnd } = this.#judge(page, range)
      await this.#compare(cursor, { listed, isEnd: false })
      await this.#deletes.add(loose)
      progress.advance('objects', this.#objectCount, Math.max(ledger.count, this.#objectCount))
      if (isEnd) break
      await cursor.readAhead()
    }
    await this.#compare(cursor, { listed: [], isEnd: true })
  }

  #judge({ objects }: ListPage, range: Range): JudgedPage {
    const listed: LedgerEntry[] = []
    const loose: LooseObject[] = []
    for (const object of objects) {
      const kind = this.#keys.kindOf(object.key)
      if (kind === null) continue
      const digest = this.#keys.digestOf(object.key)
      if (range.end !== null && digest >= range.end) return { listed, loose, isEnd: true }
      this.#objectCount += 1
      // An empty one is none.
      if (kind === 'chunk' && object.size > 0) {
        range.lastGood = digest
        if (!this.#doubtful.has(digest)) listed.push({ digest, size: object.size })
      }
      const isHealed = kind === 'bad' && range.lastGood === digest
      const { key, size } = object
      if (this.#isLoose(object, { kind, key, digest, size, isHealed })) {
        loose.push({ kind, key, digest, size, isHealed })
      }
    }
    return { listed, loose, isEnd: false }
  }

  /** Counts what stays. */
  #isLoose({ modifiedMs }: ObjectInfo, object: LooseObject): boolean {
    this.#bytes.write(object.digest, 'hex')
    const isMarked = this.#marks.has(this.#bytes, 0)
    if (object.kind === 'chunk' && isMarked) {
      const { counts } = this.#run
      if (object.size > 0) this.#keptCount += 1
      counts['disk-chunks'] += 1
      counts['disk-bytes'] += object.size
      return false
    }
    const isNeeded = object.kind === 'bad' && isMarked && !object.isHealed
    const isExempt = this.#options.keepsZeroChunk && object.digest === ZERO_CHUNK
    if (!isNeeded && !isExempt && modifiedMs < this.#cutoffMs) return true
    this.#keep(object)
    return false
  }

  /** What a session relies on counts as used, all else waits. */
  #keep(object: LooseObject): void {
    const { counts } = this.#run
    if (object.kind === 'bad') {
      counts['still-bad'] += 1
      return
    }
    this.#bytes.write(object.digest, 'hex')
    const isUsed = this.#options.sessions.has(this.#bytes) || this.#marks.has(this.#bytes, 0)
    counts[isUsed ? 'disk-chunks' : 'pending-chunks'] += 1
    counts[isUsed ? 'disk-bytes' : 'pending-bytes'] += object.size
  }

  /**
   * An entry without an object is forgotten, unless somebody is at it: unknown is not missing, whoever needs the chunk
   * asks for it under its gate. An object without an entry gets one, unless it was condemned meanwhile.
   */
  async #compare(
    cursor: LedgerCursor,
    page: { readonly listed: readonly LedgerEntry[]; readonly isEnd: boolean },
  ): Promise<void> {
    const { ledger } = this.#bucketRun.bucket
    const { orphans, unknown } = await cursor.compare(page.listed, page.isEnd)
    for (const digest of orphans) {
      using gate = this.#run.store.core.gate.tryAcquire(digest)
      if (gate === null) continue
      ledger.drop(digest)
      this.#orphanCount += 1
    }
    if (unknown.length > 0) await ledger.addListed(unknown)
  }

  async #prepare(): Promise<void> {
    await this.#options.beforeFirst()
    this.#marks = new Marks(this.#options.marks())
  }
}
