/** The faulty variants from R-41 on: snapshots, groups, namespaces, crashes, and the rules found later. */
import { COLLECTION, type Mutation, SESSIONS } from './mutation.ts'

export const SNAPSHOT_MUTATIONS: readonly Mutation[] = [
  {
    id: 'R-41',
    what: 'a backup makes the folder of its namespace',
    needs: ['removeSpace', 'backup'],
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
    needs: ['setNotes'],
    patches: [
      {
        file: 'src/datastore/manifest-store.ts',
        find: '  await using _lock = await store.locks.lockManifest(ns, ref)\n  await checkNotLeaving(',
        replace: '  await checkNotLeaving(',
      },
    ],
  },
  {
    id: 'R-43',
    what: 'a removal goes on without the lock of the manifest',
    needs: ['forget', 'setNotes'],
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
    needs: ['backup'],
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
    needs: ['backup'],
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
    needs: ['protect'],
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
    needs: ['backup', 'crash'],
    patches: [
      {
        file: `${SESSIONS}/begin-backup.ts`,
        find: '|| (await isForlorn(store, ns, group))',
        replace: '',
      },
    ],
  },
  {
    id: 'R-53',
    what: 'the file of active operations is changed without its lock',
    needs: ['retire'],
    patches: [
      {
        file: 'src/datastore/active-operations.ts',
        find: '      await using _lock = await this.#lock(store)\n      await this.#write(store, own)\n',
        replace:
          '      await (await this.#lock(store)).release()\n      await this.#write(store, own)\n',
      },
    ],
  },
  {
    id: 'R-53b',
    what: 'who begins while an end is being written counts on what the file says',
    needs: ['retire'],
    patches: [
      {
        file: 'src/datastore/active-operations.ts',
        find: '      if (known !== null && isLess(own, known)) counts.published = null\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-55',
    what: 'a damaged chunk of another size counts as a duplicate',
    needs: ['rot', 'backup'],
    patches: [
      {
        file: 'src/storage/filesystem-backend.ts',
        find: "      if (existing === null || planInsert(blob, existing, chunk) === 'replace') return false\n",
        replace: '',
      },
    ],
  },
  {
    id: 'R-56',
    what: "temporary files of chunks are nobody's",
    needs: ['backup'],
    patches: [
      {
        file: `${COLLECTION}/list-folder.ts`,
        find: 'const TEMPORARY_NAME = /^\\.tmp_[A-Za-z0-9]{6}$/',
        replace: 'const TEMPORARY_NAME = /^\\.never$/',
      },
    ],
  },
  {
    id: 'R-56b',
    what: 'what a cut update of a manifest left stays',
    needs: ['setNotes'],
    patches: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  await removeTemporaries(run, roots)\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-61',
    what: 'moves of other programs are not looked for, and the store is walked once',
    needs: ['stockMove', 'collect'],
    patches: [
      {
        file: `${COLLECTION}/roots.ts`,
        find: '      const hasMoves = await drainMoveJournal(store)\n',
        replace: '      const hasMoves = false\n',
      },
      {
        file: `${COLLECTION}/roots.ts`,
        find: 'if (round > 1 && unknown.length === 0 && !hasMoves) break',
        replace: 'if (round > 1) break',
      },
    ],
  },
  {
    id: 'R-61b',
    what: 'a snapshot on its way is not held back from a collection in another process',
    needs: ['move', 'reload', 'collect'],
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
    needs: ['backup', 'cutPower'],
    patches: [
      {
        file: `${SESSIONS}/publish.ts`,
        find:
          '  await syncContent(store, options)\n  options.check()\n' +
          '  await publishInBucket(store, options)\n  options.check()\n' +
          '  await store.fs.rename(options.pendingPath, `${options.path}/${MANIFEST_NAME}`)\n',
        replace:
          '  await store.fs.rename(options.pendingPath, `${options.path}/${MANIFEST_NAME}`)\n  await syncContent(store, options)\n  options.check()\n',
      },
    ],
  },
  {
    id: 'R-62b',
    what: 'finish is answered without a sync',
    needs: ['backup', 'cutPower'],
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
    needs: ['backup', 'cutPower'],
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
    needs: ['backup', 'failWriteBack'],
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
    needs: ['backup', 'failWriteBack'],
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
    needs: ['backup', 'failWriteBack'],
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
    needs: ['forget', 'collect', 'cutPower'],
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
    needs: ['backup'],
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
    needs: ['backup'],
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
    id: 'R-66b',
    what: 'locks of groups and snapshots go by the name of the store alone',
    needs: ['backup'],
    patches: [
      {
        file: 'src/datastore/datastore.ts',
        find: 'owner, book, names: core.names, log }',
        replace: 'owner, book, log }',
      },
    ],
  },
  {
    id: 'R-67',
    what: 'the marks are asked before the last checks and not again',
    needs: ['backup', 'collect'],
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
    id: 'R-68',
    what: 'an index is known by its file alone, and no list is read again',
    needs: ['resync', 'collect'],
    patches: [
      {
        file: `${COLLECTION}/mark-index.ts`,
        find: ' && a.fileSize === b.fileSize && a.header === b.header\n',
        replace: ' && a.fileSize === b.fileSize\n',
      },
      {
        file: `${COLLECTION}/collect.ts`,
        find: '    await roots.readKept()\n',
        replace: '',
      },
    ],
  },
  {
    id: 'R-69',
    what: 'roots that vanished since the last run are not missed',
    needs: ['unmountSpace', 'collect'],
    patches: [
      {
        file: `${COLLECTION}/memory.ts`,
        find: '    if (this.#known === null || this.#run.isConfirmed) return []\n',
        replace: '    if (this.#known !== undefined) return []\n',
      },
    ],
  },
]
