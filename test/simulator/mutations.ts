/**
 * Faulty variants of the protocol, one or more for each R-number that applies to a store on local disks. Each must be
 * found within the seeds that CI plays, or the world is too small to show anything.
 */
import type { SourcePatch } from '../support/source-patch.ts'

export interface Mutation {
  /** The race of races.md that it brings back, with a letter where there are several. */
  readonly id: string
  readonly what: string
  readonly patches: readonly Omit<SourcePatch, 'id'>[]
}

const SESSIONS = 'src/datastore/sessions'
const COLLECTION = 'src/datastore/collection'

export const MUTATIONS: readonly Mutation[] = [
  {
    id: 'R-01',
    what: 'an index that vanished before it was opened is an error',
    patches: [
      {
        file: `${COLLECTION}/door-engine.ts`,
        find: "    if (isSystemError(error, 'ENOENT')) return null\n    throw markFailure(path, error)",
        replace: '    throw markFailure(path, error)',
      },
    ],
  },
  {
    id: 'R-03',
    what: 'a collection does not hear of what sessions register',
    patches: [
      {
        file: 'src/datastore/uploads/session-digests.ts',
        find: '    this.#owner.onRegister?.(bytes, offset)\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-04',
    what: 'moves are neither registered nor journalled, and the store is walked once',
    patches: [
      {
        file: 'src/datastore/move/moved-digests.ts',
        find: '    await registerFolder(store, folder, digests)\n',
        replace: '',
      },
      {
        file: `${COLLECTION}/roots.ts`,
        find: 'if (round > 1 && unknown.length === 0 && !hasMoves) break',
        replace: 'if (round > 1) break',
      },
    ],
  },
  {
    id: 'R-05',
    what: 'a folder that vanished before it was listed is an error',
    patches: [
      {
        file: `${COLLECTION}/walk-roots.ts`,
        find: "    if (folder !== '' && isSystemError(error, 'ENOENT')) return []\n",
        replace: '',
      },
    ],
  },
  {
    id: 'R-06',
    what: 'a folder that cannot be read has no indexes',
    patches: [
      {
        file: `${COLLECTION}/walk-roots.ts`,
        find: "    if (folder === LOST_AND_FOUND && isSystemError(error, 'EACCES', 'EPERM')) return []\n    throw walkFailure(path, error)",
        replace: '    return []',
      },
    ],
  },
  {
    id: 'R-10',
    what: 'sessions that live when a collection begins are not seeded',
    patches: [
      {
        file: `${COLLECTION}/run.ts`,
        find: 'this.#sessions = [...store.core.sessions]',
        replace: 'this.#sessions = []',
      },
    ],
  },
  {
    id: 'R-10b',
    what: 'sessions are listed and heard of after the indexes were read',
    patches: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  await sessions.seed(breathe)\n',
        replace: '',
      },
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  using sessions = new SessionMarks(store, range)\n',
        replace: '',
      },
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  await roots.markAll()\n',
        replace:
          '  await roots.markAll()\n  using sessions = new SessionMarks(store, range)\n  await sessions.seed(breathe)\n',
      },
    ],
  },
  {
    id: 'R-11',
    what: 'finish does not look at known chunks',
    patches: [
      {
        file: `${SESSIONS}/known-chunks.ts`,
        find: "    const { check, digests } = this.#options\n    if (check === 'off') return\n",
        replace: '    const { check, digests } = this.#options\n    if (1 > 0) return\n',
      },
    ],
  },
  {
    id: 'R-12',
    what: 'finish does not look at chunks that were answered as duplicates',
    patches: [
      {
        file: 'src/datastore/uploads/session-digests.ts',
        find: "    case 'duplicate':\n    case 'cloned':\n      return before === 0 ? size : before",
        replace:
          "    case 'duplicate':\n      return before | size | WRITTEN\n    case 'cloned':\n      return before === 0 ? size : before",
      },
    ],
  },
  {
    id: 'R-13',
    what: 'a collection removes without the gate',
    patches: [
      {
        file: `${COLLECTION}/sweep.ts`,
        find: 'this.#run.store.core.gate.tryAcquire(digest)',
        replace: '{ [Symbol.dispose]() {} }',
      },
    ],
  },
  {
    id: 'R-14',
    what: 'a duplicate is not registered',
    patches: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    digests.register(digest, { size: chunk.size, origin })\n',
        replace:
          '    if (!result.duplicate) digests.register(digest, { size: chunk.size, origin })\n',
      },
    ],
  },
  {
    id: 'R-15',
    what: 'a clock that was set does not stop a collection',
    patches: [
      {
        file: `${COLLECTION}/plausibility.ts`,
        find: '  if (wallMs >= 0 && Math.abs(wallMs - elapsedMs) <= CLOCK_DIFFERENCE_MAX_MS) return\n',
        replace: '  if (wallMs < Infinity) return\n',
      },
    ],
  },
  {
    id: 'R-17',
    what: 'a session does not hold the process lock',
    patches: [
      {
        file: 'src/datastore/shared-process-lock.ts',
        find: '      return core.processLock.tryShared(unixSeconds(clock))\n',
        replace:
          '      core.processLock.tryShared(unixSeconds(clock)).release()\n      return { release() {}, [Symbol.dispose]() {} }\n',
      },
    ],
  },
  {
    id: 'R-19',
    what: 'a session does not give the process lock back',
    patches: [
      {
        file: `${SESSIONS}/session-locks.ts`,
        find: '  stack.defer(() => locks.process.release())\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-22',
    what: 'a lock file is not compared with its name after locking',
    patches: [
      {
        file: 'src/base/fs/file-lock.ts',
        find: "    if (!(await isStillNamed(fs, path, handle))) return 'replaced'\n",
        replace: '    await isStillNamed(fs, path, handle)\n',
      },
    ],
  },
  {
    id: 'R-26',
    what: 'a digest is registered after its gate was given back',
    patches: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    using _gate = await this.#gate.acquire(digest)\n    const result = await this.#backend.put(digest, chunk.blob, options)\n',
        replace:
          '    const gate = await this.#gate.acquire(digest)\n' +
          '    const put = this.#backend.put(digest, chunk.blob, options)\n' +
          '    const result = await put.finally(() => gate[Symbol.dispose]())\n' +
          '    await this.#backend.stat(digest)\n',
      },
    ],
  },
  {
    id: 'R-31',
    what: 'a chunk is marked bad without a second look',
    patches: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    if (!(await isBad())) return null\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-31b',
    what: 'a chunk is marked bad without its gate',
    patches: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    using _gate = await this.#gate.acquire(digest)\n    if (!(await isBad())) return null\n',
        replace: '    if (!(await isBad())) return null\n',
      },
    ],
  },
  {
    id: 'R-32',
    what: 'sessions are not told of a chunk that was marked bad, and finish does not look',
    patches: [
      {
        file: 'src/datastore/uploads/session-digests.ts',
        find: '      if (session.digests.has(digest)) session.fail(reason)\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-34',
    what: 'a collection gives its gates back before its unlinks have ended',
    patches: [
      {
        file: `${COLLECTION}/sweep.ts`,
        find: '    const answer = await engine.unlink(',
        replace: '    gates.dispose()\n    const answer = await engine.unlink(',
      },
    ],
  },
  {
    id: 'R-41',
    what: 'a backup makes the folder of its namespace',
    patches: [
      {
        file: `${SESSIONS}/begin-backup.ts`,
        find: '    await store.files.createFolder(`${namespacePath(store.path, ns)}/${group.type}`)\n',
        replace:
          '    await store.fs.mkdir(`${namespacePath(store.path, ns)}/${group.type}`, { recursive: true })\n',
      },
    ],
  },
  {
    id: 'R-42',
    what: 'a manifest is changed without its lock',
    patches: [
      {
        file: 'src/datastore/manifest-store.ts',
        find: '  await using _lock = await store.locks.lockManifest(ns, ref)\n  const { manifest }',
        replace: '  const { manifest }',
      },
    ],
  },
  {
    id: 'R-43',
    what: 'a removal goes on without the lock of the manifest',
    patches: [
      {
        file: 'src/datastore/remove-snapshot.ts',
        find:
          '    const manifestLock = await orLocked(store.locks.lockManifest(ns, ref), prefix, path)\n' +
          '    locks.defer(async () => await endLock(manifestLock, isGone()))\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-45',
    what: 'the base of a session is not locked',
    patches: [
      {
        file: 'src/datastore/locks.ts',
        find: '  async lockSnapshot(ns: NamespacePath, ref: SnapshotRef, kind: LockKind): Promise<FileLock> {\n',
        replace:
          '  async lockSnapshot(ns: NamespacePath, ref: SnapshotRef, kind: LockKind): Promise<FileLock> {\n' +
          "    if (kind === 'shared') return { path: '', async release() {}, async unlinkAndRelease() {}," +
          ' async [Symbol.asyncDispose]() {}, [Symbol.dispose]() {} }\n',
      },
    ],
  },
  {
    id: 'R-46',
    what: 'two sessions share the lock of a group',
    patches: [
      {
        file: 'src/datastore/locks.ts',
        find: "{ kind: 'exclusive', timeoutMs: 0 }, errors.GROUP_LOCK_BUSY",
        replace: "{ kind: 'shared', timeoutMs: 0 }, errors.GROUP_LOCK_BUSY",
      },
    ],
  },
  {
    id: 'R-47',
    what: 'a removal does not hide the snapshot first',
    patches: [
      {
        file: 'src/datastore/remove-snapshot.ts',
        find: '    await store.fs.rename(snapshotPath(store.path, ns, ref), hidden)\n',
        replace: '    await store.fs.removeTree(snapshotPath(store.path, ns, ref))\n',
      },
    ],
  },
  {
    id: 'R-48',
    what: 'protection is looked at before the lock only',
    patches: [
      {
        file: 'src/datastore/remove-snapshot.ts',
        find: "    if (await store.files.exists(flag)) outcome = 'protected'\n",
        replace: "    if (1 < 0) outcome = 'protected'\n",
      },
    ],
  },
  {
    id: 'R-49',
    what: "a group whose maker crashed before it had an owner is nobody's for ever",
    patches: [
      {
        file: `${SESSIONS}/begin-backup.ts`,
        find: '|| (await isForlorn(store, ns, group))',
        replace: '',
      },
    ],
  },
  {
    id: 'R-55',
    what: 'a damaged chunk of another size counts as a duplicate',
    patches: [
      {
        file: 'src/storage/filesystem-backend.ts',
        find: "      if (existing === null || planInsert(blob, existing, chunk) === 'replace') return false\n",
        replace: '',
      },
    ],
  },
  {
    id: 'R-61',
    what: 'a snapshot on its way is not held back from a collection in another process',
    patches: [
      {
        file: 'src/datastore/move/move-group.ts',
        find: '  using _processLock = await takeSharedProcessLock(store)\n',
        replace: '',
      },
      {
        file: `${COLLECTION}/roots.ts`,
        find: 'if (round > 1 && unknown.length === 0 && !hasMoves) break',
        replace: 'if (round > 1) break',
      },
    ],
  },
  {
    id: 'R-62',
    what: 'the manifest gets its name before the rest is durable',
    patches: [
      {
        file: `${SESSIONS}/publish.ts`,
        find: '  await syncContent(store, options)\n  options.check()\n  await publishInBucket(store, options)\n  options.check()\n  await store.fs.rename(options.pendingPath, `${options.path}/${MANIFEST_NAME}`)\n',
        replace:
          '  await store.fs.rename(options.pendingPath, `${options.path}/${MANIFEST_NAME}`)\n  await syncContent(store, options)\n  options.check()\n',
      },
    ],
  },
  {
    id: 'R-62b',
    what: 'finish is answered without a sync',
    patches: [
      {
        file: `${SESSIONS}/publish.ts`,
        find: '      return await store.core.sync.run()\n',
        replace: '      return\n',
      },
    ],
  },
  {
    id: 'R-62c',
    what: 'chunks of an unclean end are trusted',
    patches: [
      {
        file: 'src/datastore/doubt.ts',
        find: '    if (this.#window === null || this.#trusted.has(digest)) return false\n',
        replace: '    if (this.#trusted.size >= 0) return false\n',
      },
    ],
  },
  {
    id: 'R-63',
    what: 'a failed sync concerns only the session that asked',
    patches: [
      {
        file: 'src/datastore/store-core.ts',
        find: '    this.sessions.failAll(reason)\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-63b',
    what: 'each sync takes a fresh descriptor',
    patches: [
      {
        file: 'src/datastore/store-sync.ts',
        find: '        await handle.syncFileSystem()\n',
        replace: '        await this.#fs.syncFileSystem(this.#path)\n',
      },
    ],
  },
  {
    id: 'R-63c',
    what: 'chunks are trusted after a failed sync',
    patches: [
      {
        file: 'src/datastore/store-core.ts',
        find: '    this.doubt.afterFailedSync(this.#lastGoodSyncMs, this.#options.clock.now())\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-63d',
    what: 'nothing is synced before the first chunk goes',
    patches: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '    await syncAll(store, roots)\n',
        replace: '',
      },
      {
        file: 'src/datastore/remove-snapshot.ts',
        find: '  await syncGroup(store, folder)\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-63e',
    what: "the file system of a session's namespace is not synced",
    patches: [
      {
        file: `${SESSIONS}/begin-backup.ts`,
        find: '    await store.core.sync.addDevice(path)\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-66',
    what: 'sessions and gate belong to the path of a store',
    patches: [
      {
        file: 'src/datastore/store-core.ts',
        find: '      const known = cores.get(processLock.identity)\n',
        replace: '      const known = cores.get(options.path)\n',
      },
      {
        file: 'src/datastore/store-core.ts',
        find: '    const other = cores.get(processLock.identity)\n',
        replace: '    const other = cores.get(options.path)\n',
      },
      {
        file: 'src/datastore/store-core.ts',
        find: '    cores.set(processLock.identity, core)\n',
        replace: '    cores.set(options.path, core)\n',
      },
      {
        file: 'src/datastore/store-core.ts',
        find: '    cores.delete(this.identity)\n',
        replace: '    cores.delete(this.#options.path)\n',
      },
    ],
  },
  {
    id: 'R-67',
    what: 'the marks are asked before the last checks and not again',
    patches: [
      {
        file: `${COLLECTION}/sweep.ts`,
        find: '      if (isExempt || entry.timeMs >= this.#cutoffOf(entry)) this.#keep(entry)\n',
        replace:
          '      readDigest(entry.name, this.#digest)\n      const isUsed = this.#isNeeded(entry)\n' +
          '      if (isUsed || isExempt || entry.timeMs >= this.#cutoffOf(entry)) this.#keep(entry)\n',
      },
      {
        file: `${COLLECTION}/sweep.ts`,
        find: '      if (this.#isNeeded(entry)) this.#keep(entry)\n      else entries.push(entry)\n',
        replace: '      entries.push(entry)\n',
      },
    ],
  },
  {
    id: 'R-69',
    what: 'roots that vanished since the last run are not missed',
    patches: [
      {
        file: `${COLLECTION}/memory.ts`,
        find: '    if (this.#known === null || this.#run.isConfirmed) return []\n',
        replace: '    if (this.#known !== undefined) return []\n',
      },
    ],
  },
]
