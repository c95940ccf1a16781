/** The bucket and the local folder that a stock server wrote, taken over and given back (races.md R-64). */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { type BucketStore, HOST, makeBucketStore } from '../../../test/support/bucket-store.ts'
import { plantStockBucket } from '../../../test/support/stock-bucket.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { backUp, UPID } from '../../../test/support/test-store.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { leapClock } from '../../../test/support/leap-clock.ts'
import { silentLog } from '../../base/log.ts'
import { silentProgress } from '../../base/progress.ts'
import { isDigest } from '../../formats/digest.ts'
import { formatGroup, formatSnapshot, parseGroup } from '../../formats/names.ts'
import { ROOT_NAMESPACE } from '../../formats/namespace.ts'
import { MemoryLedger } from '../../storage/bucket-chunks/memory-ledger.ts'
import { MemoryObjectStore } from '../../storage/memory-object-store.ts'
import { destroyContent } from '../destroy.ts'
import { openArchive } from '../archive-reader.ts'
import { listGroups, readGroupNotes, readOwner } from '../groups.ts'
import { listNamespaces } from '../namespaces.ts'
import { listSnapshots } from '../snapshots.ts'
import { verifySnapshot } from '../verify/verify-snapshot.ts'
import { giveBackBucket } from './claim.ts'
import { destroyBucket } from './destroy-bucket.ts'
import { refreshStore } from './refresh.ts'

const REFRESH = { progress: silentProgress(), takesOver: false, hostname: HOST }
const DAY_3 = 1_767_225_600 + 2 * 86_400
/** SHA-256 of `unaligned.img` in `test/fixtures/tree/images.tar.zst`. */
const UNALIGNED_IMAGE = '46da57e5d9332e72dfddd09076e265d7781f4835cc8b41e2617a1ad82ebbe804'
const MISSING = 'ab'.repeat(32)

/** A folder of stock: its chunk files, and a marker for what the bucket never had. */
async function takeOver(context: TestContext, name: 'fxs3' | 'fxs3small'): Promise<BucketStore> {
  const memory = new MemoryObjectStore({ clock: leapClock() })
  const fixture = await plantStockBucket(context, memory)
  const folder = await makeTemporaryFolder(context)
  mkdirSync(`${folder}/store/.chunks/abab`, { recursive: true })
  cpSync(`${fixture}/${name}/.chunks`, `${folder}/store/.chunks`, { recursive: true })
  writeFileSync(`${folder}/store/.chunks/abab/${MISSING}`, '')
  cpSync(`${fixture}/${name}/.cnt`, `${folder}/store`, { recursive: true })
  writeFileSync(`${folder}/store/.lock`, '')
  const options = { memory, folder, name, reuse: true, overwriteInUse: true }
  const rig = await makeBucketStore(context, options)
  await refreshStore(rig.store, REFRESH)
  await rig.bucket.endRebuild('wait')
  return rig
}

function placeOf(rig: BucketStore) {
  const { objects, bucket, folder, ledger, store, clock } = rig
  return {
    opened: { objects, verdict: bucket.verdict },
    prefix: store.name,
    path: store.path,
    stateFolder: `${folder}/state/datastores/${store.name}`,
    progress: silentProgress(),
    clock,
    log: silentLog,
    openLedger: async () => ledger ?? new MemoryLedger(),
  }
}

async function describe({ store }: BucketStore): Promise<string[]> {
  const lines: string[] = []
  for (const ns of await listNamespaces(store)) {
    for (const group of await listGroups(store, ns)) {
      const notes = await readGroupNotes(store, ns, group)
      lines.push(`${ns}:${formatGroup(group)} ${await readOwner(store, ns, group)} ${notes}`)
      for (const { ref, files, protected: isProtected } of await listSnapshots(store, ns, group)) {
        const flag = isProtected ? ' protected' : ''
        lines.push(`${ns}:${formatSnapshot(ref)} ${files.length}${flag}`)
      }
    }
  }
  return lines
}

suite("stock's bucket", () => {
  test('is listed as stock did', async (context) => {
    const rig = await takeOver(context, 'fxs3')
    assert.deepEqual(await describe(rig), [
      ':host/one admin@pbs!ref ',
      ':host/one/2026-01-01T00:00:00Z 6 protected',
      ':host/one/2026-01-02T00:00:00Z 5',
      'a:host/encrypted admin@pbs!ref ',
      'a:host/encrypted/2026-01-01T00:00:00Z 3',
      'a:vm/100 admin@pbs!ref group notes',
      'a:vm/100/2026-01-01T00:00:00Z 3',
    ])
  })

  test('verifies and restores', async (context) => {
    const rig = await takeOver(context, 'fxs3')
    const { store } = rig
    for (const ns of await listNamespaces(store)) {
      for (const group of await listGroups(store, ns)) {
        for (const { ref } of await listSnapshots(store, ns, group)) {
          const progress = silentProgress()
          const { ok } = await verifySnapshot(store, ns, ref, { progress, upid: UPID })
          assert.ok(ok, formatSnapshot(ref))
        }
      }
    }
    const ref = { ...parseGroup('host/one'), time: 1_767_225_600 }
    const archive = await openArchive(store, ROOT_NAMESPACE, ref, 'disk.img.fidx')
    const hash = createHash('sha256')
    for await (const piece of archive.stream()) hash.update(piece)
    assert.equal(hash.digest('hex'), UNALIGNED_IMAGE)
  })

  test('R-64: markers are no evidence; they are aside, and an upload of what one names is a PUT', async (context) => {
    const rig = await takeOver(context, 'fxs3')
    const [aside] = readdirSync(rig.store.path).filter((name) => name.startsWith('.chunks.stock-'))
    assert.ok(aside !== undefined)
    assert.deepEqual(readdirSync(`${rig.store.path}/${aside}/abab`), [MISSING])
    assert.deepEqual(readdirSync(`${rig.store.path}/.chunks`), [])
    const missing = MISSING
    assert.ok(isDigest(missing))
    assert.equal(rig.ledger?.knowsAt(Buffer.from(missing, 'hex'), 0), null)
    assert.equal(rig.ledger?.count, 11)
  })

  test('a bad object is no chunk', async (context) => {
    const rig = await takeOver(context, 'fxs3small')
    assert.equal(rig.ledger?.count, 5)
  })

  test('given back, it is as stock left it, with what was added', async (context) => {
    const rig = await takeOver(context, 'fxs3')
    const before = rig.memory.keys.filter((key) => !key.includes('/.cairn-holder'))
    await backUp(rig.store, DAY_3, ['new'], { group: 'host/one', caller: 'admin@pbs!ref' })
    await rig.registry.close()
    await giveBackBucket(nodeFileSystem, placeOf(rig))
    const left = rig.memory.keys
    const added = left.filter((key) => !before.includes(key))
    assert.deepEqual(
      added.map((key) => key.replace(/[0-9a-f]{64}/, 'DIGEST').replace(/\/[0-9a-f]{4}\//, '/4/')),
      [
        'fxs3/.chunks/4/DIGEST',
        'fxs3/.cnt/host/one/2026-01-03T00:00:00Z/index.json.blob',
        'fxs3/.cnt/host/one/2026-01-03T00:00:00Z/root.pxar.didx',
      ],
    )
    const gone = before.filter((key) => !left.includes(key))
    assert.deepEqual(gone, ['fxs3/.in-use'])
    assert.ok(left.includes('fxs3small/.in-use'), 'the other datastore is untouched')
    const local = readdirSync(rig.store.path).filter((name) => name.startsWith('.cairn'))
    assert.deepEqual(local, [])
  })

  test('one that somebody else took is not given away', async (context) => {
    const rig = await takeOver(context, 'fxs3')
    rig.memory.plant('fxs3/.in-use', Buffer.from('{"hostname":"other"}'), Date.now() + 60_000)
    await rig.registry.close()
    await giveBackBucket(nodeFileSystem, placeOf(rig))
    assert.ok(rig.memory.keys.includes('fxs3/.in-use'))
  })

  test('removed with its data, nothing of it is left and the other datastore is', async (context) => {
    const rig = await takeOver(context, 'fxs3')
    await rig.registry.close()
    const count = rig.memory.keys.filter((key) => key.startsWith('fxs3small/')).length
    rig.objects.requests.length = 0
    await destroyBucket(nodeFileSystem, placeOf(rig))
    assert.equal(rig.memory.keys.length, count)
    const deletes = rig.objects.requests.filter(({ operation }) => operation === 'delete')
    const kinds = deletes.map(({ keys }) => /^fxs3\/\.[a-z]+/.exec(keys[0] ?? '')?.[0])
    assert.deepEqual(kinds, ['fxs3/.cnt', 'fxs3/.chunks', 'fxs3/.cairn'])
    assert.deepEqual(await rig.ledger?.suspects(), [])
    await destroyContent(nodeFileSystem, rig.store.path, silentProgress())
    assert.deepEqual(readdirSync(rig.store.path), ['.lock'])
  })

  test('a removal that failed goes on', async (context) => {
    const rig = await takeOver(context, 'fxs3')
    await rig.registry.close()
    rig.objects.failPartly(/\/\.chunks\//)
    await assert.rejects(destroyBucket(nodeFileSystem, placeOf(rig)), {
      code: 'BUCKET_DELETE_FAILED',
    })
    assert.ok(rig.memory.keys.includes('fxs3/.in-use'), 'nobody claims what is not empty')
    const clock = { ...rig.clock, sleep: async () => {} }
    await destroyBucket(nodeFileSystem, { ...placeOf(rig), clock })
    assert.deepEqual(
      rig.memory.keys.filter((key) => key.startsWith('fxs3/')),
      [],
    )
  })

  test("somebody else's is not removed", async (context) => {
    const rig = await takeOver(context, 'fxs3')
    rig.memory.plant('fxs3/.in-use', Buffer.from('{"hostname":"other"}'), Date.now() + 60_000)
    await rig.registry.close()
    const count = rig.memory.keys.length
    await assert.rejects(destroyBucket(nodeFileSystem, placeOf(rig)), {
      code: 'BUCKET_CLAIM_FAILED',
    })
    assert.equal(rig.memory.keys.length, count)
  })
})
