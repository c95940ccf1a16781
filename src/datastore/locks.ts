/**
 * The locks of groups, snapshots and manifests: `flock` on files of their own, the same files that stock takes
 * (datastore-semantics.md 5). Order of taking: process lock, group, snapshots (own, base), manifest; see
 * docs/locking.md. A lock file is unlinked only while it is held, so two holders never exist (races.md ).
 */
import { dirname } from 'node:path'
import { currentOperation } from '../base/async/current-operation.ts'
import { hasCode, toError } from '../base/errors.ts'
import { errors as lockErrors } from '../base/fs/errors.ts'
import { type FileLock, lockFile } from '../base/fs/file-lock.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { type Log, silentLog } from '../base/log.ts'
import type { Clock } from '../base/time/clock.ts'
import type { GroupRef, SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import { errors } from './errors.ts'
import { LockBook, type LockHolder } from './lock-book.ts'
import { groupLockName, lockFolder, manifestLockName, snapshotLockName } from './layout.ts'
import { NameLocks } from './name-locks.ts'
import { type Owner, StoreFiles } from './store-files.ts'

export type { FileLock } from '../base/fs/file-lock.ts'

/** Updates of a manifest take milliseconds: who waits longer than this waits for something broken. */
const MANIFEST_WAIT_MS = 5_000
/** As stock's. */
const MOVE_JOURNAL_WAIT_MS = 10_000
/** As for a lock file that another process has. */
const NAME_RETRY_MS = 20
/** A lock file that is removed while it is opened is opened again; each round needs another removal. */
const REPLACED_ATTEMPTS_MAX = 10

export type LockKind = 'exclusive' | 'shared'

type BusyError = (
  data: { readonly path: string; readonly holders: readonly LockHolder[] },
  options: { readonly cause: unknown },
) => Error

export class LockTable {
  readonly #fs: FileSystem
  readonly #clock: Clock
  readonly #folder: string
  readonly #store: string
  readonly #owner: Owner | undefined
  readonly #book: LockBook
  readonly #log: Log
  readonly #names: NameLocks

  /** `folder` holds the lock files of all datastores, `store` is the name of this one. */
  constructor(
    fs: FileSystem,
    options: {
      readonly clock: Clock
      readonly folder: string
      readonly store: string
      readonly owner: Owner | undefined
      /** Shared by all tables of a process on this folder. */
      readonly book?: LockBook | undefined
      /** Shared by the tables of all names of one store. */
      readonly names?: NameLocks
      readonly log?: Log
    },
  ) {
    this.#fs = fs
    this.#clock = options.clock
    this.#folder = options.folder
    this.#store = options.store
    this.#owner = options.owner
    this.#book = options.book ?? new LockBook()
    this.#log = options.log ?? silentLog
    this.#names = options.names ?? new NameLocks()
  }

  /** Exclusive, at once; throws GROUP_LOCK_BUSY. */
  async lockGroup(ns: NamespacePath, group: GroupRef): Promise<FileLock> {
    const path = this.groupLockPath(ns, group)
    return await this.#take(path, { kind: 'exclusive', timeoutMs: 0 }, errors.GROUP_LOCK_BUSY)
  }

  /** At once; throws SNAPSHOT_LOCK_BUSY or SHARED_SNAPSHOT_LOCK_BUSY. */
  async lockSnapshot(ns: NamespacePath, ref: SnapshotRef, kind: LockKind): Promise<FileLock> {
    const path = this.snapshotLockPath(ns, ref)
    const busy = kind === 'shared' ? errors.SHARED_SNAPSHOT_LOCK_BUSY : errors.SNAPSHOT_LOCK_BUSY
    return await this.#take(path, { kind, timeoutMs: 0 }, busy)
  }

  /** Exclusive, within five seconds; throws MANIFEST_LOCK_BUSY. */
  async lockManifest(ns: NamespacePath, ref: SnapshotRef): Promise<FileLock> {
    const path = this.manifestLockPath(ns, ref)
    const options = { kind: 'exclusive', timeoutMs: MANIFEST_WAIT_MS } as const
    return await this.#take(path, options, errors.MANIFEST_LOCK_BUSY)
  }

  /** Exclusive, within ten seconds; the journal itself is the lock file. Throws LOCK_BUSY. */
  async lockMoveJournal(): Promise<FileLock> {
    const path = this.moveJournalPath
    const busy = (_data: object, { cause }: { readonly cause: unknown }) => toError(cause)
    return await this.#take(path, { kind: 'exclusive', timeoutMs: MOVE_JOURNAL_WAIT_MS }, busy)
  }

  /** Where moves write the paths they are about to use, one a line (datastore-semantics.md 17). */
  get moveJournalPath(): string {
    return `${this.#folder}/${this.#store}/move-journal`
  }

  groupLockPath(ns: NamespacePath, group: GroupRef): string {
    return this.#path(ns, groupLockName(group))
  }

  snapshotLockPath(ns: NamespacePath, ref: SnapshotRef): string {
    return this.#path(ns, snapshotLockName(ref))
  }

  manifestLockPath(ns: NamespacePath, ref: SnapshotRef): string {
    return this.#path(ns, manifestLockName(ref))
  }

  #path(ns: NamespacePath, name: string): string {
    return `${lockFolder(this.#folder, this.#store, ns)}/${name}`
  }

  async #take(
    path: string,
    options: { readonly kind: LockKind; readonly timeoutMs: number },
    busy: BusyError,
  ): Promise<FileLock> {
    const { timeoutMs } = options
    if (timeoutMs === 0) return await this.#takeNow(path, options, busy)
    // Waiting for a file has no order; inside the process who came first is first.
    const clock = this.#clock
    const deadline = clock.monotonic() + timeoutMs
    using turn = await this.#book.turn(path, { clock, timeoutMs })
    if (turn === null) throw this.#busy(path, busy, lockErrors.LOCK_BUSY({ path }))
    const leftMs = Math.max(0, deadline - clock.monotonic())
    return await this.#takeNow(path, { ...options, timeoutMs: leftMs }, busy)
  }

  async #takeNow(
    path: string,
    options: { readonly kind: LockKind; readonly timeoutMs: number },
    busy: BusyError,
  ): Promise<FileLock> {
    using held = new DisposableStack()
    held.use(await this.#takeName(path, options, busy))
    const lockOptions = { ...options, clock: this.#clock, owner: this.#owner }
    for (let attempt = 1; ; attempt += 1) {
      await this.#createFolders(dirname(path))
      try {
        const lock = await lockFile(this.#fs, path, lockOptions)
        const noted = this.#book.note(lock, options.kind, this.#clock.now())
        return lockWith(noted, held.move())
      } catch (error) {
        const isReplaced = hasCode(error, 'LOCK_REPLACED')
        if (isReplaced && attempt < REPLACED_ATTEMPTS_MAX) continue
        if (isReplaced || hasCode(error, 'LOCK_BUSY')) throw this.#busy(path, busy, error)
        throw error
      }
    }
  }

  /** Before the file: under another name of the store that would be another one. */
  async #takeName(
    path: string,
    { kind, timeoutMs }: { readonly kind: LockKind; readonly timeoutMs: number },
    busy: BusyError,
  ): Promise<Disposable> {
    const name = path.slice(`${this.#folder}/${this.#store}/`.length)
    const deadline = this.#clock.monotonic() + timeoutMs
    for (;;) {
      const taken = this.#names.tryTake(name, kind)
      if (taken !== null) return taken
      if (this.#clock.monotonic() >= deadline) {
        throw this.#busy(path, busy, lockErrors.LOCK_BUSY({ path }))
      }
      await this.#clock.sleep(NAME_RETRY_MS)
    }
  }

  /** Clients know the text; who has the lock stands in the log and in the error's data. */
  #busy(path: string, busy: BusyError, cause: unknown): Error {
    const holders = this.#book.holdersOf(path)
    this.#log.info('a lock is busy', {
      path,
      wantedBy: currentOperation(),
      holders: holders.length === 0 ? 'another process' : holders,
    })
    return busy({ path, holders }, { cause })
  }

  /** The folders below the table's own get the store's owner: stock runs as an ordinary user and shares them. */
  async #createFolders(folder: string): Promise<void> {
    const files = new StoreFiles(this.#fs, { owner: this.#owner, durable: false })
    if (await files.exists(folder)) return
    await this.#fs.mkdir(this.#folder, { recursive: true })
    let path = this.#folder
    for (const name of folder.slice(this.#folder.length + 1).split('/')) {
      path = `${path}/${name}`
      await files.createFolder(path)
    }
  }
}

/** `lock`, whose release gives `held` back as well. */
function lockWith(lock: FileLock, held: Disposable): FileLock {
  const release = async (): Promise<void> => {
    using _held = held
    await lock.release()
  }
  return {
    path: lock.path,
    release,
    async unlinkAndRelease() {
      using _held = held
      await lock.unlinkAndRelease()
    },
    [Symbol.asyncDispose]: release,
    [Symbol.dispose]() {
      held[Symbol.dispose]()
      lock[Symbol.dispose]()
    },
  }
}

/** Releases a lock; the lock file of something that is gone goes with it. */
export async function endLock(lock: FileLock, isGone: boolean): Promise<void> {
  await (isGone ? lock.unlinkAndRelease() : lock.release())
}
