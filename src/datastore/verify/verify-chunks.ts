/** Verification of the chunks of one index, each chunk once per run (datastore-semantics.md 11.3). */
import { forEachConcurrent, mapConcurrent } from '../../base/async/map-concurrent.ts'
import { hasCode, toError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import { type Digest, digestFromBytes, DIGEST_SIZE } from '../../formats/digest.ts'
import { DigestSet } from '../../formats/digest-map.ts'
import { isWholeChunk } from '../../storage/chunk-check.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { breathe, STEPS_PER_BREATH } from '../sessions/breathe.ts'
import { CONSEQUENCES, type ProblemKind } from './judge-chunk.ts'
import type { VerifyRun } from './verify-run.ts'
import type { ChunkFinding, VerifySlice } from './verify-slice.ts'

export interface VerifyChunksOptions {
  readonly run: VerifyRun
  readonly progress: Progress
  /** What the manifest says of the archive's chunks. */
  readonly encrypted: boolean
}

export interface VerifyChunksResult {
  readonly errorCount: number
  /** Stored bytes read. */
  readonly readSize: number
  /** Plain bytes of them. */
  readonly decodedSize: number
}

/** What this file brought, beside the sums. */
interface FileState extends VerifyChunksOptions {
  readonly totals: { -readonly [Key in keyof VerifyChunksResult]: number }
  /** Corrupt chunks that this file is the first to name. */
  readonly corrupt: DigestSet
  /** Chunks without a lasting verdict: the next file that names them looks again. */
  readonly undecided: Digest[]
}

/** Chunks that are put in order together: 36 bytes each, and 0.1 s of looks for one thread. */
const WINDOW_COUNT_MAX = 32_768
/** Of chunks that lie in memory: what is read before the next one notices that it does not. */
const WINDOW_COUNT_RESIDENT = 2048
/** One of so many that must be waited for is no reason to look at all: a look costs as much as a read from memory. */
const WAITED_PART = 16
/** The first one, and twice as many each time: the other threads shall not wait for long. */
const WINDOW_COUNT_FIRST = 1024
/** One window is put in order while the one before it is read. */
const WINDOWS_AT_ONCE = 2
/** Chunks of a slice: its way to a thread and back costs as much as reading a small one. */
const SLICE_COUNT_MAX = 512
/** Plain bytes of a slice: no thread shall have much left to do when the others have ended. */
const SLICE_SIZE_MAX = 32 << 20
/** Slices a second when the rate is limited, so that the disk is not asked in bursts. */
const SLICES_PER_SECOND = 4

/**
 * Verifies all chunks of `index` that the run has not verified yet. Reasons go to the task log, one line each; what is
 * corrupt is taken out of the way of the next upload. Nothing is left behind when `progress.signal` is aborted.
 */
export async function verifyChunks(
  store: Datastore,
  index: ArchiveIndex,
  options: VerifyChunksOptions,
): Promise<VerifyChunksResult> {
  const { run } = options
  const { signal } = options.progress
  const totals = { errorCount: 0, readSize: 0, decodedSize: 0 }
  run.seen.reserve(index.count)
  const file: FileState = { ...options, totals, corrupt: new DigestSet(), undecided: [] }
  const windows = mapConcurrent(
    windowsOf(index, file),
    { concurrency: WINDOWS_AT_ONCE, signal },
    async (window) => await inOrder(window, options),
  )
  const concurrency = run.engine.slicesAtOnce
  try {
    await forEachConcurrent(slicesOf(windows, run), { concurrency, signal }, async (slice) => {
      await checkSlice(store, slice, file)
    })
  } catch (error) {
    // Some that count as seen were never read: none may count for the next file.
    run.seen.clear()
    throw error
  }
  for (const digest of file.undecided) run.seen.delete(digest)
  return totals
}

async function checkSlice(store: Datastore, slice: VerifySlice, file: FileState): Promise<void> {
  const { run, progress, totals } = file
  await run.pace.wait(progress.signal)
  const result = await run.engine.check(slice, progress.signal)
  run.pace.spend(result.readSize)
  run.residence.isMemory = result.waitCount * WAITED_PART <= slice.sizes.length
  totals.readSize += result.readSize
  totals.decodedSize += result.decodedSize
  totals.errorCount += result.findings.length
  for (const finding of result.findings) await report(store, { ...file, finding, slice })
}

/** The chunks that this run has not seen yet, by and by; corrupt ones that it has are counted and logged. */
async function* windowsOf(index: ArchiveIndex, file: FileState): AsyncGenerator<VerifySlice> {
  const { run, progress, encrypted } = file
  let capacity = WINDOW_COUNT_FIRST
  let window = newWindow(capacity)
  for (let position = 0; position < index.count; position += 1) {
    if (position % STEPS_PER_BREATH === STEPS_PER_BREATH - 1) await breathe()
    const { bytes, offset } = index.digestLocation(position)
    if (run.seen.addAt(bytes, offset)) {
      window.digests.set(bytes.subarray(offset, offset + DIGEST_SIZE), window.count * DIGEST_SIZE)
      window.sizes[window.count] = index.sizeOf(position)
      window.count += 1
    } else if (run.corrupt.hasAt(bytes, offset) && file.corrupt.addAt(bytes, offset)) {
      file.totals.errorCount += 1
      progress.log(`chunk ${digestFromBytes(bytes, offset)} was marked as corrupt`)
    }
    if (window.count < capacity) continue
    yield { ...cutWindow(window), encrypted }
    const countMax = run.residence.isMemory ? WINDOW_COUNT_RESIDENT : WINDOW_COUNT_MAX
    capacity = Math.min(capacity * 2, countMax)
    window = newWindow(capacity)
  }
  if (window.count > 0) yield { ...cutWindow(window), encrypted }
}

interface Window {
  readonly digests: Uint8Array
  readonly sizes: Uint32Array
  count: number
}

function newWindow(capacity: number): Window {
  const digests = new Uint8Array(capacity * DIGEST_SIZE)
  return { digests, sizes: new Uint32Array(capacity), count: 0 }
}

function cutWindow({ digests, sizes, count }: Window) {
  return { digests: digests.slice(0, count * DIGEST_SIZE), sizes: sizes.slice(0, count) }
}

async function inOrder(window: VerifySlice, options: VerifyChunksOptions): Promise<VerifySlice> {
  const { run, progress } = options
  if (!run.byInode || run.residence.isMemory || window.sizes.length === 1) return window
  const positions = await run.engine.order(window.digests, progress.signal)
  const digests = new Uint8Array(window.digests.length)
  const sizes = new Uint32Array(window.sizes.length)
  for (const [to, from] of positions.entries()) {
    const start = from * DIGEST_SIZE
    digests.set(window.digests.subarray(start, start + DIGEST_SIZE), to * DIGEST_SIZE)
    sizes[to] = window.sizes[from] ?? 0
  }
  return { ...window, digests, sizes }
}

async function* slicesOf(
  windows: AsyncIterable<VerifySlice>,
  { pace }: VerifyRun,
): AsyncGenerator<VerifySlice> {
  const sizeMax =
    pace.rate === null ? SLICE_SIZE_MAX : Math.min(SLICE_SIZE_MAX, pace.rate / SLICES_PER_SECOND)
  for await (const window of windows) {
    let start = 0
    let size = 0
    for (let end = 1; end <= window.sizes.length; end += 1) {
      size += window.sizes[end - 1] ?? 0
      const isFull = end - start >= SLICE_COUNT_MAX || size >= sizeMax
      if (!isFull && end < window.sizes.length) continue
      yield cutSlice(window, start, end)
      start = end
      size = 0
    }
  }
}

/** A copy: what a thread is sent is its whole memory. */
function cutSlice(window: VerifySlice, start: number, end: number): VerifySlice {
  const digests = window.digests.slice(start * DIGEST_SIZE, end * DIGEST_SIZE)
  return { ...window, digests, sizes: window.sizes.slice(start, end) }
}

async function report(
  store: Datastore,
  options: FileState & { readonly finding: ChunkFinding; readonly slice: VerifySlice },
): Promise<void> {
  const { run, progress, finding, slice } = options
  const digest = digestFromBytes(slice.digests, finding.position * DIGEST_SIZE)
  const { corrupt, renames } = CONSEQUENCES[finding.kind]
  if (corrupt) {
    options.corrupt.add(digest)
    run.corrupt.add(digest)
  } else options.undecided.push(digest)
  progress.log(findingText(store.name, digest, finding))
  if (finding.kind === 'missing') await store.chunks.noteMissing(digest)
  if (renames) await setAside(store, digest, progress)
}

function findingText(store: string, digest: Digest, { kind, text }: ChunkFinding): string {
  const isLoaded: Readonly<Record<ProblemKind, boolean>> = {
    missing: false,
    unreadable: false,
    broken: false,
    mode: true,
    content: true,
    length: true,
  }
  if (isLoaded[kind]) return text
  return `can't verify chunk, load failed - store '${store}', unable to load chunk '${digest}' - ${text}`
}

async function setAside(store: Datastore, digest: Digest, progress: Progress): Promise<void> {
  try {
    const place = await store.chunks.markBad(digest, async () => await isStillBad(store, digest))
    if (place !== null) progress.log(`corrupt chunk renamed to ${quote(place)}`)
  } catch (error) {
    const reason = hasCode(error, 'PROCESS_LOCK_BUSY')
      ? 'another process uses the datastore'
      : toError(error).message
    progress.log(`corrupt chunk ${digest} stays for now: ${reason}`)
  }
}

async function isStillBad(store: Datastore, digest: Digest): Promise<boolean> {
  try {
    const blob = await store.chunks.read(digest, undefined, { from: 'origin' })
    return !(await isWholeChunk(digest, blob))
  } catch {
    // Gone or unreadable now: nothing that we judged is there to be renamed.
    return false
  }
}
