/**
 * Opens the bucket of a datastore: ledger, holder, suspects, tree, chunks. Two datastores never have one place in a
 * bucket, whatever their folders (races.md R-66).
 */
import { errorChain, isSystemError } from '../../base/errors.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { ProcessLock } from '../../base/fs/record-lock.ts'
import type { Log } from '../../base/log.ts'
import { silentProgress } from '../../base/progress.ts'
import { type Clock, unixSeconds } from '../../base/time/clock.ts'
import type { Digest } from '../../formats/digest.ts'
import { ChunkCache } from '../../storage/bucket-chunks/chunk-cache.ts'
import { chunkKey } from '../../storage/bucket-chunks/chunk-keys.ts'
import { S3Backend } from '../../storage/bucket-chunks/s3-backend.ts'
import { SqliteLedger } from '../../storage/bucket-chunks/sqlite-ledger.ts'
import type { Ledger, LedgerHolder } from '../../storage/ledger.ts'
import type { ObjectStore } from '../../storage/object-store.ts'
import type { ProbeVerdict } from '../../storage/s3/verdict.ts'
import { errors } from '../errors.ts'
import type { Owner } from '../store-files.ts'
import type { Gate } from '../uploads/gate.ts'
import { doubtAll } from './doubt-all.ts'
import { HolderCopy } from './holder-copy.ts'
import { ObjectHolder } from './object-holder.ts'
import { ObjectTree } from './object-tree.ts'
import { rebuildLedger } from './rebuild-ledger.ts'
import { StateMarks } from './state-marks.ts'
import type { OpenedObjects, StoreBucket } from './store-bucket.ts'

/** What the registry hands down for a datastore in a bucket. */
export interface BucketDoors {
  /** Says which bucket is meant: what is open with another one is not it. */
  readonly identity: string
  /** Name of the datastore. */
  readonly prefix: string
  readonly maxCacheBytes: number | null
  /** Another one at each start of the machine; null: it is not known. Default null. */
  readonly bootId?: string | null | undefined
  openObjects(): Promise<OpenedObjects>
  /** Default: the SQLite file. */
  readonly openLedger?: ((path: string) => Promise<Ledger>) | undefined
}

export interface OpenBucketOptions {
  readonly doors: BucketDoors
  /** The datastore's folder. */
  readonly path: string
  /** Ours alone. */
  readonly stateFolder: string
  readonly owner: Owner | undefined
  readonly gate: Gate
  /** Null: no other process has the datastore open. */
  readonly processLock?: Pick<ProcessLock, 'tryShared'> | null
  readonly clock: Clock
  readonly log: Log
}

export const LEDGER_FILE = 'ledger.sqlite'
/** An answer takes less; a server that starts has other datastores, too. */
const START_WAIT_MS = 15_000
/** Below the datastore's folder. */
export const CACHE_FOLDER = '.cairn-cache'

/** Places of buckets that are open in this process. */
const places = new Set<string>()

/** Opens the bucket. Throws DATASTORE_OPEN_FAILED if its place is open, what the doors throw. */
export async function openBucket(fs: FileSystem, options: OpenBucketOptions): Promise<OpenBucket> {
  const { doors, path } = options
  const opened = await doors.openObjects()
  const place = `${opened.objects.place}/${doors.prefix}`
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => await opened.close?.())
  if (places.has(place)) {
    throw errors.DATASTORE_OPEN_FAILED({ path, reason: `${place} is open with another folder` })
  }
  places.add(place)
  stack.defer(() => void places.delete(place))
  const ledger = await openLedger(fs, options)
  stack.defer(async () => await ledger.close())
  const cache = await openCache(fs, options)
  stack.defer(async () => await cache?.close())
  const marks = new StateMarks(fs, options.stateFolder)
  const copy = new HolderCopy(fs, { path, owner: options.owner })
  const { doubt, isIncomplete } = await findDoubt({ ledger, copy, marks })
  if (isIncomplete) await doubtAll(ledger, options.clock)
  const parts = { opened, ledger, cache, marks, copy, options }
  const bucket = new OpenBucket(parts, { doubt, onClose: stack.move() })
  await bucket.start()
  return bucket
}

interface BucketParts {
  readonly opened: OpenedObjects
  readonly ledger: Ledger
  readonly cache: ChunkCache | null
  readonly marks: StateMarks
  readonly copy: HolderCopy
  readonly options: OpenBucketOptions
}

export class OpenBucket implements StoreBucket {
  readonly objects: ObjectStore
  readonly ledger: Ledger
  readonly verdict: ProbeVerdict
  readonly prefix: string
  readonly holder: ObjectHolder
  readonly tree: ObjectTree
  readonly chunks: S3Backend
  readonly marks: StateMarks
  readonly copy: HolderCopy
  readonly #cache: ChunkCache | null
  readonly #options: OpenBucketOptions
  readonly #onClose: AsyncDisposableStack
  readonly #ending = new AbortController()
  #rebuildStop = new AbortController()
  #rebuilding: Promise<void> | null = null

  /** Only `openBucket` makes one. */
  constructor(
    { opened, ledger, cache, marks, copy, options }: BucketParts,
    made: { readonly doubt: string | null; readonly onClose: AsyncDisposableStack },
  ) {
    const { clock, log, gate, doors } = options
    const { objects, verdict } = opened
    const { prefix } = doors
    const doorsOfAll = { objects, ledger, verdict, prefix, clock }
    this.objects = objects
    this.ledger = ledger
    this.verdict = verdict
    this.prefix = prefix
    this.marks = marks
    this.copy = copy
    const onDoubtful = async (): Promise<void> => await this.#startAnew()
    const { bootId = null } = doors
    this.holder = new ObjectHolder({
      ...doorsOfAll,
      copy,
      doubt: made.doubt,
      bootId,
      onDoubtful,
      isRefreshing: async () => await marks.has('refreshing'),
      onRefreshed: async () => await this.#goOn(),
    })
    this.tree = new ObjectTree(doorsOfAll)
    const isStale = (): boolean => this.isStale
    const afterDoubt = async (signal?: AbortSignal): Promise<void> => await this.#rebuilt(signal)
    this.chunks = new S3Backend({ ...doorsOfAll, cache, gate, isStale, afterDoubt, log })
    this.#cache = cache
    this.#options = options
    this.#onClose = made.onClose
  }

  get isStale(): boolean {
    return this.holder.doubt !== null
  }

  chunkKey(digest: Digest): string {
    return chunkKey(this.prefix, digest)
  }

  /** What the cache of chunks holds; null: there is none. */
  get cacheUse(): { readonly bytes: number; readonly count: number } | null {
    return this.#cache === null ? null : { bytes: this.#cache.size, count: this.#cache.count }
  }

  async forgetCopy(digest: Digest): Promise<void> {
    if (this.#cache?.has(digest) === true) await this.#cache.remove(digest)
  }

  /** After a change of the configuration. */
  resizeCache(bytesMax: number | null): void {
    this.#cache?.resize(bytesMax)
  }

  /**
   * The first look. A bucket that does not answer now, or not within START_WAIT_MS, does not keep us from listing and
   * reading what is here: every session and every collection looks again.
   */
  async start(): Promise<void> {
    const { log } = this.#options
    const looked = new AbortController()
    const looking = this.#lookFirst().finally(() => looked.abort())
    await Promise.race([looking, this.#waitForStart(looked.signal)])
    if (looked.signal.aborted) return
    const waitedMs = START_WAIT_MS
    const { place } = this.objects
    log.warn('the bucket has not answered yet: sessions look again', { place, waitedMs })
  }

  async #waitForStart(signal: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(START_WAIT_MS, signal).catch(() => {})
  }

  async #lookFirst(): Promise<void> {
    const { log } = this.#options
    const store = this.prefix
    try {
      const doubt = await this.#checkFirst()
      if (doubt !== null) log.warn('the bucket is not held as it was left', { store, doubt })
      else if (await this.marks.has('rebuilding')) this.rebuildInBackground()
    } catch (error) {
      if (this.#ending.signal.aborted) return
      log.warn('cannot look at the bucket', { store, error: errorChain(error) })
    }
  }

  /** What a collection of ours that was killed left is seen if no other process may be at it. */
  async #checkFirst(): Promise<string | null> {
    const { processLock = null, clock } = this.#options
    const { signal } = this.#ending
    let lock: Disposable | null = null
    try {
      lock = processLock?.tryShared(unixSeconds(clock)) ?? null
    } catch {
      return await this.holder.check(signal)
    }
    using _lock = lock
    return await this.holder.check(signal, { isAlone: true })
  }

  async #startAnew(): Promise<void> {
    const { log } = this.#options
    const store = this.prefix
    log.warn('the ledger is made anew: it may not know of all requests', { store })
    await this.marks.set('rebuilding')
    this.rebuildInBackground()
  }

  /** Whoever refreshed may have ended before he listed the chunks. */
  async #goOn(): Promise<void> {
    if (await this.marks.has('rebuilding')) this.rebuildInBackground()
  }

  /** Resolves when a rebuild that runs has ended, however. */
  async #rebuilt(signal?: AbortSignal): Promise<void> {
    await waitFor(this.#rebuilding, signal)
  }

  /**
   * The ledger from a LIST, while all else goes on; what is missing until then is only unknown. While everything is in
   * doubt it waits: what is listed then may go yet.
   */
  rebuildInBackground(): void {
    if (this.#ending.signal.aborted) return
    const { log } = this.#options
    const store = this.prefix
    this.#rebuildStop = new AbortController()
    this.#rebuilding ??= this.#rebuild()
      .then((count) => log.info('the ledger was made anew', { store, count }))
      .catch((error: unknown) => {
        log.warn('cannot make the ledger anew', { store, error: errorChain(error) })
      })
      .finally(() => (this.#rebuilding = null))
  }

  /** Resolves when no rebuild runs in the background, or it was stopped. */
  async endRebuild(how: 'wait' | 'stop'): Promise<void> {
    if (how === 'stop') this.#rebuildStop.abort()
    await this.#rebuilding
  }

  async close(): Promise<void> {
    this.#ending.abort()
    await this.endRebuild('stop')
    await this.chunks[Symbol.asyncDispose]()
    await this.#onClose.disposeAsync()
  }

  async #rebuild(): Promise<number> {
    const { signal } = this.#rebuildStop
    await this.chunks.provisional.untilOver(signal)
    const count = await rebuildLedger(this, silentProgress(signal))
    await this.marks.unset('rebuilding')
    return count
  }
}

async function openLedger(fs: FileSystem, options: OpenBucketOptions): Promise<Ledger> {
  const { doors, stateFolder, clock, log } = options
  const path = `${stateFolder}/${LEDGER_FILE}`
  if (doors.openLedger !== undefined) return await doors.openLedger(path)
  return await SqliteLedger.open(fs, { path, clock, log })
}

/** Without room for it there is no cache, but a datastore. */
async function openCache(fs: FileSystem, options: OpenBucketOptions): Promise<ChunkCache | null> {
  const { doors, path, clock, log } = options
  const folder = `${path}/${CACHE_FOLDER}`
  const bytesMax = doors.maxCacheBytes
  if (bytesMax === 0) return null
  try {
    return await ChunkCache.open(fs, { folder, bytesMax, clock, log })
  } catch (error) {
    if (!isSystemError(error, 'ENOSPC', 'EROFS', 'EDQUOT')) throw error
    log.warn('no cache of chunks', { folder, error: errorChain(error) })
    return null
  }
}

/**
 * What ledger and folder say about each other. A ledger that was lost is made anew if the folder knows the holder;
 * whether that still is the bucket's is seen by the first look.
 */
async function findDoubt({
  ledger,
  copy,
  marks,
}: {
  readonly ledger: Ledger
  readonly copy: HolderCopy
  readonly marks: StateMarks
}): Promise<{ readonly doubt: string | null; readonly isIncomplete: boolean }> {
  if (await marks.has('refreshing')) return doubtful('a refresh of it did not end')
  const [known, copied] = [ledger.holder, await copy.read()]
  if (known === null) {
    if (copied === null)
      return doubtful('it was never claimed from here, or all that was known of it is lost')
    await marks.set('rebuilding')
    await ledger.setHolder(copied)
    return { doubt: null, isIncomplete: true }
  }
  if (!isBehind(copied, known)) return { doubt: null, isIncomplete: false }
  return doubtful('the local tree is older than what is known of the bucket')
}

function doubtful(doubt: string) {
  return { doubt, isIncomplete: true }
}

/** The copy is written first: it is never behind, unless the folder was rolled back. */
function isBehind(copied: LedgerHolder | null, known: LedgerHolder): boolean {
  if (copied === null || copied.holderId !== known.holderId) return true
  if (copied.generation !== known.generation) return copied.generation < known.generation
  return copied.nonce !== known.nonce && known.nonce !== ''
}

async function waitFor(promise: Promise<void> | null, signal?: AbortSignal): Promise<void> {
  if (promise === null) return
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal?.reason)
  signal?.throwIfAborted()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([promise, aborted.promise])
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}
