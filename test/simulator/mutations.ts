/**
 * Faulty variants of the protocol, one or more for each R-number that applies to a store on local disks. Each must be
 * found within the seeds that CI plays, or the world is too small to show anything.
 */
import { COLLECTION, type Mutation, SESSIONS } from './mutation.ts'
import { SNAPSHOT_MUTATIONS } from './mutations-of-snapshots.ts'

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
    id: 'R-02',
    what: 'a folder of snapshots that reads empty once has none',
    needs: ['collect'],
    patches: [
      {
        file: `${COLLECTION}/roots.ts`,
        find: 'if (round > 1 && unknown.length === 0 && !hasMoves) break',
        replace: 'if (round > 1) break',
      },
    ],
  },
  {
    id: 'R-03',
    what: 'a collection does not hear of what sessions register',
    needs: ['backup', 'collect'],
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
    needs: ['collect'],
    patches: [
      {
        file: 'src/datastore/move/moved-digests.ts',
        find: '    const uuids = await registerFolder(store, folder, digests)\n',
        replace: '    const uuids: string[] = []\n',
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
    needs: ['collect'],
    patches: [
      {
        file: `${COLLECTION}/walk-roots.ts`,
        find: "    if (folder === LOST_AND_FOUND && isSystemError(error, 'EACCES', 'EPERM')) return []\n    throw walkFailure(path, error)",
        replace: '    return []',
      },
    ],
  },
  {
    id: 'R-08',
    what: 'the cutoff is taken when a chunk is looked at',
    needs: ['collect', 'backup'],
    patches: [
      {
        file: `${COLLECTION}/sweep.ts`,
        find: '    const { cutoffMs, wallMs } = this.#run.start\n',
        replace:
          '    const { store, start: { wallMs } } = this.#run\n' +
          '    const cutoffMs = store.clock.now() - store.settings.gcGraceMs\n',
      },
    ],
  },
  {
    id: 'R-10',
    what: 'sessions that live when a collection begins are not seeded',
    needs: ['backup', 'collect'],
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
    needs: ['backup', 'collect'],
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
    needs: ['backup'],
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
    needs: ['backup'],
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
    needs: ['backup', 'collect'],
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
    needs: ['backup', 'collect'],
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
    needs: ['jumpClock', 'collect'],
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
    needs: ['backup'],
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
    needs: ['backup'],
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
    needs: ['stockBackup', 'removeGroup', 'backup'],
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
    needs: ['backup', 'collect'],
    patches: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    using _gate = await this.#gate.acquire(digest, options.signal)\n    const result = await this.#backend.put(digest, chunk.blob, options)\n',
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
    needs: ['verify', 'rot'],
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
    needs: ['verify', 'rot'],
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
    needs: ['verify', 'backup'],
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
    needs: ['collect', 'backup'],
    patches: [
      {
        file: `${COLLECTION}/sweep.ts`,
        find: '    const answer = await engine.unlink(',
        replace: '    gates.dispose()\n    const answer = await engine.unlink(',
      },
    ],
  },
  ...SNAPSHOT_MUTATIONS,
]
