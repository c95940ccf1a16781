/** Guards of locks, removals, manifests and of what a power cut leaves. */
import type { Guard } from './guard.ts'

const OWN = 'test/races/removal.test.ts'
const RECOVERY_TEST = 'src/datastore/recovery.test.ts'
const REMOVE = 'src/datastore/remove-snapshot.ts'

export const STORE_GUARDS: readonly Guard[] = [
  {
    races: ['R-05'],
    what: 'a snapshot that vanished is left out of a listing',
    where: 'readListing()',
    cuts: [
      {
        file: 'src/datastore/snapshots.ts',
        find: "    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return null\n",
        replace: '',
      },
    ],
    test: [
      'src/datastore/removal.test.ts',
      'R-05: a snapshot that vanishes while listing is left out',
    ],
  },
  {
    races: ['R-21', 'R-22'],
    what: 'a lock counts only if the path still names the locked file',
    where: 'tryLock()',
    cuts: [
      {
        file: 'src/base/fs/file-lock.ts',
        find: "    if (!(await isStillNamed(fs, path, handle))) return 'replaced'\n",
        replace: '',
      },
    ],
    test: ['src/datastore/locks.test.ts', 'R-22: a lock on a file that lost its name is not held'],
  },
  {
    races: ['R-42'],
    what: 'a removal takes the manifest lock',
    where: 'removeSnapshot()',
    cuts: [
      {
        file: REMOVE,
        find: 'await orLocked(store.locks.lockManifest(ns, ref), prefix, path)\n',
        replace: 'snapshotLock\n',
      },
    ],
    test: [OWN, 'R-42: an update of the manifest and a removal follow each other'],
  },
  {
    races: ['R-42'],
    what: 'manifest updates follow each other',
    where: 'updateUnprotected()',
    cuts: [
      {
        file: 'src/datastore/manifest-store.ts',
        find: '  await using _lock = await store.locks.lockManifest(ns, ref)\n',
        replace: '',
      },
    ],
    test: [OWN, 'R-42: a later update sees what an earlier one wrote'],
  },
  {
    races: ['R-43'],
    what: 'a lock that is not obtained ends the removal',
    where: 'removeSnapshot()',
    cuts: [
      {
        file: REMOVE,
        find: 'await orLocked(store.locks.lockManifest(ns, ref), prefix, path)\n',
        replace: 'snapshotLock\n',
      },
    ],
    test: ['test/races/sessions.test.ts', 'R-43: a busy manifest lock fails forget'],
  },
  {
    races: ['R-47'],
    what: 'a snapshot is hidden by one rename before its files go',
    where: 'removeFolder()',
    cuts: [
      {
        file: REMOVE,
        find: '    await store.fs.rename(snapshotPath(store.path, ns, ref), hidden)\n',
        replace: '',
      },
      {
        file: REMOVE,
        find: '  await store.fs.removeTree(hidden)\n',
        replace: '  await store.fs.removeTree(snapshotPath(store.path, ns, ref))\n',
      },
    ],
    test: [OWN, 'R-47: at no step of a removal is a snapshot seen that is not whole'],
  },
  {
    races: ['R-48'],
    what: 'protection is looked at under the locks',
    where: 'removeSnapshot()',
    cuts: [
      {
        file: REMOVE,
        find: "    if (await store.files.exists(flag)) outcome = 'protected'\n    else if",
        replace: '    if',
      },
    ],
    test: [OWN, 'R-48: a snapshot that is protected before its removal has it locked stays'],
  },
  {
    races: ['R-55'],
    what: 'a broken chunk of another size counts as absent',
    where: 'FilesystemBackend.#readWhole()',
    cuts: [
      {
        file: 'src/storage/filesystem-backend.ts',
        find: '      if (await isWholeChunk(digest, existing)) return existing\n',
        replace: '      return existing\n',
      },
    ],
    test: ['test/contract/chunk-backend.test.ts', 'R-55: empty and broken chunks of another size'],
  },
  {
    races: ['R-55', 'R-62'],
    what: 'everything is synced before the manifest gets its name',
    where: 'publishSnapshot()',
    cuts: [
      {
        file: 'src/datastore/sessions/publish.ts',
        find: '  await syncContent(store, options)\n',
        replace: '',
      },
    ],
    test: [RECOVERY_TEST, 'the manifest gets its name after the sync and before the answer'],
  },
  {
    races: ['R-62'],
    what: 'after an unclean end chunks are doubtful',
    where: 'StoreCore',
    cuts: [
      {
        file: 'src/datastore/store-core.ts',
        find: 'const fresh = isUnclean ? doubtAfter(state.lastGoodSyncMs, nowMs) : null',
        replace: 'const fresh = null',
      },
    ],
    test: [RECOVERY_TEST, 'a damaged known chunk counts as missing'],
  },
  {
    races: ['R-62'],
    what: 'a doubtful chunk is verified before it counts as duplicate',
    where: 'FilesystemBackend.#keepsExisting()',
    cuts: [
      {
        file: 'src/storage/filesystem-backend.ts',
        find: '} else if (this.#isDoubtful(digest, stat) && !(await this.#verify(digest))) {',
        replace: '} else if (stat.size < 0) {',
      },
    ],
    test: [RECOVERY_TEST, 'a damaged chunk of the right size is overwritten by an upload'],
  },
  {
    races: ['R-62'],
    what: 'only folders that the journal names as ours are removed at start',
    where: 'removeIfOurs()',
    cuts: [
      {
        file: 'src/datastore/recovery.ts',
        find: '  if (!isOurs || names.includes(MANIFEST_NAME)) return false\n',
        replace: '',
      },
    ],
    test: [RECOVERY_TEST, "a snapshot of the same name that is not our session's is kept"],
  },
  {
    races: ['R-63'],
    what: 'a failed sync fails every live session',
    where: 'StoreCore.#failAll()',
    cuts: [
      {
        file: 'src/datastore/store-core.ts',
        find: '    this.sessions.failAll(reason)\n',
        replace: '',
      },
    ],
    test: [RECOVERY_TEST, 'fails every live session, and leaves nothing that looks finished'],
  },
  {
    races: ['R-63'],
    what: 'what a failed sync may have lost is written again',
    where: 'FilesystemBackend.#verify()',
    cuts: [
      {
        file: 'src/storage/filesystem-backend.ts',
        find: '    if (doubt.rewrites) await this.#write(this.pathOf(digest), existing, { replaces: true })\n',
        replace: '',
      },
    ],
    test: ['src/datastore/store-core.test.ts', 'what a failed sync may have lost is written again'],
  },
  {
    races: ['R-63'],
    what: 'what takes the place of a chunk file is on the disk before',
    where: 'FilesystemBackend.#writeFile()',
    cuts: [
      {
        file: 'src/storage/filesystem-backend.ts',
        find: '    if (durable || replaces) await handle.sync()\n',
        replace: '    if (durable) await handle.sync()\n',
      },
    ],
    test: [
      'src/datastore/store-core.test.ts',
      'a chunk that is written again is on the disk before',
    ],
  },
  {
    races: ['R-66'],
    what: 'one core for a store, whatever its name',
    where: 'StoreCore.open()',
    cuts: [
      {
        file: 'src/datastore/store-core.ts',
        find: '    cores.set(processLock.identity, core)\n',
        replace: '',
      },
    ],
    test: ['src/datastore/registry.test.ts', 'R-66: two names of one folder share process lock'],
  },
  {
    races: ['R-66'],
    what: 'a session that begins counts as a use of its store',
    where: 'beginBackup()',
    cuts: [
      {
        file: 'src/datastore/sessions/begin-backup.ts',
        find: '  using _use = store.core.enter()\n',
        replace: '',
      },
    ],
    test: ['src/datastore/store-core.test.ts', 'is not closed below a session that is beginning'],
  },
  {
    races: ['R-69'],
    what: 'a removal is noted, durably, before it begins',
    where: 'removeFolder()',
    cuts: [
      {
        file: REMOVE,
        find: "  using _leaving = await store.core.collection.noteRemoval({ kind: 'snapshot', ns, ref })\n",
        replace: '',
      },
    ],
    test: ['src/datastore/removal-crash.test.ts', 'R-69: is noted before the snapshot is hidden'],
  },
  {
    races: ['R-53'],
    what: 'who begins while the file is about to say less waits until it is counted again',
    where: 'ActiveOperations.#publish()',
    cuts: [
      {
        file: 'src/datastore/active-operations.ts',
        find: '      if (known !== null && isLess(own, known)) counts.published = null\n',
        replace: '',
      },
    ],
    test: [
      'src/datastore/active-operations.test.ts',
      'R-53: who begins while an end is being written waits until it is counted',
    ],
  },
  {
    races: ['R-66'],
    what: 'locks of groups, snapshots and manifests belong to the store, whatever it is called',
    where: 'LockTable.#takeName()',
    cuts: [
      {
        file: 'src/datastore/locks.ts',
        find: '    this.#names = options.names ?? new NameLocks()\n',
        replace: '    this.#names = new NameLocks()\n',
      },
    ],
    test: [
      'src/datastore/locks.test.ts',
      'R-66: two names of one store exclude each other, and give back what they took',
    ],
  },
]
