/**
 * What belongs to a datastore's identity and not to its name (races.md R-66): two names of one folder (link, bind
 * mount, changed configuration) share one core, found by device and inode of `.lock`.
 */
import { SharedRun } from '../base/async/shared-run.ts'
import { releaseOnce } from '../base/async/wait-list.ts'
import { isSystemError } from '../base/errors.ts'
import type { FileHandle, FileSystem } from '../base/fs/file-system.ts'
import { ProcessLock } from '../base/fs/record-lock.ts'
import type { Log } from '../base/log.ts'
import type { Clock } from '../base/time/clock.ts'
import type { SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import { type BucketDoors, type OpenBucket, openBucket } from './bucket/open-bucket.ts'
import { CollectionState } from './collection/state.ts'
import { errors } from './errors.ts'
import { Doubt, doubtAfter, joinWindows } from './doubt.ts'
import { Journal } from './journal.ts'
import { CHUNKS_FOLDER, PROCESS_LOCK_FILE } from './layout.ts'
import { MissingChunks } from './missing-chunks.ts'
import { NameLocks } from './name-locks.ts'
import { areChunksHidden, claimStateFolder } from './state-folder.ts'
import { readStoreState, type StoreState, updateStoreState } from './store-state.ts'
import type { Owner } from './store-files.ts'
import { StoreSync } from './store-sync.ts'
import { Gate } from './uploads/gate.ts'
import { LiveSessions } from './uploads/session-digests.ts'

export interface StoreCoreOptions {
  /** The datastore's folder. */
  readonly path: string
  /** Folder for what we remember of this store, by its name; see state-folder.ts. */
  readonly stateFolder: string
  readonly clock: Clock
  readonly log: Log
  readonly owner?: Owner | undefined
  /** Null: its chunks are in its folder. */
  readonly bucket?: BucketDoors | null
}

export interface BegunRemoval {
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
}

/** Another process stamps within milliseconds. */
const USE_MARK_RETRY_MS = 20

/** All cores of this process. */
const cores = new Map<string, StoreCore>()

export class StoreCore {
  readonly processLock: ProcessLock
  readonly gate = new Gate()
  readonly names = new NameLocks()
  readonly sessions = new LiveSessions()
  readonly sync: StoreSync
  readonly doubt: Doubt
  readonly journal: Journal
  readonly collection: CollectionState
  readonly missing: MissingChunks
  /** Snapshots whose removal from the bucket began and did not end, by their path (races.md R-57). */
  readonly begunRemovals = new Map<string, BegunRemoval>()

  readonly #fs: FileSystem
  readonly #options: StoreCoreOptions
  readonly #stateRuns = new SharedRun()
  /** Set once, before anybody has the core. */
  #bucket: OpenBucket | null = null
  /** While it is open, the state folder keeps its name. */
  readonly #folderHold: FileHandle
  #lastGoodSyncMs: number
  /** Whether the state file says "clean" from the next write on. */
  #isClean = false
  #isNew: boolean
  #marking: Promise<void> | null = null
  #isMarkedInUse = false
  /** Held shared from the first session on: whoever ends while others go on must not stamp "clean". */
  #useMark: FileHandle | null = null
  /** Operations that are about to become sessions. */
  #entered = 0
  #openCount = 1

  private constructor(
    fs: FileSystem,
    options: StoreCoreOptions,
    opened: {
      processLock: ProcessLock
      folderHold: FileHandle
      state: StoreState | null
      isShared: boolean
    },
  ) {
    const nowMs = options.clock.now()
    const { state, isShared } = opened
    this.#fs = fs
    this.#options = options
    this.#isNew = state === null
    this.#lastGoodSyncMs = state?.lastGoodSyncMs ?? nowMs
    // Not stamped because another process works on it, as after a reload: nothing has ended yet.
    const isUnclean = state !== null && !state.clean && !isShared
    const fresh = isUnclean ? doubtAfter(state.lastGoodSyncMs, nowMs) : null
    this.processLock = opened.processLock
    this.#folderHold = opened.folderHold
    this.doubt = new Doubt(joinWindows(state?.doubt ?? null, fresh), state?.rewrites)
    this.journal = new Journal(fs, `${options.stateFolder}/sessions`)
    this.collection = new CollectionState(fs, `${options.stateFolder}/collection`)
    this.missing = new MissingChunks(fs, `${options.stateFolder}/missing-chunks`)
    this.sync = new StoreSync(fs, {
      clock: options.clock,
      path: options.path,
      hooks: {
        onGood: (startedMs) => this.#afterGoodSync(startedMs),
        onFailed: (reason) => this.#failAll(reason),
      },
    })
  }

  /** Opens `path`, or takes part in the core of the same store; close it once per open. */
  static async open(fs: FileSystem, options: StoreCoreOptions): Promise<StoreCore> {
    const processLock = await ProcessLock.open(fs, `${options.path}/${PROCESS_LOCK_FILE}`)
    try {
      const known = cores.get(processLock.identity)
      if (known !== undefined) {
        known.#checkSameBucket(options)
        known.#openCount += 1
        await processLock.close()
        return known
      }
      return await StoreCore.#create(fs, options, processLock)
    } catch (error) {
      await processLock.close()
      throw error
    }
  }

  static async #create(fs: FileSystem, given: StoreCoreOptions, processLock: ProcessLock) {
    const { stateFolder: folder, path, clock } = given
    const isLocal = (given.bucket ?? null) === null
    if (isLocal && (await areChunksHidden(fs, { folder, path }))) {
      const reason = 'it is empty, and was another folder before: is a file system not mounted?'
      throw errors.DATASTORE_OPEN_FAILED({ path: `${path}/${CHUNKS_FOLDER}`, reason })
    }
    const claimed = await claimStateFolder(fs, { folder, path, clock })
    try {
      const options = { ...given, stateFolder: claimed.folder }
      return await StoreCore.#createIn(fs, options, { processLock, folderHold: claimed.handle })
    } catch (error) {
      await claimed.handle.close()
      throw error
    }
  }

  static async #createIn(
    fs: FileSystem,
    options: StoreCoreOptions,
    held: { readonly processLock: ProcessLock; readonly folderHold: FileHandle },
  ) {
    const { processLock, folderHold } = held
    // Asked first: who ends between the two has stamped what is read then.
    const isShared = await isMarkedElsewhere(fs, options)
    const state = await readStoreState(fs, statePath(options))
    const core = new StoreCore(fs, options, { ...held, state, isShared })
    try {
      // Descriptors first: they hear of the errors of everything written after.
      await core.sync.addDevice(options.path)
      await core.sync.addDevice(`${options.path}/${CHUNKS_FOLDER}`)
      await core.#openBucket()
    } catch (error) {
      await core.sync.close()
      throw error
    }
    const other = cores.get(processLock.identity)
    if (other !== undefined) {
      other.#openCount += 1
      await core.#bucket?.close()
      await core.sync.close()
      await folderHold.close()
      await processLock.close()
      return other
    }
    cores.set(processLock.identity, core)
    return core
  }

  /** Null for a datastore in a folder. */
  get bucket(): OpenBucket | null {
    return this.#bucket
  }

  /** Device and inode of `.lock`. */
  get identity(): string {
    return this.processLock.identity
  }

  /** Whether it was closed: nothing may be written through it any more. */
  get isClosed(): boolean {
    return this.#openCount === 0
  }

  /** Whether sessions run or are about to. */
  get isInUse(): boolean {
    return this.#entered > 0 || this.sessions.count > 0
  }

  /** Counts as a use until it is disposed: for the time between a look-up and the session. */
  enter(): Disposable {
    this.#entered += 1
    return releaseOnce(() => {
      this.#entered -= 1
    })
  }

  /** To be awaited before a session writes: an end from now on is unclean unless it is orderly. */
  async markInUse(): Promise<void> {
    this.#marking ??= this.#markNow()
    try {
      await this.#marking
    } catch (error) {
      this.#marking = null
      throw error
    }
  }

  async #markNow(): Promise<void> {
    await this.#fs.mkdir(this.#options.stateFolder, { recursive: true, mode: 0o700 })
    // What somebody else wrote before us was never stamped: now it is durable, too.
    if (this.#isNew) await this.sync.run()
    this.#useMark ??= await this.#fs.open(useMarkPath(this.#options), 'read-write-create', 0o600)
    // Exclusive only while another process stamps "clean" at its end; ours is to come after that.
    while (!this.#useMark.tryLock('flock', 'shared')) {
      await this.#options.clock.sleep(USE_MARK_RETRY_MS)
    }
    await this.#saveState()
    this.#isNew = false
    this.#isMarkedInUse = true
  }

  /** Gives one open back; with the last one the store is synced, stamped clean and closed. */
  async close(): Promise<void> {
    this.#openCount -= 1
    if (this.#openCount > 0) return
    cores.delete(this.identity)
    try {
      if (this.#isMarkedInUse) {
        await this.sync.run()
        this.#isClean = this.#useMark?.tryLock('flock', 'exclusive') ?? false
        await this.#saveState()
      }
    } finally {
      await this.#bucket?.close()
      await this.collection.close()
      await this.#useMark?.close()
      await this.sync.close()
      await this.#folderHold.close()
      await this.processLock.close()
    }
  }

  async #openBucket(): Promise<void> {
    const { bucket: doors = null, path, stateFolder, owner, clock, log } = this.#options
    if (doors === null) return
    await this.#fs.mkdir(stateFolder, { recursive: true, mode: 0o700 })
    const { gate, processLock } = this
    const options = { doors, path, stateFolder, owner, gate, processLock, clock, log }
    this.#bucket = await openBucket(this.#fs, options)
  }

  /** Chunks of one datastore must not go into the bucket of another that has its folder (races.md R-66). */
  #checkSameBucket({ path, bucket }: StoreCoreOptions): void {
    const [ours, theirs] = [this.#options.bucket ?? null, bucket ?? null]
    if (ours?.identity === theirs?.identity && ours?.prefix === theirs?.prefix) return
    const reason = 'it is open with another backend'
    throw errors.DATASTORE_OPEN_FAILED({ path, reason })
  }

  #afterGoodSync(startedMs: number): void {
    this.#lastGoodSyncMs = startedMs
    this.#saveStateLater()
  }

  #failAll(reason: Error): void {
    this.doubt.afterFailedSync(this.#lastGoodSyncMs, this.#options.clock.now())
    this.sessions.failAll(reason)
    this.#options.log.error('sync failed: all live sessions fail', { path: this.#options.path })
    this.#saveStateLater()
  }

  /** Late is harmless: an older stamp only widens the doubt. */
  #saveStateLater(): void {
    if (!this.#isMarkedInUse) return
    this.#saveState().catch((thrown: unknown) => this.#warnState(thrown))
  }

  async #saveState(): Promise<void> {
    await this.#stateRuns.run(async () => {
      const { window: doubt, rewrites } = this.doubt
      const lastGoodSyncMs = this.#lastGoodSyncMs
      const state = { clean: this.#isClean, lastGoodSyncMs, doubt, rewrites }
      const { clock } = this.#options
      await updateStoreState(this.#fs, { path: statePath(this.#options), clock, state })
    })
  }

  #warnState(error: unknown): void {
    const { path } = this.#options
    this.#options.log.warn('cannot stamp the state of a datastore', { path, error: String(error) })
  }
}

/** Whether another process has had a session on the store and has not closed it. */
async function isMarkedElsewhere(fs: FileSystem, options: StoreCoreOptions): Promise<boolean> {
  try {
    await using handle = await fs.open(useMarkPath(options), 'write')
    return !handle.tryLock('flock', 'exclusive')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}

function useMarkPath(options: StoreCoreOptions): string {
  return `${options.stateFolder}/in-use.lock`
}

function statePath(options: StoreCoreOptions): string {
  return `${options.stateFolder}/state.json`
}
