/**
 * One backup session on the datastore's side: what it relies on, writes, holds and leaves (datastore-semantics.md 7,
 * backup-protocol.md 6). It knows no requests; `server/backup` maps calls to it.
 *
 * States: active, finishing, finished; failed from any of them but finished. A session whose chunk went missing or
 * whose sync failed is poisoned: it looks active until finish, which then fails. An unfinished session ends with
 * `abort`, which removes its snapshot and nothing else.
 */
import { errorChain, toError } from '../../base/errors.ts'
import { silentProgress, type Progress } from '../../base/progress.ts'
import { MANIFEST_NAME, parseArchiveName } from '../../formats/archive-name.ts'
import { checkBlobCrc } from '../../formats/data-blob.ts'
import type { Digest } from '../../formats/digest.ts'
import { type FixedIndex, FIXED_CHUNK_SIZE, fixedChunkCount } from '../../formats/fixed-index.ts'
import { formatSnapshot, groupOf, type SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import { SAFE_ID } from '../../formats/safe-id.ts'
import type { PutResult } from '../../storage/chunk-backend.ts'
import type { HolderWatch } from '../bucket/holder.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { removeEmptyGroup } from '../empty-group.ts'
import { errors } from '../errors.ts'
import type { JournalEntry } from '../journal.ts'
import { PENDING_MANIFEST_PREFIX, relativeSnapshotPath, snapshotPath } from '../layout.ts'
import { setVerifyState } from '../manifest-store.ts'
import { removeFolder } from '../remove-snapshot.ts'
import { openSnapshotFile, readIndex, type SnapshotFile } from '../snapshot-files.ts'
import type { LiveSession, SessionDigests } from '../uploads/session-digests.ts'
import { DynamicIndexWriter } from './dynamic-index-writer.ts'
import { FixedIndexWriter } from './fixed-index-writer.ts'
import { type IndexHost, type IndexWriter, refuse } from './index-writer.ts'
import { KnownChunks } from './known-chunks.ts'
import { Operations } from './operations.ts'
import {
  completeManifest,
  publishSnapshot,
  unpublishSnapshot,
  type UploadStatistics,
  writePending,
} from './publish.ts'
import { copyBlobToBucket, copyIndexToBucket } from './remote-copies.ts'
import { releaseSessionLocks, type SessionLocks } from './session-locks.ts'

export type BackupState = 'active' | 'finishing' | 'finished' | 'failed'

export interface InsertOptions {
  /** Told how it was stored, before the digest may be appended. */
  readonly confirm?: (result: PutResult) => void
  readonly signal?: AbortSignal | undefined
}

export interface BackupWriterParts {
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
  readonly base: SnapshotRef | null
  readonly benchmark: boolean
  /** Whether chunks of it are kept in the local cache of a bucket. */
  readonly isCached: boolean
  readonly locks: SessionLocks
  readonly entry: JournalEntry
  /** The bucket as it was at the start; null without one. */
  readonly watch: HolderWatch | null
}

export class BackupWriter implements LiveSession {
  readonly store: Datastore
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
  /** Newest finished snapshot of the group whose verification did not fail. */
  readonly base: SnapshotRef | null
  readonly benchmark: boolean
  /** Folder of the snapshot, absolute. */
  readonly path: string
  /** The same below the datastore's folder, as task logs print it. */
  readonly relativePath: string
  readonly digests: SessionDigests

  readonly #isCached: boolean
  readonly #locks: SessionLocks
  readonly #entry: JournalEntry
  readonly #watch: HolderWatch | null
  readonly #pendingPath: string
  readonly #known: KnownChunks
  readonly #operations = new Operations()
  /** Archives of this session: a name is written once. */
  readonly #archives = new Map<string, IndexWriter | 'creating' | 'closed'>()
  #task: { readonly upid: string; readonly progress: Progress } | null = null
  #state: BackupState = 'active'
  #failure: Error | null = null
  #fileCount = 0
  /** Of its indexes, hex. */
  readonly #uuids: string[] = []
  #finishing: Promise<void> | null = null
  #ending: Promise<void> | null = null

  /** Only `beginBackup` makes one. */
  constructor(store: Datastore, parts: BackupWriterParts) {
    this.store = store
    this.ns = parts.ns
    this.ref = parts.ref
    this.base = parts.base
    this.benchmark = parts.benchmark
    this.path = snapshotPath(store.path, parts.ns, parts.ref)
    this.relativePath = relativeSnapshotPath(parts.ns, parts.ref)
    this.digests = store.core.sessions.createDigests()
    this.#isCached = parts.isCached
    this.#locks = parts.locks
    this.#entry = parts.entry
    this.#watch = parts.watch
    this.#pendingPath = `${this.path}/${PENDING_MANIFEST_PREFIX}${parts.entry.id}`
    this.#known = new KnownChunks({
      chunks: store.chunks,
      clock: store.clock,
      digests: this.digests,
      check: store.settings.knownChunkCheck,
      waitMs: store.settings.knownChunkWaitMs,
      flagBase: async () => await this.#flagBase(),
    })
    store.core.sessions.add(this)
  }

  get journalId(): string {
    return this.#entry.id
  }

  get state(): BackupState {
    return this.#state
  }

  /** Blobs stored and indexes closed. */
  get fileCount(): number {
    return this.#fileCount
  }

  /** Names the session's task: its UPID goes into a flagged base, its log gets the session's lines. */
  attachTask(task: { readonly upid: string; readonly progress: Progress }): void {
    this.#task = task
  }

  /** Throws SESSION_STATE with stock's texts unless the session is active. */
  assertActive(): void {
    switch (this.#state) {
      case 'active':
        return
      case 'finished':
        throw errors.SESSION_STATE({ text: 'backup already marked as finished.' })
      case 'finishing':
      case 'failed':
        throw errors.SESSION_STATE({ text: 'backup is already in the process of finishing.' })
      default:
        this.#state satisfies never
    }
  }

  /** Poisons the session: finish fails with the first reason given. Does nothing once it is finished. */
  fail(reason: Error): void {
    this.#failure ??= reason
  }

  /**
   * Stores a chunk (its CRC is right, its content checked by the caller) and registers its digest: gate, present?, put,
   * register. `confirm` runs then; if it throws, the client may not append the digest, and nothing else changes.
   * `signal` ends waits before the put.
   */
  async insertChunk(
    digest: Digest,
    blob: Uint8Array,
    rawSize: number,
    { confirm, signal }: InsertOptions = {},
  ): Promise<PutResult> {
    this.assertActive()
    return await this.#operations.run(async () => {
      const chunk = { blob, size: rawSize }
      const log = (line: string) => this.#log(line)
      const options = { isCached: this.#isCached, signal, log }
      const result = await this.store.chunks.insert(digest, chunk, this.digests, options)
      confirm?.(result)
      this.digests.allow(digest, rawSize)
      return result
    })
  }

  /** Takes the right to append a digest back. */
  forgetUpload(digest: Digest): void {
    this.digests.revoke(digest)
  }

  /** Plain size of a chunk that may be appended; undefined if it may not. */
  knownSize(digest: Digest): number | undefined {
    return this.digests.appendableSize(digest)
  }

  /** Begins a dynamic index. Throws SESSION_REFUSED with stock's texts; a second one of a name is refused. */
  async createDynamicIndex(archiveName: string): Promise<DynamicIndexWriter> {
    return await this.#createIndex(archiveName, 'didx', async (host) => {
      return await DynamicIndexWriter.create(host, archiveName)
    })
  }

  /** Begins a fixed index, of unknown size if `size` is null, on top of the base's if `reuseCsum` is its checksum. */
  async createFixedIndex(
    archiveName: string,
    options: { readonly size: number | null; readonly reuseCsum: string | null },
  ): Promise<FixedIndexWriter> {
    return await this.#createIndex(archiveName, 'fidx', async (host) => {
      const { size, reuseCsum } = options
      const clone =
        reuseCsum === null ? null : await this.#indexToClone(archiveName, size, reuseCsum)
      return await FixedIndexWriter.create(host, archiveName, { size, clone })
    })
  }

  /**
   * Registers all chunks of an index of the base and looks at them. Throws `no valid previous backup`,
   * INDEX_OPEN_FAILED, KNOWN_CHUNK_MISSING (the base is flagged then), SESSION_FAILED, the reason of `signal`.
   */
  async registerPrevious(
    archiveName: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const base = this.#requireBase()
    await this.#operations.run(async () => {
      const index = await readIndex(this.store, this.ns, base, archiveName)
      this.assertActive()
      await this.#known.register(archiveName, index, options.signal)
    })
  }

  /** Opens a file of the base as it is stored; for an index `registerPrevious` comes first. */
  async openPrevious(archiveName: string): Promise<SnapshotFile> {
    const base = this.#requireBase()
    if (parseArchiveName(archiveName) === null)
      refuse(`unknown archive type: ${quote(archiveName)}`)
    return await openSnapshotFile(this.store, this.ns, base, archiveName)
  }

  /**
   * Stores an encoded blob; one of the same name is replaced. The manifest stays hidden until finish. Throws the texts
   * of backup-protocol.md 4.3.
   */
  async writeBlob(fileName: string, blob: Uint8Array): Promise<{ readonly path: string }> {
    if (!fileName.endsWith('.blob')) refuse(`wrong blob file extension: '${fileName}'`)
    if (!SAFE_ID.test(fileName)) throw errors.FILE_NAME_INVALID({ name: fileName })
    checkBlobCrc(blob)
    this.assertActive()
    const path = `${this.path}/${fileName}`
    const isManifest = fileName === MANIFEST_NAME
    await this.#operations.run(async () => {
      if (!isManifest) await copyBlobToBucket(this.store, this, fileName, blob)
      await writePending(this.store, isManifest ? this.#pendingPath : path, blob)
    })
    this.#fileCount += 1
    return { path }
  }

  /**
   * Makes the snapshot finished and releases all locks. Errors before anything was changed leave the session active
   * (stock's texts, backup-protocol.md 4.13), later ones leave it failed. `signal` ends the look at known chunks, which
   * may be long; what comes after it is not to be stopped.
   */
  async finish(
    statistics: UploadStatistics,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    this.#assertComplete()
    await this.#checkBaseExists()
    // Another call may have begun something meanwhile.
    this.#assertComplete()
    this.#state = 'finishing'
    this.#finishing = this.#finishNow(statistics, options.signal)
    await this.#finishing
  }

  /**
   * Ends the session: an unfinished one (also a benchmark's) loses its snapshot, and the group if it was its first.
   * Call it always; again, or after a finish, it does nothing. Locks are released even if the removal fails, which is
   * thrown then; the next start tries again.
   */
  async abort(): Promise<void> {
    this.#ending ??= this.#abortNow()
    await this.#ending
  }

  #assertComplete(): void {
    this.assertActive()
    for (const archive of this.#archives.values()) {
      if (archive !== 'closed') refuse('found open index writer - unable to finish backup')
    }
    if (this.#fileCount === 0) refuse('backup does not contain valid files (file count == 0)')
  }

  async #finishNow(statistics: UploadStatistics, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#operations.idle()
      this.#throwIfFailed()
      const reuses = this.digests.usedButNotWritten().length > 0
      // First: what a former delete took away is put again, and is not missing then.
      await this.store.chunks.settle(this.digests, { log: (line) => this.#log(line), signal })
      await this.#known.checkBeforeFinish(signal)
      this.#throwIfFailed()
      const paths = { path: this.path, pendingPath: this.#pendingPath }
      await completeManifest(this.store, paths, statistics)
      if (this.benchmark) this.#state = 'finished'
      else {
        await this.#publish(reuses)
        await this.#noteArrival()
      }
    } catch (error) {
      this.#state = 'failed'
      this.fail(toError(error))
      throw error
    }
    if (!this.benchmark) await this.#leave({ snapshot: false, group: false })
  }

  async #publish(reuses: boolean): Promise<void> {
    const { path, relativePath } = this
    const paths = { path, relativePath, pendingPath: this.#pendingPath }
    try {
      await publishSnapshot(this.store, {
        ...paths,
        watch: this.#watch,
        reuses,
        log: (line) => this.#log(line),
        check: () => this.#throwIfFailed(),
      })
      // Asked and answered in one step: a chunk that goes from now on goes after the end of this session.
      this.#throwIfFailed()
      this.#state = 'finished'
    } catch (error) {
      await unpublishSnapshot(this.store, paths)
      throw error
    }
  }

  /** What is finished stays so: without the note a collection is only less wary. */
  async #noteArrival(): Promise<void> {
    try {
      await this.store.core.collection.noteArrival(this.ns, this.ref, this.#uuids)
    } catch (error) {
      this.store.log.warn('cannot note a new snapshot', { error: errorChain(error) })
    }
  }

  async #abortNow(): Promise<void> {
    await this.#finishing?.catch(() => {})
    if (this.#state === 'finished' && !this.benchmark) return
    this.#state = 'failed'
    await this.#operations.idle()
    await this.#known.close()
    const gone = { snapshot: false, group: false }
    try {
      await this.#abandonWriters()
      this.#log(`removing backup snapshot ${quote(this.path)}`)
      await removeFolder(this.store, this.ns, this.ref)
      gone.snapshot = true
      await this.#removeManifestLock()
      gone.group = await removeEmptyGroup(this.store, this.ns, groupOf(this.ref))
    } finally {
      await this.#leave(gone)
    }
  }

  /** Releases everything; the journal forgets the session unless its snapshot could not be removed. */
  async #leave(gone: { readonly snapshot: boolean; readonly group: boolean }): Promise<void> {
    try {
      await this.#known.close()
      const isSettled = this.#state === 'finished' || gone.snapshot
      if (isSettled) await this.store.core.journal.end(this.#entry.id)
    } catch (error) {
      this.store.log.warn('cannot end a journal entry', { error: errorChain(error) })
    }
    this.store.core.sessions.remove(this)
    this.store.chunks.release()
    await releaseSessionLocks(this.#locks, gone)
  }

  /** All of them, also when one fails: a file left open would end the process when its garbage is collected. */
  async #abandonWriters(): Promise<void> {
    await using stack = new AsyncDisposableStack()
    for (const archive of this.#archives.values()) {
      if (typeof archive === 'object') stack.defer(async () => await archive.abandon())
    }
  }

  async #removeManifestLock(): Promise<void> {
    const { locks, files } = this.store
    if (!(await files.exists(locks.manifestLockPath(this.ns, this.ref)))) return
    const lock = await locks.lockManifest(this.ns, this.ref)
    await lock.unlinkAndRelease()
  }

  async #createIndex<Writer extends IndexWriter>(
    archiveName: string,
    extension: 'fidx' | 'didx',
    create: (host: IndexHost) => Promise<Writer>,
  ): Promise<Writer> {
    if (!archiveName.endsWith(`.${extension}`)) refuse(`wrong archive extension: '${archiveName}'`)
    if (!SAFE_ID.test(archiveName)) throw errors.FILE_NAME_INVALID({ name: archiveName })
    this.assertActive()
    if (this.#archives.has(archiveName)) {
      refuse(`archive '${archiveName}' is already written by this backup`)
    }
    this.#archives.set(archiveName, 'creating')
    return await this.#operations.run(async () => {
      try {
        const writer = await create(this.#host())
        this.#archives.set(archiveName, writer)
        return writer
      } catch (error) {
        this.#archives.delete(archiveName)
        throw error
      }
    })
  }

  #host(): IndexHost {
    const { fs, clock, owner } = this.store
    const { path, relativePath, digests } = this
    return {
      fs,
      clock,
      owner,
      path,
      relativePath,
      digests,
      assertActive: () => this.assertActive(),
      fail: (reason) => this.fail(reason),
      run: async (work) => await this.#operations.run(work),
      publish: async (archiveName) => await copyIndexToBucket(this.store, this, archiveName),
      onClosed: (archiveName, outcome) => {
        const writer = this.#archives.get(archiveName)
        if (outcome === 'closed' && typeof writer === 'object') this.#uuids.push(writer.uuidText)
        if (outcome === 'closed') this.#archives.set(archiveName, 'closed')
        else this.#archives.delete(archiveName)
        if (outcome === 'closed') this.#fileCount += 1
      },
    }
  }

  /** The base's index to clone; throws the texts of backup-protocol.md 4.8 step 2 and 4. */
  async #indexToClone(name: string, size: number | null, reuseCsum: string): Promise<FixedIndex> {
    if (size === null) refuse('size is required for incremental backups')
    if (this.base === null) refuse('cannot reuse index - no valid previous backup exists')
    const index = await readIndex(this.store, this.ns, this.base, name).catch(() =>
      refuse('cannot reuse index - no previous backup exists for archive'),
    )
    const csum = Buffer.from(index.computeCsum()).toString('hex')
    if (csum !== reuseCsum) {
      refuse(
        `expected csum (${reuseCsum}) doesn't match last backup's (${csum}), cannot do incremental backup`,
      )
    }
    const clone = index as FixedIndex
    if (clone.chunkSize !== FIXED_CHUNK_SIZE) {
      refuse("can't reuse file with different chunk size")
    }
    const count = fixedChunkCount(size, FIXED_CHUNK_SIZE)
    if (count !== clone.count) {
      refuse(`cannot reuse index - index sizes not equal (${count} != ${clone.count})`)
    }
    return clone
  }

  #requireBase(): SnapshotRef {
    return this.base ?? refuse('no valid previous backup')
  }

  async #checkBaseExists(): Promise<void> {
    if (this.base === null) return
    const path = snapshotPath(this.store.path, this.ns, this.base)
    if (await this.store.files.exists(path)) return
    const base = formatSnapshot(this.base)
    refuse(
      `base snapshot ${base} was removed during backup, cannot finish as chunks might be missing`,
    )
  }

  /** The manifest lock is taken for it, the base itself is locked by us. */
  async #flagBase(): Promise<void> {
    if (this.base === null || this.#task === null) return
    const { upid } = this.#task
    try {
      await setVerifyState(this.store, this.ns, this.base, { state: 'failed', upid })
      this.#log(
        `verification state of ${formatSnapshot(this.base)} set to failed: chunks are missing`,
      )
    } catch (error) {
      this.#log(`cannot flag ${formatSnapshot(this.base)} as damaged: ${errorChain(error)}`)
    }
  }

  #throwIfFailed(): void {
    if (this.#failure === null) return
    const text = this.#failure.message
    throw errors.SESSION_FAILED({ text }, { cause: this.#failure })
  }

  #log(line: string): void {
    const progress = this.#task?.progress ?? silentProgress()
    progress.log(line)
  }
}
