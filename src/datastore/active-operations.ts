/**
 * How many operations read and write each datastore, over all processes that share the run folder: ours, one that
 * drains after a reload, a stock server (datastore-semantics.md 13, races.md R-53).
 *
 * File and form are stock's: a JSON array with one entry per process, changed only under `<file>.lock`. Every process
 * writes its own entry whole, from its own counts, so that a lost update heals with the next one.
 */
import { SharedRun } from '../base/async/shared-run.ts'
import { releaseOnce } from '../base/async/wait-list.ts'
import { isSystemError, toError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import { lockFile } from '../base/fs/file-lock.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { type Log, silentLog } from '../base/log.ts'
import type { Clock } from '../base/time/clock.ts'
import {
  addUp,
  type OperationCounts,
  type OperationEntry,
  type ProcessId,
  readEntries,
} from './operations-file.ts'

export type { OperationCounts, ProcessId } from './operations-file.ts'

export type OperationKind = 'read' | 'write'

export interface ActiveOperationsOptions {
  readonly fs: FileSystem
  readonly clock: Clock
  readonly log?: Log
  /** Folder of the files, made when needed: `active-operations` in the run folder. */
  readonly folder: string
  /** This process as others find it in the process table. */
  readonly self: ProcessId
  /** Whether a process that another entry names still lives. */
  isAlive(pid: number, starttime: number): Promise<boolean>
  /** Owner of new files. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

const FILE_MODE = 0o660
const FOLDER_MODE = 0o755
/** As stock's. */
const LOCK_WAIT_MS = 10_000
/** One entry per process; far more is not such a file. */
const FILE_SIZE_MAX = 1 << 20

interface StoreCounts {
  read: number
  write: number
  /** What the file says of this process; null before the first write. */
  published: OperationCounts | null
  readonly runs: SharedRun
}

export class ActiveOperations {
  readonly #options: ActiveOperationsOptions
  readonly #log: Log
  readonly #counts = new Map<string, StoreCounts>()
  readonly #publishing = new Set<Promise<void>>()

  constructor(options: ActiveOperationsOptions) {
    this.#options = options
    this.#log = options.log ?? silentLog
  }

  /**
   * Counts one operation until it is disposed. In this process it counts at once; others see it when `published` has
   * resolved. Beside an operation of the same kind that lasts until then, nothing is to be waited for.
   */
  begin(store: string, kind: OperationKind): Disposable {
    const counts = this.#countsFor(store)
    counts[kind] += 1
    this.#publishLater(store, counts)
    return releaseOnce(() => {
      counts[kind] -= 1
      this.#publishLater(store, counts)
    })
  }

  /** Resolves when the file counts at least what this process does now. Errors: LOCK_BUSY, those of the file system. */
  async published(store: string): Promise<void> {
    const counts = this.#countsFor(store)
    const { published } = counts
    if (published !== null && published.read >= counts.read && published.write >= counts.write)
      return
    await this.#publish(store, counts)
  }

  /** The counts of this process alone: zeros for a datastore that nobody uses or knows. */
  countsOf(store: string): OperationCounts {
    const { read = 0, write = 0 } = this.#counts.get(store) ?? {}
    return { read, write }
  }

  /** The counts of all living processes; those of this one as they are now. */
  async totals(store: string): Promise<OperationCounts> {
    return addUp([this.countsOf(store), ...(await this.#othersOf(store))])
  }

  /**
   * Runs `work` under the file's lock if no process works on the datastore; false if one does. Whoever begins an
   * operation meanwhile waits in `published`, so `work` should only take the datastore out of use.
   */
  async whileIdle(store: string, work: () => Promise<void>): Promise<boolean> {
    await using _lock = await this.#lock(store)
    const { read, write } = await this.totals(store)
    if (read + write > 0) return false
    await work()
    return true
  }

  /** Resolves when all that ended is in the files; an error is only logged. */
  async flush(): Promise<void> {
    while (this.#publishing.size > 0) await Promise.allSettled(this.#publishing)
  }

  #countsFor(store: string): StoreCounts {
    let counts = this.#counts.get(store)
    counts ??= { read: 0, write: 0, published: null, runs: new SharedRun() }
    this.#counts.set(store, counts)
    return counts
  }

  /** One update serves all changes that come while another is written. */
  #publishLater(store: string, counts: StoreCounts): void {
    const run = this.#publish(store, counts)
      .catch((thrown: unknown) => {
        const error = toError(thrown).message
        this.#log.warn('active operations cannot be written', { store, error })
      })
      .finally(() => this.#publishing.delete(run))
    this.#publishing.add(run)
  }

  async #publish(store: string, counts: StoreCounts): Promise<void> {
    await counts.runs.run(async () => {
      const own = { read: counts.read, write: counts.write }
      const known = counts.published
      if (known !== null && known.read === own.read && known.write === own.write) return
      // Who begins while the file is about to say less must not take what it says now for its own count.
      if (known !== null && isLess(own, known)) counts.published = null
      await using _lock = await this.#lock(store)
      await this.#write(store, own)
      counts.published = own
    })
  }

  async #write(store: string, own: OperationCounts): Promise<void> {
    const { fs, self, owner } = this.#options
    const path = this.#path(store)
    const entries = await readEntries(fs, path, FILE_SIZE_MAX)
    const kept: OperationEntry[] = []
    for (const entry of entries ?? []) if (await this.#isOther(entry)) kept.push(entry)
    kept.push({ pid: self.pid, starttime: self.starttime, active_operations: own })
    const data = Buffer.from(JSON.stringify(kept))
    await atomicWrite(fs, path, data, { mode: FILE_MODE, owner, durable: false })
  }

  async #othersOf(store: string): Promise<OperationCounts[]> {
    const entries = await readEntries(this.#options.fs, this.#path(store), FILE_SIZE_MAX)
    const others: OperationCounts[] = []
    for (const entry of entries ?? []) {
      if (await this.#isOther(entry)) others.push(entry.active_operations)
    }
    return others
  }

  async #isOther({ pid, starttime }: OperationEntry): Promise<boolean> {
    const { self } = this.#options
    if (pid === self.pid) return false
    return await this.#options.isAlive(pid, starttime)
  }

  async #lock(store: string) {
    const { fs, clock, folder, owner } = this.#options
    await makeFolder(fs, folder, owner)
    return await lockFile(fs, `${this.#path(store)}.lock`, {
      kind: 'exclusive',
      timeoutMs: LOCK_WAIT_MS,
      clock,
      owner,
      retryReplaced: true,
    })
  }

  #path(store: string): string {
    return `${this.#options.folder}/${store}`
  }
}

/** It belongs to whom the files belong: a stock server, which is not root, makes its own in it. */
async function makeFolder(
  fs: FileSystem,
  path: string,
  owner: ActiveOperationsOptions['owner'],
): Promise<void> {
  try {
    await fs.stat(path)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    await fs.mkdir(path, { recursive: true, mode: FOLDER_MODE })
    if (owner !== undefined) await fs.chown(path, owner.uid, owner.gid)
  }
}

function isLess(counts: OperationCounts, than: OperationCounts): boolean {
  return counts.read < than.read || counts.write < than.write
}
