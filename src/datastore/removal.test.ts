/** Namespaces, groups, snapshots: what their changes and removals do, and say when something is in the way. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mock, suite, test } from 'node:test'
import { backUp, begin, makeTestStore } from '../../test/support/test-store.ts'
import { parseGroup } from '../formats/names.ts'
import { joinNamespace, parseNamespace, ROOT_NAMESPACE } from '../formats/namespace.ts'
import {
  deleteGroup,
  groupExists,
  listGroups,
  readGroupNotes,
  readOwner,
  setGroupNotes,
  setOwner,
} from './groups.ts'
import {
  readSnapshotNotes,
  setSnapshotNotes,
  setVerifyState,
  updateUnprotected,
  readManifest,
} from './manifest-store.ts'
import { createNamespace, deleteNamespace, listNamespaces, namespaceExists } from './namespaces.ts'
import { beginRead } from './sessions/begin-read.ts'
import { forgetSnapshot, isProtected, listSnapshots, setProtected } from './snapshots.ts'
import { writeClientLog } from './snapshot-files.ts'

const GROUP = parseGroup('host/web1')
const DAY_1 = 1_767_225_600
const DAY_2 = DAY_1 + 86_400
const REF_1 = { ...GROUP, time: DAY_1 }
const REF_2 = { ...GROUP, time: DAY_2 }
const ROOT = ROOT_NAMESPACE

suite('forgetSnapshot()', () => {
  test('removes the snapshot, and with the last one group and lock files', async (context) => {
    const { store, folder } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    await backUp(store, DAY_2, ['one'])
    await forgetSnapshot(store, ROOT, REF_1)
    assert.deepEqual(readdirSync(`${store.path}/host/web1`).toSorted(), [
      '2026-01-02T00:00:00Z',
      'owner',
    ])
    await forgetSnapshot(store, ROOT, REF_2)
    assert.equal(await groupExists(store, ROOT, GROUP), false)
    assert.ok(existsSync(`${store.path}/host`))
    assert.deepEqual(readdirSync(`${folder}/locks/store1`), [])
    await assert.rejects(forgetSnapshot(store, ROOT, REF_2), {
      message:
        `failed to delete snapshot - removing backup snapshot "${store.path}/host/web1/2026-01-02T00:00:00Z" ` +
        'failed - No such file or directory (os error 2)',
    })
  })

  test('takes the lock of the group only with the last one: a backup that begins meanwhile is not refused', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    await backUp(store, DAY_2, ['one'])
    const locks = mock.method(store.locks, 'lockGroup')
    await forgetSnapshot(store, ROOT, REF_1)
    assert.equal(locks.mock.callCount(), 0)
    await forgetSnapshot(store, ROOT, REF_2)
    assert.equal(locks.mock.callCount(), 1)
  })

  test('refuses protected ones and those in use', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    await setProtected(store, ROOT, REF_1, true)
    await assert.rejects(forgetSnapshot(store, ROOT, REF_1), {
      message: 'failed to delete snapshot - cannot remove protected snapshot',
    })
    await setProtected(store, ROOT, REF_1, false)
    assert.equal(await isProtected(store, ROOT, REF_1), false)
    const path = `${store.path}/host/web1/2026-01-01T00:00:00Z`
    const lock = JSON.stringify(store.locks.snapshotLockPath(ROOT, REF_1))
    const busy = `while destroying snapshot "${path}": unable to acquire snapshot lock ${lock}`
    {
      await using _reader = await beginRead(store, { ns: ROOT, ref: REF_1, checkOwner: null })
      await assert.rejects(forgetSnapshot(store, ROOT, REF_1), {
        message: `failed to delete snapshot - ${busy}`,
      })
      const dir = 'BackupDir { group: BackupGroup { ty: Host, id: "web1" }, time: 1767225600 }'
      const dump =
        `BackupDir { store: "store1", ns: BackupNamespace { inner: [], len: 0 }, dir: ${dir}, ` +
        'backup_time_string: "2026-01-01T00:00:00Z" }'
      await assert.rejects(setProtected(store, ROOT, REF_1, true), {
        message: `while updating the protection status of snapshot '${dump}'`,
      })
    }
    const writer = await begin(store, DAY_2)
    await assert.rejects(forgetSnapshot(store, ROOT, REF_1), {
      message: `failed to delete snapshot - ${busy}`,
    })
    await assert.rejects(forgetSnapshot(store, ROOT, REF_2), /unable to acquire snapshot lock/)
    await assert.rejects(
      beginRead(store, { ns: ROOT, ref: REF_2, checkOwner: null }),
      /while reading snapshot 'BackupDir/,
    )
    await writer.abort()
    await assert.rejects(setProtected(store, ROOT, REF_2, true), {
      message: 'snapshot host/web1/2026-01-02T00:00:00Z does not exist!',
    })
  })

  test('R-05: a snapshot that vanishes while listing is left out', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    await backUp(store, DAY_2, ['one'])
    const readDir = store.fs.readDir.bind(store.fs)
    context.mock.method(
      store.fs,
      'readDir',
      async (path: string) => {
        if (path.endsWith('2026-01-01T00:00:00Z')) await forgetSnapshot(store, ROOT, REF_1)
        return await readDir(path)
      },
      { times: 2 },
    )
    const listed = await listSnapshots(store, ROOT, GROUP)
    assert.deepEqual(
      listed.map(({ ref }) => ref.time),
      [DAY_2],
    )
  })
})

suite('groups', () => {
  test('deleteGroup() keeps protected snapshots and says so', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    await backUp(store, DAY_2, ['one'])
    await setProtected(store, ROOT, REF_1, true)
    await assert.rejects(deleteGroup(store, ROOT, GROUP, { errorOnProtected: true }), {
      message: 'group only partially deleted due to protected snapshots',
    })
    assert.deepEqual(await deleteGroup(store, ROOT, GROUP, { errorOnProtected: false }), {
      removedGroups: 0,
      removedSnapshots: 0,
      protectedSnapshots: 1,
    })
    await setProtected(store, ROOT, REF_1, false)
    const result = await deleteGroup(store, ROOT, GROUP, { errorOnProtected: true })
    assert.deepEqual(result, { removedGroups: 1, removedSnapshots: 1, protectedSnapshots: 0 })
    await assert.rejects(deleteGroup(store, ROOT, GROUP, { errorOnProtected: true }), {
      message: `read dir "${store.path}/host/web1" - ENOENT: No such file or directory`,
    })
  })

  test('a running backup keeps owner, notes and removal away', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    await setGroupNotes(store, ROOT, GROUP, 'first')
    const writer = await begin(store, DAY_2)
    const lock = JSON.stringify(store.locks.groupLockPath(ROOT, GROUP))
    const group =
      'BackupGroup { store: "store1", ns: BackupNamespace { inner: [], len: 0 }, ' +
      'group: BackupGroup { ty: Host, id: "web1" } }'
    await assert.rejects(setGroupNotes(store, ROOT, GROUP, 'x'), {
      message:
        `failed to set group notes - failed to lock backup group: unable to acquire backup group lock ${lock}: ` +
        `Unable to acquire lock ${lock} - Resource temporarily unavailable (os error 11)`,
    })
    await assert.rejects(setOwner(store, ROOT, GROUP, 'a@pbs'), {
      message: `while setting the owner of group '${group}'`,
    })
    await assert.rejects(deleteGroup(store, ROOT, GROUP, { errorOnProtected: true }), {
      message: `while destroying group '${group}'`,
    })
    await writer.abort()
    await setOwner(store, ROOT, GROUP, 'a@pbs')
    assert.equal(await readOwner(store, ROOT, GROUP), 'a@pbs')
    assert.equal(readFileSync(`${store.path}/host/web1/owner`, 'utf8'), 'a@pbs\n')
    assert.equal(await readGroupNotes(store, ROOT, GROUP), 'first')
    assert.equal(await readGroupNotes(store, ROOT, parseGroup('host/none')), '')
  })

  test('owners that cannot be read have stock texts', async (context) => {
    const { store } = await makeTestStore(context)
    mkdirSync(`${store.path}/host/web1`, { recursive: true })
    await assert.rejects(readOwner(store, ROOT, GROUP), {
      message: `unable to read "${store.path}/host/web1/owner" - No such file or directory (os error 2)`,
    })
    writeFileSync(`${store.path}/host/web1/owner`, 'nobody')
    await assert.rejects(readOwner(store, ROOT, GROUP), {
      message: 'parsing owner for host/web1 failed: not a valid user id',
    })
  })
})

suite('manifests', () => {
  test('two updates of different keys both survive, and nothing but unprotected changes', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const before = (await readManifest(store, ROOT, REF_1)).manifest
    await Promise.all([
      setSnapshotNotes(store, ROOT, REF_1, 'a note'),
      setVerifyState(store, ROOT, REF_1, { state: 'ok', upid: 'x' }),
      updateUnprotected(store, ROOT, REF_1, (unprotected) => ({ ...unprotected, other: 1 })),
    ])
    const { manifest } = await readManifest(store, ROOT, REF_1)
    assert.equal(await readSnapshotNotes(store, ROOT, REF_1), 'a note')
    assert.deepEqual(manifest.unprotected['verify_state'], { state: 'ok', upid: 'x' })
    assert.equal(manifest.unprotected['other'], 1)
    assert.deepEqual({ ...manifest, unprotected: {} }, { ...before, unprotected: {} })
  })

  test('the client log is written once', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    await writeClientLog(store, ROOT, REF_1, Buffer.from('x'))
    await assert.rejects(writeClientLog(store, ROOT, REF_1, Buffer.from('y')), {
      message: 'backup already contains a log.',
    })
  })
})

suite('namespaces', () => {
  test('are made below existing ones, seven deep', async (context) => {
    const { store } = await makeTestStore(context)
    await assert.rejects(createNamespace(store, parseNamespace('nothere'), 'x'), {
      message: "cannot create new namespace, parent nothere doesn't already exists",
    })
    let ns = ROOT
    for (let level = 0; level < 7; level += 1) ns = await createNamespace(store, ns, 'n')
    assert.equal(await createNamespace(store, ROOT, 'n'), 'n', 'again is no error')
    await assert.rejects(createNamespace(store, ns, 'n'), {
      message: 'namespace too deep, 7 >= max 7',
    })
    assert.equal((await listNamespaces(store)).length, 8)
    assert.deepEqual(await listNamespaces(store, { maxDepth: 1 }), ['', 'n'])
    assert.deepEqual(await listNamespaces(store, { parent: parseNamespace('nothere') }), [
      'nothere',
    ])
  })

  test('deleteNamespace() with and without groups, protected ones, the root', async (context) => {
    const { store } = await makeTestStore(context)
    const a = await createNamespace(store, ROOT, 'a')
    const b = joinNamespace(a, 'b')
    await createNamespace(store, a, 'b')
    await createNamespace(store, a, 'empty')
    await backUp(store, DAY_1, ['one'], { ns: b })
    await backUp(store, DAY_1, ['one'], { ns: b, group: 'vm/100' })
    const without = { deleteGroups: false, errorOnProtected: true }
    const withGroups = { deleteGroups: true, errorOnProtected: true }
    await assert.rejects(deleteNamespace(store, ROOT, withGroups), {
      message: 'Cannot create/delete root namespace!',
    })
    await assert.rejects(deleteNamespace(store, a, without), {
      message: 'only partially deleted due to existing groups but `delete-groups` not true',
    })
    assert.deepEqual(await listNamespaces(store), ['', 'a', 'a/b'], 'empty children are gone')
    await setProtected(store, b, { ...parseGroup('vm/100'), time: DAY_1 }, true)
    await assert.rejects(deleteNamespace(store, a, withGroups), {
      message: 'group only partially deleted due to protected snapshots',
    })
    assert.deepEqual(
      (await listGroups(store, b)).map(({ type }) => type),
      ['vm'],
    )
    await setProtected(store, b, { ...parseGroup('vm/100'), time: DAY_1 }, false)
    const writer = await begin(store, DAY_2, { ns: b, group: 'vm/100' })
    await assert.rejects(
      deleteNamespace(store, a, withGroups),
      /while destroying group 'BackupGroup \{.*inner: \["a", "b"\], len: 3/,
    )
    await writer.abort()
    const result = await deleteNamespace(store, a, withGroups)
    assert.deepEqual(result, { removedGroups: 1, removedSnapshots: 1, protectedSnapshots: 0 })
    assert.equal(await namespaceExists(store, a), false)
    assert.deepEqual(await deleteNamespace(store, a, without), {
      removedGroups: 0,
      removedSnapshots: 0,
      protectedSnapshots: 0,
    })
    await assert.rejects(deleteNamespace(store, a, withGroups), {
      message: 'ENOENT: No such file or directory',
    })
  })
})
