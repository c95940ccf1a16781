/** Moves of groups and namespaces: what goes where, who is refused, and what is in the way. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  backUp,
  begin,
  finish,
  makeTestStore,
  writeArchive,
} from '../../../test/support/test-store.ts'
import { ForeignLock, foreignLockMissing } from '../../../test/support/foreign-lock.ts'
import { silentProgress } from '../../base/progress.ts'
import { systemClock } from '../../base/time/clock.ts'
import { parseGroup, type SnapshotRef } from '../../formats/names.ts'
import { type NamespacePath, parseNamespace, ROOT_NAMESPACE } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { groupExists, readGroupNotes, readOwner, setGroupNotes, setOwner } from '../groups.ts'
import { readSnapshotNotes, setSnapshotNotes } from '../manifest-store.ts'
import { createNamespace, listNamespaces } from '../namespaces.ts'
import { beginRead } from '../sessions/begin-read.ts'
import { isProtected, listSnapshots, setProtected } from '../snapshots.ts'
import { checkMoveGroup, moveGroup } from './move-group.ts'
import { checkMoveNamespace, moveNamespace } from './move-namespace.ts'

const GROUP = parseGroup('host/web1')
const DAY = 86_400
const DAY_1 = 1_767_225_600
const ROOT = ROOT_NAMESPACE
const A = parseNamespace('a')

function refOf(day: number) {
  return { ...GROUP, time: DAY_1 + (day - 1) * DAY }
}

function recorder(signal?: AbortSignal) {
  const lines: string[] = []
  const progress = {
    ...silentProgress(signal),
    log: (line: string) => void lines.push(line),
    warn: (line: string) => void lines.push(`WARN: ${line}`),
  }
  return { lines, progress }
}

/** From the root to `a`. */
const TO_A = { source: ROOT, target: A, group: GROUP, mergeGroup: true }

async function daysIn(store: Datastore, ns: NamespacePath): Promise<number[]> {
  const listed = await listSnapshots(store, ns, GROUP)
  return listed.map(({ ref }) => (ref.time - DAY_1) / DAY + 1)
}

suite('moveGroup()', () => {
  test('moves snapshots, owner, notes and protection, and leaves nothing behind', async (context) => {
    const { store, folder } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    for (const day of [1, 2]) await backUp(store, refOf(day).time, [`day ${day}`])
    await setOwner(store, ROOT, GROUP, 'a@pbs')
    await setGroupNotes(store, ROOT, GROUP, 'about web1\n')
    await setSnapshotNotes(store, ROOT, refOf(1), 'first')
    await setProtected(store, ROOT, refOf(2), true)
    const { lines, progress } = recorder()
    await moveGroup(store, { ...TO_A, progress })
    assert.deepEqual(lines, [
      "moving group 'host/web1' from '' to 'a'",
      `removing backup group "${store.path}/host/web1"`,
    ])
    assert.equal(await groupExists(store, ROOT, GROUP), false)
    assert.deepEqual(await daysIn(store, A), [1, 2])
    assert.equal(await readOwner(store, A, GROUP), 'a@pbs')
    assert.equal(await readGroupNotes(store, A, GROUP), 'about web1\n')
    assert.equal(await readSnapshotNotes(store, A, refOf(1)), 'first')
    assert.equal(await isProtected(store, A, refOf(2)), true)
    // Lock files of the old place are gone; the journal names the new one.
    assert.deepEqual(readdirSync(`${folder}/locks/store1`).toSorted(), ['a', 'move-journal'])
    const journal = readFileSync(`${folder}/locks/store1/move-journal`, 'utf8')
    const path = `${store.path}/ns/a/host/web1`
    assert.equal(journal, `${path}/2026-01-01T00:00:00Z\n${path}/2026-01-02T00:00:00Z\n`)
    // The backups go on there, on the base that moved.
    const writer = await begin(store, refOf(3).time, { ns: A, caller: 'a@pbs' })
    assert.deepEqual(writer.base, refOf(2))
    await writer.abort()
    assert.equal(store.core.sessions.count, 0)
    assert.equal(store.core.processLock.sharedCount, 0)
  })

  test('refuses with the texts of stock', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    await backUp(store, refOf(1).time, ['one'])
    const refused = async (options: object, message: string) => {
      await assert.rejects(checkMoveGroup(store, { ...TO_A, ...options }), { message })
    }
    await refused({ target: ROOT }, 'source and target namespace must be different')
    await refused({ target: parseNamespace('x') }, "target namespace 'x' does not exist")
    await refused({ group: parseGroup('host/x') }, "group 'host/x' does not exist in namespace ''")
    await backUp(store, refOf(2).time, ['one'], { ns: A })
    await refused(
      { mergeGroup: false },
      "group 'host/web1' already exists in target namespace 'a' and merge-group is disabled",
    )
    const { lines, progress } = recorder()
    await assert.rejects(
      moveGroup(store, {
        ...TO_A,
        source: A,
        target: ROOT,
        mergeGroup: true,
        progress: {
          ...progress,
          signal: AbortSignal.abort(),
        },
      }),
      { name: 'AbortError' },
    )
    await backUp(store, refOf(3).time, ['one'])
    await assert.rejects(moveGroup(store, { ...TO_A, progress }), {
      message: "cannot merge group 'host/web1' from '' into 'a': snapshot time mismatch",
    })
    assert.deepEqual(lines.slice(-2), [
      'oldest source snapshot: 2026-01-01T00:00:00Z',
      'conflicting target snapshot: 2026-01-02T00:00:00Z',
    ])
    await setOwner(store, A, GROUP, 'b@pbs')
    await assert.rejects(moveGroup(store, { ...TO_A, progress }), {
      message:
        "cannot merge group 'host/web1' from '' into 'a': owner mismatch (source: root@pam, target: b@pbs)",
    })
    assert.deepEqual(await daysIn(store, ROOT), [1, 3])
    assert.deepEqual(await daysIn(store, A), [2])
  })

  test('merges what is newer, and the notes of the target stay', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    await backUp(store, refOf(1).time, ['one'], { ns: A })
    for (const day of [2, 3]) await backUp(store, refOf(day).time, ['one'])
    await setGroupNotes(store, ROOT, GROUP, 'source')
    await setGroupNotes(store, A, GROUP, 'target')
    const { lines, progress } = recorder()
    await moveGroup(store, { ...TO_A, progress })
    assert.equal(lines[0], "merging group 'host/web1' from '' to 'a'")
    assert.deepEqual(await daysIn(store, A), [1, 2, 3])
    assert.equal(await readGroupNotes(store, A, GROUP), 'target')
    assert.equal(await groupExists(store, ROOT, GROUP), false)
  })

  test('BK, RD: what is in use stays, and no empty target is left', async (context) => {
    const { store, folder } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    for (const day of [1, 2]) await backUp(store, refOf(day).time, ['one'])
    const { progress } = recorder()
    const snapshotLock = JSON.stringify(store.locks.snapshotLockPath(ROOT, refOf(2)))
    const why = (lock: string) =>
      `Unable to acquire lock ${lock} - Resource temporarily unavailable (os error 11)`
    {
      await using _reader = await beginRead(store, { ns: ROOT, ref: refOf(2), checkOwner: null })
      await assert.rejects(moveGroup(store, { ...TO_A, progress }), {
        message: `unable to acquire snapshot lock ${snapshotLock}: ${why(snapshotLock)}`,
      })
    }
    assert.equal(await groupExists(store, A, GROUP), false)
    assert.deepEqual(readdirSync(`${folder}/locks/store1/a`), [])
    assert.deepEqual(await daysIn(store, ROOT), [1, 2], 'nothing of the batch was moved')
    for (const ns of [ROOT, A]) {
      const writer = await begin(store, refOf(3).time, { ns })
      const groupLock = JSON.stringify(store.locks.groupLockPath(ns, GROUP))
      await assert.rejects(moveGroup(store, { ...TO_A, progress }), {
        message: `unable to acquire backup group lock ${groupLock}: ${why(groupLock)}`,
      })
      await writer.abort()
    }
    assert.deepEqual(await daysIn(store, ROOT), [1, 2])
  })

  test('goes on where an earlier move ended', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    for (const day of [1, 2, 3]) await backUp(store, refOf(day).time, ['one'])
    const stop = new AbortController()
    const rename = store.fs.rename.bind(store.fs)
    context.mock.method(store.fs, 'rename', async (from: string, to: string) => {
      await rename(from, to)
      if (to.endsWith('2026-01-01T00:00:00Z')) stop.abort()
    })
    const first = recorder(stop.signal)
    await assert.rejects(moveGroup(store, { ...TO_A, progress: first.progress }), {
      name: 'AbortError',
    })
    assert.deepEqual([await daysIn(store, ROOT), await daysIn(store, A)], [[2, 3], [1]])
    const second = recorder()
    await moveGroup(store, { ...TO_A, progress: second.progress })
    assert.equal(second.lines[0], "merging group 'host/web1' from '' to 'a'")
    assert.deepEqual(await daysIn(store, A), [1, 2, 3])
  })

  test('a snapshot whose index cannot be read stays where it is', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    await backUp(store, refOf(1).time, ['one'])
    const index = `${store.path}/host/web1/2026-01-01T00:00:00Z/root.pxar.didx`
    writeFileSync(index, 'no index')
    await assert.rejects(
      moveGroup(store, { ...TO_A, ...recorder() }),
      /Unable to open dynamic index/,
    )
    assert.deepEqual(await daysIn(store, ROOT), [1])
    assert.equal(await groupExists(store, A, GROUP), false)
  })

  test('R-41: a target that was removed meanwhile does not come back', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    await backUp(store, refOf(1).time, ['one'])
    const lockGroup = store.locks.lockGroup.bind(store.locks)
    context.mock.method(store.locks, 'lockGroup', async (...args: Parameters<typeof lockGroup>) => {
      await store.fs.removeTree(`${store.path}/ns/a`)
      return await lockGroup(...args)
    })
    await assert.rejects(moveGroup(store, { ...TO_A, ...recorder() }), {
      message: "target namespace 'a' does not exist",
    })
    assert.equal(existsSync(`${store.path}/ns/a`), false)
    assert.deepEqual(await daysIn(store, ROOT), [1])
  })

  test('R-47: what is hidden for removal is not moved, and goes with the source', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    await backUp(store, refOf(1).time, ['one'])
    mkdirSync(`${store.path}/host/web1/.removed-2025-01-01T00:00:00Z-00000000`)
    await moveGroup(store, { ...TO_A, ...recorder() })
    assert.equal(await groupExists(store, ROOT, GROUP), false)
    const names = readdirSync(`${store.path}/ns/a/host/web1`).toSorted()
    assert.deepEqual(names, ['2026-01-01T00:00:00Z', 'owner'])
  })

  test('UM x MV: an update of a manifest ends before its snapshot moves, or finds nothing', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    await backUp(store, refOf(1).time, ['one'])
    const lockManifest = store.locks.lockManifest.bind(store.locks)
    const lock = await lockManifest(ROOT, refOf(1))
    const asked = Promise.withResolvers<string>()
    context.mock.method(store.locks, 'lockManifest', (ns: NamespacePath, ref: SnapshotRef) => {
      asked.resolve('asked')
      return lockManifest(ns, ref)
    })
    const moving = moveGroup(store, { ...TO_A, ...recorder() })
    const path = `${store.path}/host/web1/2026-01-01T00:00:00Z`
    // The move waits for the lock: the snapshot stays as long as the update lasts.
    assert.equal(await Promise.race([asked.promise, moving]), 'asked')
    assert.ok(existsSync(path))
    await lock.release()
    await moving
    await assert.rejects(setSnapshotNotes(store, ROOT, refOf(1), 'late'), /unable to load blob/)
    assert.equal(existsSync(path), false)
    await setSnapshotNotes(store, A, refOf(1), 'there')
  })
})

suite('R-04, R-61: a move beside a collection', () => {
  test('every digest is registered before the rename, and the session ends after it', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    const writer = await begin(store, refOf(1).time)
    const digests = await writeArchive(writer, 'root.pxar.didx', ['one', 'two', 'three'])
    await finish(writer)
    const marked = new Set<string>()
    store.core.sessions.onRegister = (bytes, offset) => {
      marked.add(Buffer.from(bytes.subarray(offset, offset + 32)).toString('hex'))
    }
    const seen: unknown[] = []
    const rename = store.fs.rename.bind(store.fs)
    context.mock.method(store.fs, 'rename', async (from: string, to: string) => {
      if (from.endsWith(':00Z')) {
        const live = [...store.core.sessions][0]
        // A collection that begins now waits for the rename, and is seeded with the session.
        let waited = true
        void store.core.collection.untilNoMoves().then(() => (waited = false))
        await nextTurn()
        seen.push({
          marked: digests.every((digest) => marked.has(digest)),
          seeded: digests.every((digest) => live?.digests.has(digest)),
          waited,
          shared: store.core.processLock.sharedCount,
        })
      }
      await rename(from, to)
    })
    await moveGroup(store, { ...TO_A, ...recorder() })
    assert.deepEqual(seen, [{ marked: true, seeded: true, waited: true, shared: 1 }])
    assert.equal(store.core.sessions.count, 0)
    await store.core.collection.untilNoMoves()
  })

  test('R-69: the old places are noted as left before the first rename', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    for (const day of [1, 2]) await backUp(store, refOf(day).time, ['one'])
    const noted: string[][] = []
    const rename = store.fs.rename.bind(store.fs)
    context.mock.method(store.fs, 'rename', async (from: string, to: string) => {
      if (from.endsWith(':00Z')) noted.push([...(await store.core.collection.removals.read())])
      await rename(from, to)
    })
    await moveGroup(store, { ...TO_A, ...recorder() })
    const both = ['host/web1/2026-01-01T00:00:00Z', 'host/web1/2026-01-02T00:00:00Z']
    assert.deepEqual(
      noted.map((paths) => paths.toSorted()),
      [both, both],
    )
  })

  test('a collection of the own process does not hold a move up', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    await backUp(store, refOf(1).time, ['one'])
    using _collection = store.core.processLock.tryExclusive()
    await moveGroup(store, { ...TO_A, ...recorder() })
    assert.deepEqual(await daysIn(store, A), [1])
  })

  test('one of another process ends it after some seconds', {
    skip: foreignLockMissing(),
  }, async (context) => {
    // Whoever sleeps wakes at once and finds that the time is over.
    let ms = 0
    const clock = {
      now: () => systemClock.now(),
      monotonic: () => ms,
      sleep: async (delayMs: number) => void (ms += delayMs),
    }
    const { store } = await makeTestStore(context, { clock })
    await createNamespace(store, ROOT, 'a')
    await backUp(store, refOf(1).time, ['one'])
    await using _other = await ForeignLock.try(`${store.path}/.lock`, 'record', 'exclusive')
    await assert.rejects(moveGroup(store, { ...TO_A, ...recorder() }), {
      message: 'unable to get shared lock - EAGAIN: Try again',
    })
    assert.deepEqual(await daysIn(store, ROOT), [1])
    assert.ok(ms >= 5000)
  })
})

suite('moveNamespace()', () => {
  const options = { source: A, target: parseNamespace('m'), deleteSource: true, mergeGroups: true }

  test('moves all below, by the names of the target', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    const b = await createNamespace(store, A, 'b')
    await createNamespace(store, ROOT, 'x')
    await backUp(store, refOf(1).time, ['one'], { ns: A })
    await backUp(store, refOf(1).time, ['one'], { ns: b, group: 'vm/100' })
    const { lines, progress } = recorder()
    await moveNamespace(store, { ...options, target: parseNamespace('x/m'), progress })
    const path = `${store.path}/ns/a`
    assert.deepEqual(lines, [
      "moving namespace 'a' -> 'x/m': 2 namespace(s)",
      "moving group 'host/web1' from 'a' to 'x/m'",
      `removing backup group "${path}/host/web1"`,
      "moved group 1 ('host/web1' in 'a')",
      "moving group 'vm/100' from 'a/b' to 'x/m/b'",
      `removing backup group "${path}/ns/b/vm/100"`,
      "moved group 2 ('vm/100' in 'a/b')",
    ])
    assert.deepEqual(await listNamespaces(store), ['', 'x', 'x/m', 'x/m/b'])
  })

  test('refuses with the texts of stock', async (context) => {
    const { store } = await makeTestStore(context)
    let ns = await createNamespace(store, ROOT, 'a')
    const refused = async (change: object, message: string) => {
      await assert.rejects(checkMoveNamespace(store, { ...options, ...change }), { message })
    }
    await refused({ source: ROOT }, 'cannot move root namespace')
    await refused({ target: ROOT }, 'cannot move root namespace')
    await refused({ target: A }, 'source and target namespace must be different')
    await refused({ source: parseNamespace('x') }, "source namespace 'x' does not exist")
    await refused({ target: parseNamespace('x/y') }, "target parent namespace 'x' does not exist")
    await refused(
      { target: parseNamespace('a/x') },
      "cannot move namespace 'a' into its own subtree (target: 'a/x')",
    )
    for (let level = 1; level < 7; level += 1) ns = await createNamespace(store, ns, 'n')
    await createNamespace(store, ROOT, 'm')
    await refused({ target: parseNamespace('m/x') }, 'namespace too deep, 7 >= max 7')
  })

  test('groups in use are tried again, and what stays is named', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    const sub = await createNamespace(store, A, 'sub')
    for (const group of ['host/x', 'host/y'])
      await backUp(store, refOf(1).time, ['one'], { ns: sub, group })
    const writer = await begin(store, refOf(2).time, { ns: sub, group: 'host/x' })
    const { lines, progress } = recorder()
    const moving = { ...options, target: parseNamespace('m3'), progress }
    await assert.rejects(moveNamespace(store, moving), {
      message:
        'namespace move partially completed; 1 group(s) could not be moved and remain at source; ' +
        "1 still lock-conflicted (rerun move-namespace or move-group may succeed): 'host/x' in 'a/sub'",
    })
    assert.equal(lines.filter((line) => line.includes("'host/x' in 'a/sub' is in use")).length, 2)
    assert.deepEqual(await listNamespaces(store), ['', 'a', 'a/sub', 'm3', 'm3/sub'])
    await writer.abort()
    await moveNamespace(store, moving)
    assert.deepEqual(await listNamespaces(store), ['', 'm3', 'm3/sub'])
  })

  test('without delete-source, with a depth, and with groups that may not be merged', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT, 'a')
    const sub = await createNamespace(store, A, 'sub')
    const m = await createNamespace(store, ROOT, 'm')
    for (const ns of [A, sub]) await backUp(store, refOf(2).time, ['one'], { ns })
    const kept = { ...options, deleteSource: false, maxDepth: 0 }
    await moveNamespace(store, { ...kept, ...recorder() })
    assert.deepEqual(await listNamespaces(store), ['', 'a', 'a/sub', 'm'])
    assert.deepEqual([await daysIn(store, m), await daysIn(store, sub)], [[2], [2]])
    await backUp(store, refOf(3).time, ['one'], { ns: A })
    const { lines, progress } = recorder()
    await assert.rejects(moveNamespace(store, { ...options, mergeGroups: false, progress }), {
      message:
        'namespace move partially completed; 1 group(s) could not be moved and remain at source' +
        ": 'host/web1' in 'a'",
    })
    assert.ok(lines.some((line) => line.endsWith('and merge-group is disabled')))
    assert.deepEqual(await listNamespaces(store), ['', 'a', 'm', 'm/sub'])
  })
})
