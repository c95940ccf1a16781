/** What a bucket does not answer, or refuses, at each operation on the tree (races.md ). */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { suite, test } from 'node:test'
import { type BucketStore, makeBucketStore } from '../../../test/support/bucket-store.ts'
import type { Operation } from '../../../test/support/scripted-object-store.ts'
import { backUp, begin, finish, STORE, writeArchive } from '../../../test/support/test-store.ts'
import { systemClock } from '../../base/time/clock.ts'
import { parseGroup } from '../../formats/names.ts'
import { joinNamespace, ROOT_NAMESPACE } from '../../formats/namespace.ts'
import { REQUEST_LIFE_MS } from '../../storage/ledger.ts'
import type { Datastore } from '../datastore.ts'
import { readGroupNotes, readOwner, setGroupNotes, setOwner } from '../groups.ts'
import { readSnapshotNotes, setSnapshotNotes } from '../manifest-store.ts'
import { createNamespace, deleteNamespace, namespaceExists } from '../namespaces.ts'
import { forgetSnapshot, isProtected, listSnapshots, setProtected } from '../snapshots.ts'

const GROUP = parseGroup('host/web1')
const DAY_1 = 1_767_225_600
const DAY_2 = DAY_1 + 86_400
const FIRST = { ...GROUP, time: DAY_1 }
const A = joinNamespace(ROOT_NAMESPACE, 'a')
const CONTENT = `${STORE}/.cnt`

/** An operation, the request in it that goes wrong, and what must be so here as before then. */
interface Case {
  readonly name: string
  readonly request: readonly [Operation, RegExp]
  readonly run: (store: Datastore) => Promise<unknown>
  readonly state: (store: Datastore) => Promise<unknown>
}

const CASES: readonly Case[] = [
  {
    name: 'owner',
    request: ['put', /owner$/],
    run: async (store) => await setOwner(store, ROOT_NAMESPACE, GROUP, 'x@pbs'),
    state: async (store) => await readOwner(store, ROOT_NAMESPACE, GROUP),
  },
  {
    name: 'group notes',
    request: ['put', /notes$/],
    run: async (store) => await setGroupNotes(store, ROOT_NAMESPACE, GROUP, 'new'),
    state: async (store) => await readGroupNotes(store, ROOT_NAMESPACE, GROUP),
  },
  {
    name: 'manifest',
    request: ['put', /index\.json\.blob$/],
    run: async (store) => await setSnapshotNotes(store, ROOT_NAMESPACE, FIRST, 'new'),
    state: async (store) => await readSnapshotNotes(store, ROOT_NAMESPACE, FIRST),
  },
  {
    name: 'protection',
    request: ['put', /\.protected$/],
    run: async (store) => await setProtected(store, ROOT_NAMESPACE, FIRST, true),
    state: async (store) => await isProtected(store, ROOT_NAMESPACE, FIRST),
  },
  {
    name: 'end of protection',
    request: ['delete', /\.protected$/],
    run: async (store) =>
      await setProtected(store, ROOT_NAMESPACE, { ...GROUP, time: DAY_2 }, false),
    state: async (store) => await isProtected(store, ROOT_NAMESPACE, { ...GROUP, time: DAY_2 }),
  },
  {
    name: 'namespace',
    request: ['put', /\.namespace$/],
    run: async (store) => await createNamespace(store, ROOT_NAMESPACE, 'b'),
    state: async (store) => await namespaceExists(store, joinNamespace(ROOT_NAMESPACE, 'b')),
  },
  {
    name: 'removal of a namespace',
    request: ['delete', /\.namespace$/],
    run: async (store) =>
      await deleteNamespace(store, A, { deleteGroups: true, errorOnProtected: true }),
    state: async (store) => await namespaceExists(store, A),
  },
  {
    name: 'forget, manifest',
    request: ['delete', /index\.json\.blob$/],
    run: async (store) => await forgetSnapshot(store, ROOT_NAMESPACE, FIRST),
    state: async (store) => await finished(store),
  },
  {
    name: 'forget, index',
    request: ['delete', /didx$/],
    run: async (store) => await forgetSnapshot(store, ROOT_NAMESPACE, FIRST),
    state: async (store) => await finished(store),
  },
]

async function finished(store: Datastore): Promise<number[]> {
  const listed = await listSnapshots(store, ROOT_NAMESPACE, GROUP)
  return listed.filter((found) => found.finished).map(({ ref }) => ref.time)
}

async function fill({ store }: BucketStore): Promise<void> {
  await backUp(store, DAY_1, ['one', 'two'])
  await backUp(store, DAY_2, ['three'])
  await setProtected(store, ROOT_NAMESPACE, { ...GROUP, time: DAY_2 }, true)
  await setGroupNotes(store, ROOT_NAMESPACE, GROUP, 'notes')
  await createNamespace(store, ROOT_NAMESPACE, 'a')
}

suite('a request of an operation', () => {
  for (const { name, request, run, state } of CASES) {
    for (const how of ['fail', 'refuse', 'loseAnswer', 'executeLater'] as const) {
      test(`${name}: ${how}: it fails, nothing here changes, and it can be done again`, async (context) => {
        let nowMs = Date.now()
        const clock = { ...systemClock, now: () => nowMs }
        const rig = await makeBucketStore(context, { clock })
        await fill(rig)
        const before = await state(rig.store)
        const planned = rig.objects[how](...request)
        await assert.rejects(run(rig.store))
        rig.objects.assertDone()
        assert.deepEqual(await state(rig.store), before)
        // What may still be executed keeps a path from being used, for as long as it may.
        nowMs += REQUEST_LIFE_MS
        if (how === 'executeLater') await planned.execute()
        await run(rig.store)
        assert.notDeepEqual(await state(rig.store), before)
      })
    }
  }
})

suite('a late request', () => {
  test('R-70: an older write does not win over a newer one', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    const late = rig.objects.executeLater('put', /notes$/)
    await assert.rejects(setGroupNotes(rig.store, ROOT_NAMESPACE, GROUP, 'old'))
    await setGroupNotes(rig.store, ROOT_NAMESPACE, GROUP, 'new')
    await late.execute()
    const found = await rig.memory.get(`${CONTENT}/host/web1/notes`)
    assert.equal(Buffer.from(found?.body ?? []).toString(), 'new')
  })

  test('a write whose answer was lost is recognised when it is repeated', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    rig.objects.loseAnswer('put', /owner$/)
    await assert.rejects(setOwner(rig.store, ROOT_NAMESPACE, GROUP, 'x@pbs'))
    await setOwner(rig.store, ROOT_NAMESPACE, GROUP, 'x@pbs')
    assert.equal(await readOwner(rig.store, ROOT_NAMESPACE, GROUP), 'x@pbs')
  })

  test('R-60: a snapshot time that was removed without an answer cannot be used before it may not be executed', async (context) => {
    let nowMs = Date.now()
    const clock = { ...systemClock, now: () => nowMs }
    const rig = await makeBucketStore(context, { clock })
    await fill(rig)
    const late = rig.objects.executeAgainLater('delete', /2026-01-01.*didx$/)
    await forgetSnapshot(rig.store, ROOT_NAMESPACE, FIRST)
    const other = { group: 'host/web2' }
    await backUp(rig.store, DAY_1, ['one'], other)
    await setProtected(rig.store, ROOT_NAMESPACE, { ...GROUP, time: DAY_2 }, false)
    await forgetSnapshot(rig.store, ROOT_NAMESPACE, { ...GROUP, time: DAY_2 })
    await assert.rejects(backUp(rig.store, DAY_1, ['one']), { code: 'SNAPSHOT_SUSPECT' })
    const { folder, memory, ledger } = rig
    await rig.registry.close()
    const next = await makeBucketStore(context, { folder, memory, ledger, clock })
    await assert.rejects(backUp(next.store, DAY_1, ['one']), { code: 'SNAPSHOT_SUSPECT' })
    await late.execute()
    nowMs += REQUEST_LIFE_MS
    await backUp(next.store, DAY_1, ['one'])
  })
})

suite('a session', () => {
  test('an index that does not reach the bucket cannot be finished with', async (context) => {
    const rig = await makeBucketStore(context)
    rig.objects.fail('put', /didx$/)
    const writer = await begin(rig.store, DAY_1)
    await assert.rejects(writeArchive(writer, 'root.pxar.didx', ['one']))
    await assert.rejects(finish(writer), /open index writer/)
    await writer.abort()
    assert.deepEqual(
      rig.memory.keys.filter((key) => key.startsWith(CONTENT)),
      [],
    )
  })

  test('a manifest that does not reach the bucket is no backup, here and there', async (context) => {
    const rig = await makeBucketStore(context)
    rig.objects.loseAnswer('put', /index\.json\.blob$/)
    const writer = await begin(rig.store, DAY_1)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    await assert.rejects(finish(writer))
    await writer.abort()
    assert.deepEqual(await listSnapshots(rig.store, ROOT_NAMESPACE, GROUP), [])
    assert.deepEqual(
      rig.memory.keys.filter((key) => key.startsWith(CONTENT)),
      [],
    )
  })

  test('an abort that does not reach the bucket is finished by the next start', async (context) => {
    const rig = await makeBucketStore(context)
    const writer = await begin(rig.store, DAY_1)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    rig.objects.fail('delete', /didx$/)
    await assert.rejects(writer.abort())
    assert.ok(existsSync(writer.path))
    await rig.registry.close()
    const { folder, memory, ledger } = rig
    const next = await makeBucketStore(context, { folder, memory, ledger })
    assert.equal(existsSync(writer.path), false)
    assert.deepEqual(
      next.memory.keys.filter((key) => key.startsWith(CONTENT)),
      [],
    )
  })

  test('what the bucket has at this time already is not overwritten', async (context) => {
    const rig = await makeBucketStore(context)
    const key = `${CONTENT}/host/web1/2026-01-01T00:00:00Z/index.json.blob`
    rig.memory.plant(key, Buffer.from('of a newer us'))
    await assert.rejects(begin(rig.store, DAY_1), { message: 'backup directory already exists.' })
    assert.ok(rig.memory.keys.includes(key))
  })

  test("a group that is the bucket's and not here keeps its owner", async (context) => {
    const rig = await makeBucketStore(context)
    rig.memory.plant(`${CONTENT}/host/web1/owner`, Buffer.from('other@pbs\n'))
    await assert.rejects(begin(rig.store, DAY_1), { code: 'GROUP_OWNER_DIFFERS' })
  })

  test('a key that is too long is refused with the text of stock', async (context) => {
    const rig = await makeBucketStore(context)
    const writer = await begin(rig.store, DAY_1)
    const path = `host/web1/2026-01-01T00:00:00Z/${'x'.repeat(1_100)}`
    await assert.rejects(rig.bucket.tree.write(path, new Uint8Array()), {
      message: `Object key length of ${5 + path.length} exceeds limit of 1024`,
    })
    await writer.abort()
  })
})

suite('while the bucket does not answer', () => {
  test('a datastore opens, lists and shows what is here; a backup is refused', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    await rig.registry.close()
    const { folder, memory, ledger } = rig
    const down = { isDown: true }
    const next = await makeBucketStore(context, {
      folder,
      memory,
      ledger,
      wrap: (objects) =>
        new Proxy(objects, {
          get: (target, key) => {
            const value: unknown = Reflect.get(target, key, target)
            if (typeof value !== 'function') return value
            return (...values: unknown[]): unknown => {
              if (down.isDown) throw new Error('nobody there')
              return value.apply(target, values)
            }
          },
        }),
    })
    assert.deepEqual(await finished(next.store), [DAY_1, DAY_2])
    await assert.rejects(begin(next.store, DAY_2 + 1), /nobody there/)
    down.isDown = false
    await backUp(next.store, DAY_2 + 1, ['one'])
  })
})
