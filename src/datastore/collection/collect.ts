/**
 * Garbage collection (datastore-semantics.md 12, races.md 9).
 *
 * Order: the process lock, exclusive; the start time; the hook that hears what sessions register; the digests of live
 * sessions; the walk and the marks, again until nothing unknown appears; the checks; the sweep. Before the first file
 * goes: every device of the store is synced. An abort leaves nothing behind: marks only keep, and what is
 * removed was garbage.
 */
import { dirname } from 'node:path'
import { hasCode, isSystemError } from '../../base/errors.ts'
import type { ProcessLockGuard } from '../../base/fs/record-lock.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { formatDuration } from '../../base/human-units.ts'
import type { Progress } from '../../base/progress.ts'
import { formatRfc3339 } from '../../base/time/format.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { finishBegun } from '../finish-begun.ts'
import { CHUNKS_FOLDER } from '../layout.ts'
import { breathe } from '../sessions/breathe.ts'
import { findSharer } from '../state-folder.ts'
import { beginBucket, checkHolder, lowerHolder, waitOutDoubt } from './bucket/begin-bucket.ts'
import { BucketSweep } from './bucket/bucket-sweep.ts'
import { finishBucket } from './bucket/finish-bucket.ts'
import { flagSnapshots } from './bucket/flag-snapshots.ts'
import { markRemoteRoots } from './bucket/remote-roots.ts'
import { doorEngine } from './door-engine.ts'
import type { CollectionEngine } from './engine.ts'
import { type FolderSizes, NO_SIZES, readSizes, writeSizes } from './folder-sizes.ts'
import { Memory } from './memory.ts'
import { Marks, type MarksState, PREFIX_COUNT } from './marks.ts'
import { reportMissing } from './missing.ts'
import {
  checkArrivals,
  checkClock,
  checkRoots,
  checkStore,
  FolderIdentities,
  rememberGroups,
  rememberStore,
} from './plausibility.ts'
import { MarksFull, Roots } from './roots.ts'
import { type CollectionRun, type PassRange, type RunStart, SessionMarks } from './run.ts'
import { emptyStatus, type GcStatus, readGcStatus, statusLines, writeGcStatus } from './status.ts'
import { removeOldTemporaries } from './snapshot-temporaries.ts'
import { Sweep } from './sweep.ts'
import { workerEngine } from './worker-engine.ts'

export interface CollectOptions {
  readonly progress: Progress
  /** Of the task, for `.gc-status`. */
  readonly upid: string
  /** An administrator says that what is gone is meant to be gone: no index at all, or some without a known removal. */
  readonly isConfirmed?: boolean
  /** Passes to begin with; more are made when the memory is short. */
  readonly passCount?: number
  readonly engine?: CollectionEngine
}

/** Marking a chunk bad takes the lock for a moment, too. */
const LOCK_WAIT_MS = 5_000
const LOCK_RETRY_MS = 50
/** Doubts about the bucket that one call waits out; a second one is another than it waited for. */
const DOUBTS_MAX = 3
/** File times and clocks of writers may differ by this: stock's margin. */
const WRITER_MARGIN_MS = 300_000
/** New chunks since the last run. */
const CAPACITY_RESERVE = 1.15
const PASSES_MAX = 256

/**
 * Removes the chunks that nobody references. Throws COLLECTION_RUNNING, PROCESS_LOCK_BUSY, COLLECTION_MARK_FAILED,
 * COLLECTION_UNSAFE, BUCKET_DOUBTFUL: nothing was removed then; COLLECTION_SWEEP_FAILED, SYNC_FAILED, the abort reason.
 */
export async function collect(store: Datastore, options: CollectOptions): Promise<GcStatus> {
  for (let count = 1; ; count += 1) {
    await waitOutDoubt(store, options.progress)
    await finishBegun(store)
    try {
      return await collectNow(store, options)
    } catch (error) {
      // Found only under the process lock, and nothing was begun.
      if (count === DOUBTS_MAX || !hasCode(error, 'BUCKET_DOUBTFUL')) throw error
    }
  }
}

async function collectNow(store: Datastore, options: CollectOptions): Promise<GcStatus> {
  const { progress, upid } = options
  const { core } = store
  using _running = core.collection.begin()
  using _use = core.enter()
  progress.log(`starting garbage collection on store ${store.name}`)
  using _process = await takeProcessLock(store)
  await checkNesting(store)
  await checkNotShared(store)
  const start = beginRun(store, progress)
  const run: CollectionRun = {
    store,
    progress,
    engine: options.engine ?? (store.fs === nodeFileSystem ? workerEngine() : doorEngine(store.fs)),
    bucketRun: await beginBucket(store, start, progress),
    start,
    counts: emptyStatus(upid),
    shortage: { isThere: false },
    isConfirmed: options.isConfirmed ?? false,
  }
  await using _engine = run.engine
  const identities = await rememberStore(store)
  const memory = await Memory.open(run)
  try {
    await collectAll(run, { identities, memory, passCount: options.passCount ?? 1 })
  } finally {
    await memory.close()
    if (run.bucketRun !== null) await lowerHolder(run.bucketRun, progress)
  }
  for (const line of statusLines(run.counts)) progress.log(line)
  const status: GcStatus = Object.freeze({ ...run.counts })
  await writeGcStatus(store, status)
  return status
}

async function takeProcessLock(store: Datastore): Promise<ProcessLockGuard> {
  const { clock, core } = store
  const deadline = clock.monotonic() + LOCK_WAIT_MS
  for (;;) {
    try {
      return core.processLock.tryExclusive()
    } catch (error) {
      if (!hasCode(error, 'PROCESS_LOCK_HELD') || clock.monotonic() >= deadline) throw error
    }
    await clock.sleep(LOCK_RETRY_MS)
  }
}

/** A store around this one would take our indexes for strange ones of its own, or miss them. */
async function checkNesting({ fs, path }: Datastore): Promise<void> {
  const parts = (await fs.realPath(path)).split('/')
  const around = new FolderIdentities(fs)
  for (let count = parts.length - 1; count > 0; count -= 1) {
    const folder = parts.slice(0, count).join('/')
    if ((await around.read(`${folder}/${CHUNKS_FOLDER}`)) === null) continue
    throw errors.COLLECTION_UNSAFE({ reason: `nested in the datastore ${quote(folder)}` })
  }
}

/** What another store names is no garbage, and nobody here sees its indexes. Chunks in a bucket lie in no folder. */
async function checkNotShared({ fs, path, core, bucket }: Datastore): Promise<void> {
  if (bucket !== null) return
  const other = await findSharer(fs, { folder: dirname(core.collection.folder), path })
  if (other === null) return
  const reason = `its chunks are those of the datastore ${quote(other)}, too`
  throw errors.COLLECTION_UNSAFE({ reason })
}

/** The start time is taken before anything is marked (races.md R-08). */
function beginRun({ clock, core, settings }: Datastore, progress: Progress): RunStart {
  const wallMs = clock.now()
  const graceMs = settings.gcGraceMs
  const oldest = core.processLock.oldestShared
  let cutoffMs = wallMs - graceMs
  const writerMs = oldest === null ? Infinity : oldest * 1000 - WRITER_MARGIN_MS
  // Without grace only the marks protect, by an administrator's wish.
  const isExtended = graceMs > 0 && writerMs < cutoffMs
  if (isExtended) cutoffMs = writerMs
  const minimum = formatRfc3339(Math.floor((wallMs - graceMs) / 1000))
  const cutoff = formatDuration(graceMs / 1000)
  progress.log(`Using access time cutoff ${cutoff}, minimum access time is ${minimum}`)
  if (isExtended && oldest !== null) {
    const started = formatRfc3339(oldest)
    const extended = formatRfc3339(Math.floor(cutoffMs / 1000))
    progress.log(
      `Oldest backup writer started at ${started}, extending minimum access time to ${extended}`,
    )
  }
  return { wallMs, monotonicMs: clock.monotonic(), cutoffMs }
}

async function collectAll(
  run: CollectionRun,
  options: Pick<PassOptions, 'identities' | 'memory'> & { readonly passCount: number },
): Promise<void> {
  const { store } = run
  const sizes = run.bucketRun === null ? await readSizes(store) : NO_SIZES
  let size = Math.ceil(PREFIX_COUNT / options.passCount)
  let roots: Roots | null = null
  for (let from = 0; from < PREFIX_COUNT; ) {
    const range = { from, to: Math.min(from + size, PREFIX_COUNT) }
    try {
      roots = await collectPass(run, { ...options, range, sizes })
      from = range.to
    } catch (error) {
      if (!(error instanceof MarksFull)) throw error
      size = Math.ceil(size / 2)
      run.progress.log(`marks take too much memory, folders of a pass: ${size}`)
    }
  }
  if (roots === null) return
  await finishBucket(run)
  if (run.shortage.isThere) {
    const missing = await reportMissing(run, roots)
    if (run.bucketRun !== null) await flagSnapshots(run, roots, missing)
  }
  await removeTemporaries(run, roots)
  const { entries: read, marks } = roots
  const present = await roots.present()
  const generation = await options.memory.save(marks, { present, read })
  if (run.bucketRun === null) await writeSizes(store, { table: sizes.table, generation })
}

interface PassOptions {
  readonly range: PassRange
  readonly identities: FolderIdentities
  readonly memory: Memory
  readonly sizes: FolderSizes
}

/** One range of folders: its marks from all indexes, then its sweep. */
async function collectPass(run: CollectionRun, options: PassOptions): Promise<Roots> {
  const { store, progress } = run
  const { range, memory } = options
  const isOnly = range.to - range.from === PREFIX_COUNT
  await (isOnly ? memory.beginLists() : memory.endLists())
  const capacity = await expectedMarks(run, range)
  const { state: marks } = new Marks({ ...range, capacity, shared: true })
  using sessions = new SessionMarks(store, range)
  await store.core.collection.untilNoMoves(progress.signal)
  await sessions.seed(breathe)
  const part = isOnly ? '' : `, folders ${range.from} to ${range.to - 1}`
  progress.log(`Start GC phase1 (mark used chunks${part})`)
  const mayShrink = range.to - range.from > PREFIX_COUNT / PASSES_MAX
  const bytesMax = mayShrink ? store.settings.gcMemoryMax : Infinity
  const roots = new Roots(run, { marks, capacity, bytesMax, memory })
  await roots.markAll()
  await markRemoteRoots(run, roots, { bytesMax })
  if (range.from === 0) await countIndexes(run, roots)
  await checkBeforeSweep(run, roots, options)
  progress.log(`Start GC phase2 (sweep unused chunks${part})`)
  await sweepPass(run, roots, { ...options, sessions })
  return roots
}

async function checkBeforeSweep(
  { store, start, bucketRun, isConfirmed }: CollectionRun,
  roots: Roots,
  { identities, memory }: PassOptions,
): Promise<void> {
  const groups = await rememberGroups(store, roots.files)
  await checkStore(store, identities)
  await checkRoots(store, roots, groups)
  // What a bucket has is asked of the bucket.
  if (bucketRun === null && !isConfirmed) await checkArrivals(store, roots, memory.arrivals)
  checkClock(store.clock, start)
}

async function sweepPass(
  run: CollectionRun,
  roots: Roots,
  options: PassOptions & { readonly sessions: SessionMarks },
): Promise<void> {
  const { store, progress, isConfirmed, bucketRun } = run
  const { identities, memory, range, sizes, sessions } = options
  // A store whose last snapshot was removed has none either, but then a run before this one saw it.
  const rootCount = roots.files.length + (bucketRun?.remoteOnly?.length ?? 0)
  const isWithoutRoots = rootCount === 0 && memory.isFirstRun && !isConfirmed
  const beforeFirst = async (): Promise<void> => {
    if (isWithoutRoots) {
      throw errors.COLLECTION_UNSAFE({ reason: 'there are chunks, but not a single index file' })
    }
    await roots.readKept()
    await checkStore(store, identities)
    checkClock(store.clock, run.start)
    await syncAll(store, roots)
    if (bucketRun !== null) await checkHolder(bucketRun, progress.signal)
  }
  const marks = (): MarksState => roots.marks
  const sweepOptions = {
    ...range,
    sessions,
    marks,
    known: sizes.table,
    areMarksKept: sizes.generation !== null && sizes.generation === memory.wholeGeneration,
    beforeFirst,
    keepsZeroChunk: isWithoutRoots,
  }
  const sweep =
    bucketRun === null
      ? new Sweep(run, sweepOptions)
      : new BucketSweep(run, bucketRun, sweepOptions)
  const markCount = roots.marks.count
  await sweep.run()
  if (sweep.keptCount < markCount) run.shortage.isThere = true
  if (sweep.temporaryCount > 0) progress.log(`Removed temporary files: ${sweep.temporaryCount}`)
}

/** A namespace may be a mount of its own (races.md R-63). */
async function syncAll(store: Datastore, roots: Roots): Promise<void> {
  const devices = new Map(roots.files.map(({ dev, path }) => [dev, path]))
  for (const path of devices.values()) await addDeviceOf(store, path)
  await store.core.sync.run()
}

/** Its folder may have been removed since it was listed: those above it are on the same device, or on the store's. */
async function addDeviceOf(store: Datastore, path: string): Promise<void> {
  let folder = dirname(`${store.path}/${path}`)
  for (; folder.length > store.path.length; folder = dirname(folder)) {
    try {
      await store.core.sync.addDevice(folder)
      return
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
  }
}

/** What cut updates of manifests left (races.md R-56). */
async function removeTemporaries({ store, progress }: CollectionRun, roots: Roots): Promise<void> {
  const paths = [...roots.temporaries].map((path) => `${store.path}/${path}`)
  const options = { nowMs: store.clock.now(), signal: progress.signal }
  const count = await removeOldTemporaries(store.fs, paths, options)
  if (count > 0) progress.log(`Removed temporary files of snapshots: ${count}`)
}

async function expectedMarks({ store }: CollectionRun, range: PassRange): Promise<number> {
  const last = await readGcStatus(store)
  if (last === null) return 0
  const count = (last['disk-chunks'] + last['pending-chunks']) * CAPACITY_RESERVE
  return Math.ceil((count * (range.to - range.from)) / PREFIX_COUNT)
}

async function countIndexes({ counts }: CollectionRun, roots: Roots): Promise<void> {
  for (const { size } of await roots.present()) {
    counts['index-file-count'] += 1
    counts['index-data-bytes'] += size
  }
}
