/**
 * The start of a backup session: checks in the order and with the texts of backup-protocol.md 2.5 (steps 11 to 20),
 * and the locks in the order of datastore-semantics.md 5.6, the process lock before the answer and not after.
 */
import { hasCode, isSystemError } from '../../base/errors.ts'
import { formatBackupTime } from '../../formats/backup-time.ts'
import { formatSnapshot, type GroupRef, type SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import { osErrorText } from '../../storage/os-error-text.ts'
import { namesMissingChunk } from '../base-check.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { asNotFound, errors } from '../errors.ts'
import { checkBackupOwner, isForlorn, readOwner } from '../groups.ts'
import type { JournalEntry } from '../journal.ts'
import {
  groupPath,
  namespacePath,
  OWNER_FILE,
  PENDING_MANIFEST_PREFIX,
  relativeGroupPath,
  relativeSnapshotPath,
  snapshotPath,
} from '../layout.ts'
import type { FileLock } from '../locks.ts'
import { isVerifyFailed, readManifest } from '../manifest-store.ts'
import { namespaceExists } from '../namespaces.ts'
import { takeSharedProcessLock } from '../shared-process-lock.ts'
import { lastFinished, snapshotExists } from '../snapshots.ts'
import { BackupWriter } from './backup-writer.ts'

export interface BeginBackupRequest {
  readonly ns: NamespacePath
  readonly group: GroupRef
  /** Backup time, Unix seconds. */
  readonly time: number
  /** Auth id of the caller. */
  readonly caller: string
  readonly benchmark: boolean
  /** Whether the local cache of a bucket gets a copy of what is sent; true by default. */
  readonly isCached?: boolean
}

/**
 * Begins a session; `abort` of the result must be called at its end. Throws NAMESPACE_MISSING (404), BACKUP_REFUSED
 * and others with stock's texts; what was locked is released then, a group that was made stays, as in stock.
 */
export async function beginBackup(
  store: Datastore,
  request: BeginBackupRequest,
): Promise<BackupWriter> {
  const { ns, group, time, benchmark } = request
  // Looked up a moment ago; whoever takes a datastore out of use must not close it from now on.
  if (store.core.isClosed) refuse(`datastore '${store.name}' was closed meanwhile`)
  using _use = store.core.enter()
  if (!(await namespaceExists(store, ns))) throw errors.NAMESPACE_MISSING(asNotFound)
  checkBenchmark(group, benchmark)
  await using stack = new AsyncDisposableStack()
  const processLock = stack.use(await takeSharedProcessLock(store))
  await store.core.markInUse()
  const watch = (await store.bucket?.holder.watch(undefined, { isAlone: true })) ?? null
  const groupLock = stack.use(await openGroup(store, request))
  if (!benchmark) checkBackupOwner(await readOwner(store, ns, group), request.caller)
  else await readOwner(store, ns, group)
  const taken = await takeBase(store, request)
  const base = taken?.ref ?? null
  const baseLock = taken === null ? null : stack.use(taken.lock)
  const ref = { type: group.type, id: group.id, time }
  const snapshotLock = stack.use(await lockNew(store, ns, ref))
  const entry = await createSnapshot(store, ns, ref)
  stack.move()
  const locks = { process: processLock, group: groupLock, base: baseLock, snapshot: snapshotLock }
  const isCached = request.isCached ?? true
  const parts = { ns, ref, base, benchmark, isCached, locks, entry, watch }
  return new BackupWriter(store, parts)
}

function checkBenchmark(group: GroupRef, benchmark: boolean): void {
  const isBenchmarkGroup = group.type === 'host' && group.id === 'benchmark'
  if (isBenchmarkGroup && !benchmark) refuse('unable to run benchmark without --benchmark flags')
  if (benchmark && !isBenchmarkGroup) {
    refuse("benchmark flags is only allowed on 'host/benchmark'")
  }
}

/** Makes the group if needed and locks it; a new one gets the caller as owner. */
async function openGroup(store: Datastore, request: BeginBackupRequest): Promise<FileLock> {
  const { ns, group } = request
  const path = groupPath(store.path, ns, group)
  const isMade = await createGroupFolder(store, ns, group)
  const lock = await lockGroup(store, request, isMade)
  try {
    // Whoever held the lock before may have removed the group with its last snapshot.
    const isMadeAgain = await createGroupFolder(store, ns, group)
    if (isMade || isMadeAgain || (await isForlorn(store, ns, group))) {
      await createOwner(store, request)
    }
    await store.core.sync.addDevice(path)
    return lock
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function createGroupFolder(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<boolean> {
  try {
    // One by one and never the namespace: one that was removed meanwhile must not come back (races.md R-41).
    await store.files.createFolder(`${namespacePath(store.path, ns)}/${group.type}`)
    return await store.files.createFolder(groupPath(store.path, ns, group))
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) {
      throw errors.NAMESPACE_MISSING(asNotFound, { cause: error })
    }
    throw error
  }
}

async function lockGroup(
  store: Datastore,
  request: BeginBackupRequest,
  isMade: boolean,
): Promise<FileLock> {
  const { ns, group } = request
  try {
    return await store.locks.lockGroup(ns, group)
  } catch (error) {
    if (!hasCode(error, 'GROUP_LOCK_BUSY')) throw error
    const path = quote(groupPath(store.path, ns, group))
    const what = isMade ? 'creating new locked backup group' : 'creating locked backup group'
    throw errors.LOCKED({ text: `${error.message} while ${what} ${path}` }, { cause: error })
  }
}

async function createOwner(
  store: Datastore,
  { ns, group, caller }: BeginBackupRequest,
): Promise<void> {
  const path = `${groupPath(store.path, ns, group)}/${OWNER_FILE}`
  try {
    await store.files.createNew(path, await remoteOwner(store, { ns, group, caller }))
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return
    const text = `unable to create owner file ${quote(path)} - ${osErrorText(error)}`
    throw errors.BACKUP_REFUSED({ text }, { cause: error })
  }
}

/** One that the bucket has already stays: the group may be somebody's, although nothing of it is here. */
async function remoteOwner(
  { bucket }: Datastore,
  { ns, group, caller }: Pick<BeginBackupRequest, 'ns' | 'group' | 'caller'>,
): Promise<Uint8Array> {
  const owner = Buffer.from(`${caller}\n`)
  if (bucket === null) return owner
  const path = `${relativeGroupPath(ns, group)}/${OWNER_FILE}`
  const there = await bucket.tree.read(path)
  if (there !== null) return there
  await bucket.tree.write(path, owner, { isNew: true })
  return owner
}

/**
 * The base with its lock. One that is removed before it is locked is no base any more: the next is taken then
 * (races.md R-45). The caller holds the group's lock, so none can be added.
 */
async function takeBase(
  store: Datastore,
  { ns, group, time }: BeginBackupRequest,
): Promise<{ readonly ref: SnapshotRef; readonly lock: FileLock } | null> {
  for (;;) {
    const ref = await findBase(store, ns, group)
    checkYear(time)
    if (ref === null) return null
    if (time <= ref.time) refuse('backup timestamp is older than last backup.')
    await using held = new AsyncDisposableStack()
    const lock = held.use(await lockBase(store, ns, ref))
    if (!(await snapshotExists(store, ns, ref))) continue
    held.move()
    return { ref, lock }
  }
}

/**
 * The newest finished snapshot, unless its verification failed or a chunk of it is known to be gone; a broken manifest
 * of it is an error, as in stock.
 */
async function findBase(
  store: Datastore,
  ns: NamespacePath,
  group: GroupRef,
): Promise<SnapshotRef | null> {
  const newest = await lastFinished(store, ns, group).catch(() => null)
  if (newest === null) return null
  const { manifest } = await readManifest(store, ns, newest)
  if (isVerifyFailed(manifest)) return null
  return (await namesMissingChunk(store, ns, newest, manifest)) ? null : newest
}

function checkYear(time: number): void {
  try {
    formatBackupTime(time)
  } catch (error) {
    const exact = new Date(time * 1000).getUTCFullYear()
    const secondsPerYear = 31_556_952
    const year = Number.isNaN(exact) ? 1970 + Math.floor(time / secondsPerYear) : exact
    const text = `epoch_to_rfc3339_utc: wrong year '${year}'`
    throw errors.BACKUP_REFUSED({ text }, { cause: error })
  }
}

async function lockBase(store: Datastore, ns: NamespacePath, base: SnapshotRef): Promise<FileLock> {
  try {
    return await store.locks.lockSnapshot(ns, base, 'shared')
  } catch (error) {
    if (!hasCode(error, 'SHARED_SNAPSHOT_LOCK_BUSY')) throw error
    const what = `while locking last snapshot during backup '${formatSnapshot(base)}'`
    throw errors.LOCKED({ text: `${what}: ${error.message}` }, { cause: error })
  }
}

async function lockNew(store: Datastore, ns: NamespacePath, ref: SnapshotRef): Promise<FileLock> {
  try {
    return await store.locks.lockSnapshot(ns, ref, 'exclusive')
  } catch (error) {
    if (!hasCode(error, 'SNAPSHOT_LOCK_BUSY')) throw error
    const what = `while creating locked snapshot '${formatSnapshot(ref)}'`
    throw errors.LOCKED({ text: `${what}: ${error.message}` }, { cause: error })
  }
}

/**
 * Order: journal entry (durable), folder, pending manifest. A crash in between leaves an empty folder or one that the
 * pending manifest says to be ours; both are removed at the next start (races.md R-62).
 */
async function createSnapshot(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<JournalEntry> {
  const path = snapshotPath(store.path, ns, ref)
  if (await store.files.exists(path)) refuse('backup directory already exists.')
  await checkRemoteFolder(store, relativeSnapshotPath(ns, ref))
  const { journal } = store.core
  const entry = await journal.begin(
    { base: store.path, ns, ref },
    { durable: store.settings.syncLevel !== 'none' },
  )
  try {
    if (!(await store.files.createFolder(path))) refuse('backup directory already exists.')
  } catch (error) {
    await journal.end(entry.id)
    throw error
  }
  try {
    await using handle = await store.fs.open(
      `${path}/${PENDING_MANIFEST_PREFIX}${entry.id}`,
      'create-new',
    )
    if (store.owner !== undefined) await handle.chown(store.owner.uid, store.owner.gid)
  } catch (error) {
    await store.files.removeEmptyFolder(path)
    throw error
  }
  return entry
}

/** Whatever the bucket has there would go with this session, if it failed. */
async function checkRemoteFolder({ bucket }: Datastore, folder: string): Promise<void> {
  if (bucket === null) return
  await bucket.tree.checkUsable(folder)
  if (!(await bucket.tree.isEmpty(folder))) refuse('backup directory already exists.')
}

function refuse(text: string): never {
  throw errors.BACKUP_REFUSED({ text })
}
