/** Guards of sessions, chunks and bad-marking. */
import type { Guard } from './guard.ts'

const OWN = 'test/races/sessions.test.ts'
const BAD = 'test/races/bad-marking.test.ts'
const WRITER = 'src/datastore/sessions/backup-writer.ts'
const WRITER_TEST = 'src/datastore/sessions/backup-writer.test.ts'
const BEGIN = 'src/datastore/sessions/begin-backup.ts'
const LOOK =
  'const look = await this.#options.chunks.lookMany(digests.usedButNotWritten(), { signal })'

export const SESSION_GUARDS: readonly Guard[] = [
  {
    races: ['R-11'],
    what: 'finish looks at what its indexes name and it did not write',
    where: 'KnownChunks.checkBeforeFinish()',
    cuts: [
      {
        file: 'src/datastore/sessions/known-chunks.ts',
        find: LOOK,
        replace: 'const look = await Promise.resolve({ missing: [], failure: null })',
      },
    ],
    test: [
      WRITER_TEST,
      'R-11: a known chunk that goes missing later fails finish and flags the base',
    ],
  },
  {
    races: ['R-11'],
    what: 'the base of a missing chunk is flagged, so that the next backup sends all',
    where: 'KnownChunks.#judge()',
    cuts: [
      {
        file: 'src/datastore/sessions/known-chunks.ts',
        find: '    await this.#options.flagBase()\n    const text = `cannot reuse',
        replace: '    const text = `cannot reuse',
      },
    ],
    test: [WRITER_TEST, 'R-11: a missing known chunk refuses the previous index'],
  },
  {
    races: ['R-12'],
    what: 'duplicates are looked at before finish, too',
    where: 'SessionDigests.usedButNotWritten()',
    cuts: [
      {
        file: 'src/datastore/sessions/known-chunks.ts',
        find: LOOK,
        replace: 'const look = await Promise.resolve({ missing: [], failure: null })',
      },
    ],
    test: [WRITER_TEST, 'R-12: a chunk answered as duplicate that vanishes fails finish'],
  },
  {
    races: ['R-16'],
    what: 'one writer of a digest at a time',
    where: 'ChunkStore.insert()',
    cuts: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    using _gate = await this.#gate.acquire(digest, options.signal)\n    const result',
        replace: '    const result',
      },
    ],
    test: [OWN, 'R-16: two writers of one chunk at once'],
  },
  {
    races: ['R-16'],
    what: 'encrypted never replaces plain',
    where: 'planInsert()',
    cuts: [
      {
        file: 'src/storage/insert-rule.ts',
        find: '  if (!isEncrypted(existingKind)) throw errors.CHUNK_PLAIN_KEPT(chunk)\n',
        replace: "  if (!isEncrypted(existingKind)) return 'replace'\n",
      },
    ],
    test: ['test/contract/chunk-backend.test.ts', 'encrypted never replaces plain'],
  },
  {
    races: ['R-17'],
    what: 'a session holds the process lock to its end',
    where: 'beginBackup()',
    cuts: [
      {
        file: BEGIN,
        find: 'stack.use(await takeSharedProcessLock(store))',
        replace: '{ release() {}, [Symbol.dispose]() {} }',
      },
    ],
    test: [
      'test/races/collection.test.ts',
      'R-17: the process lock is held until the session has ended',
    ],
  },
  {
    races: ['R-18'],
    what: 'locks belong to the open file, not to the process',
    where: 'ofdLock()',
    cuts: [
      {
        file: 'src/base/fs/native.ts',
        find: 'const F_OFD_SETLK = 37',
        replace: 'const F_OFD_SETLK = 6',
      },
    ],
    test: [
      'src/base/fs/record-lock.test.ts',
      'opening and closing the file elsewhere in the process',
    ],
  },
  {
    races: ['R-18'],
    what: 'locks belong to the open file, not to the process',
    where: 'ofdLock()',
    cuts: [
      {
        file: 'src/base/fs/native.ts',
        find: 'const F_OFD_SETLK = 37',
        replace: 'const F_OFD_SETLK = 6',
      },
    ],
    test: [OWN, 'R-18: whatever is done with a datastore, the process lock is not lost'],
  },
  {
    races: ['R-19'],
    what: 'the end of a session, however it ends, takes it from the live ones',
    where: 'BackupWriter.#leave()',
    cuts: [{ file: WRITER, find: '    this.store.core.sessions.remove(this)\n', replace: '' }],
    test: [OWN, 'R-19: whatever call of a session fails, nothing stays held'],
  },
  {
    races: ['R-31'],
    what: 'a chunk is read and judged again under its gate',
    where: 'ChunkStore.markBad()',
    cuts: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    if (!(await isBad())) return null\n',
        replace: '',
      },
    ],
    test: [
      'src/datastore/verify/verify-snapshot.test.ts',
      'R-31: a chunk that was healed since it was read',
    ],
  },
  {
    races: ['R-31'],
    what: 'what cannot be read for another reason than its content stays',
    where: 'CONSEQUENCES',
    cuts: [
      {
        file: 'src/datastore/verify/judge-chunk.ts',
        find: '  unreadable: { corrupt: false, renames: false },',
        replace: '  unreadable: { corrupt: true, renames: true },',
      },
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    if (!(await isBad())) return null\n',
        replace: '',
      },
    ],
    test: [
      'src/datastore/verify/verify-snapshot.test.ts',
      'R-31: an I/O error says nothing about the chunk',
    ],
  },
  {
    races: ['R-32', 'R-12'],
    what: 'sessions that rely on a chunk are failed before it is renamed',
    where: 'LiveSessions.condemn()',
    cuts: [
      {
        file: 'src/datastore/uploads/session-digests.ts',
        find: '      if (session.digests.has(digest)) session.fail(reason)\n',
        replace: '',
      },
    ],
    test: [
      BAD,
      'R-32: a session that relies on a chunk does not finish while that is being renamed',
    ],
  },
  {
    races: ['R-32'],
    what: 'sessions that come to rely on it meanwhile are failed, too',
    where: 'LiveSessions.failIfCondemned()',
    cuts: [
      {
        file: 'src/datastore/uploads/session-digests.ts',
        find: '    if (this.#owner.condemnedCount > 0) this.#owner.failIfCondemned(this, bytes, offset)\n',
        replace: '',
      },
    ],
    test: [BAD, 'R-32: a session that comes to rely on a chunk while that is being renamed'],
  },
  {
    races: ['R-32'],
    what: 'asked again after the manifest got its name, in the step that says finished',
    where: 'BackupWriter.#publish()',
    cuts: [
      {
        file: WRITER,
        find: "      this.#throwIfFailed()\n      this.#state = 'finished'",
        replace: "      this.#state = 'finished'",
      },
    ],
    test: [BAD, 'R-32: a chunk renamed while its manifest gets its name takes that name back'],
  },
  {
    races: ['R-32'],
    what: 'other processes are kept out until the chunk is renamed',
    where: 'ProcessLock.excludeOthers()',
    cuts: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: 'this.#processLock?.excludeOthers() ?? nothing',
        replace: 'this.#processLock?.isExclusive ? nothing : this.#processLock.tryExclusive()',
      },
    ],
    test: [BAD, 'R-32: other processes stay out although the collection beside it ends'],
  },
  {
    races: ['R-32'],
    what: 'while another process has sessions, a chunk stays',
    where: 'ChunkStore.markBad()',
    cuts: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: 'this.#processLock?.excludeOthers() ?? nothing',
        replace: 'nothing',
      },
    ],
    test: [
      'src/datastore/verify/verify-snapshot.test.ts',
      'R-32: while another process has sessions',
    ],
  },
  {
    races: ['R-32'],
    what: 'a snapshot that names a chunk known to be missing is no base',
    where: 'findBase()',
    cuts: [
      {
        file: BEGIN,
        find: 'return (await namesMissingChunk(store, ns, newest, manifest)) ? null : newest',
        replace: 'return newest',
      },
    ],
    test: ['src/datastore/missing-chunks.test.ts', 'corrupt'],
  },
  {
    races: ['R-41'],
    what: 'folders are made one by one, never that of the namespace',
    where: 'createGroupFolder()',
    cuts: [
      {
        file: BEGIN,
        find: 'await store.files.createFolder(`${namespacePath(store.path, ns)}/${group.type}`)',
        replace:
          'await store.fs.mkdir(`${namespacePath(store.path, ns)}/${group.type}`, { recursive: true })',
      },
    ],
    test: [OWN, 'R-41: a namespace that is deleted while a backup begins does not come back'],
  },
  {
    races: ['R-45'],
    what: 'the base is looked at again when it is locked',
    where: 'takeBase()',
    cuts: [
      {
        file: BEGIN,
        find: '    if (!(await snapshotExists(store, ns, ref))) continue\n',
        replace: '',
      },
    ],
    test: [OWN, 'R-45: a base that is forgotten before it is locked gives way to the one before'],
  },
  {
    races: ['R-45'],
    what: 'the base is locked to the end of the session',
    where: 'lockBase()',
    cuts: [
      {
        file: BEGIN,
        find: "return await store.locks.lockSnapshot(ns, base, 'shared')",
        replace: "return await store.locks.lockSnapshot(ns, { ...base, time: 1 }, 'shared')",
      },
    ],
    test: [OWN, 'R-45: a base in use is kept from everybody'],
  },
  {
    races: ['R-45'],
    what: 'finish looks whether the base is still there',
    where: 'BackupWriter.#checkBaseExists()',
    cuts: [{ file: WRITER, find: '    await this.#checkBaseExists()\n', replace: '' }],
    test: [OWN, 'R-45: a base removed by hand while finish looks'],
  },
  {
    races: ['R-46'],
    what: 'a time must be later than that of the base',
    where: 'takeBase()',
    cuts: [
      {
        file: BEGIN,
        find: "    if (time <= ref.time) refuse('backup timestamp is older than last backup.')\n",
        replace: '',
      },
    ],
    test: [OWN, 'R-46: one writer per group'],
  },
  {
    races: ['R-49'],
    what: 'a folder without owner and snapshots is a new group',
    where: 'isForlorn()',
    cuts: [
      {
        file: BEGIN,
        find: 'if (isMade || isMadeAgain || (await isForlorn(store, ns, group))) {',
        replace: 'if (isMade || isMadeAgain) {',
      },
    ],
    test: [OWN, 'R-49: a group whose maker crashed'],
  },
  {
    races: ['R-49'],
    what: 'the owner is replaced atomically',
    where: 'writeOwner()',
    cuts: [
      {
        file: 'src/datastore/groups.ts',
        find: 'await store.files.write(path, Buffer.from(`${authId}\\n`))',
        replace:
          'await store.fs.unlink(path)\n  await store.files.createNew(path, Buffer.from(`${authId}\\n`))',
      },
    ],
    test: [OWN, 'R-49: who reads the owner while it is changed'],
  },
]
