import assert from 'node:assert/strict'
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { type BucketStore, HOST, makeBucketStore } from '../../../test/support/bucket-store.ts'
import { leapClock } from '../../../test/support/leap-clock.ts'
import { backUp, begin, finish, STORE, writeArchive } from '../../../test/support/test-store.ts'
import { silentProgress } from '../../base/progress.ts'
import { parseGroup } from '../../formats/names.ts'
import { joinNamespace, ROOT_NAMESPACE } from '../../formats/namespace.ts'
import { MemoryLedger } from '../../storage/bucket-chunks/memory-ledger.ts'
import { readOwner, setGroupNotes, readGroupNotes } from '../groups.ts'
import { createNamespace, listNamespaces } from '../namespaces.ts'
import { listSnapshots, setProtected } from '../snapshots.ts'
import { formatInUse } from './holder-object.ts'
import { refreshStore } from './refresh.ts'

const GROUP = parseGroup('host/web1')
const DAY_1 = 1_767_225_600
const DAY_2 = DAY_1 + 86_400
const A = joinNamespace(ROOT_NAMESPACE, 'a')

const REFRESH = { progress: silentProgress(), takesOver: false, hostname: HOST }

async function fill({ store }: BucketStore): Promise<void> {
  await createNamespace(store, ROOT_NAMESPACE, 'a')
  await createNamespace(store, A, 'b')
  await backUp(store, DAY_1, ['one', 'two'])
  await backUp(store, DAY_2, ['two', 'three'])
  await backUp(store, DAY_1, ['four'], { ns: A })
  await setProtected(store, ROOT_NAMESPACE, { ...GROUP, time: DAY_1 }, true)
  await setGroupNotes(store, ROOT_NAMESPACE, GROUP, 'notes')
}

async function checkFilled({ store }: BucketStore): Promise<void> {
  assert.deepEqual(await listNamespaces(store), ['', 'a', 'a/b'])
  const listed = await listSnapshots(store, ROOT_NAMESPACE, GROUP)
  assert.deepEqual(
    listed.map((found) => [found.ref.time, found.finished, found.protected]),
    [
      [DAY_1, true, true],
      [DAY_2, true, false],
    ],
  )
  assert.equal(await readOwner(store, ROOT_NAMESPACE, GROUP), 'root@pam')
  assert.equal(await readGroupNotes(store, ROOT_NAMESPACE, GROUP), 'notes')
  assert.equal((await listSnapshots(store, A, GROUP)).length, 1)
}

/** Another machine, with nothing but the bucket. */
async function takeOver(context: TestContext, { memory }: BucketStore): Promise<BucketStore> {
  const options = { memory, overwriteInUse: true, isOtherServer: true }
  return await makeBucketStore(context, options)
}

suite('refreshStore()', () => {
  test('a fresh machine gets all that was there', async (context) => {
    const first = await makeBucketStore(context)
    await fill(first)
    const next = await takeOver(context, first)
    assert.equal(next.bucket.isStale, true, 'nothing is collected before the refresh')
    await refreshStore(next.store, REFRESH)
    assert.equal(next.bucket.isStale, false)
    await checkFilled(next)
    assert.equal(next.ledger?.count, first.ledger?.count)
    assert.equal(existsSync(`${next.store.path}/.cairn-refresh`), false)
    const files = (path: string): unknown =>
      readdirSync(path, { recursive: true })
        .map(String)
        .filter((name) => !name.startsWith('.'))
        .toSorted()
    assert.deepEqual(files(next.store.path), files(first.store.path))
    const path = 'host/web1/2026-01-01T00:00:00Z/root.pxar.didx'
    assert.deepEqual(
      readFileSync(`${next.store.path}/${path}`),
      readFileSync(`${first.store.path}/${path}`),
    )
    await backUp(next.store, DAY_2 + 1, ['one', 'five'])
  })

  test('fetches only what is not here as it is in the bucket, by its content', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    const gets = async (): Promise<number> => {
      const before = rig.objects.countOf('get')
      await refreshStore(rig.store, REFRESH)
      return rig.objects.countOf('get') - before
    }
    // The holder, and nothing else.
    const least = await gets()
    await checkFilled(rig)
    const index = `${rig.store.path}/host/web1/2026-01-01T00:00:00Z/root.pxar.didx`
    const content = readFileSync(index)
    const { atime, mtime } = statSync(index)
    // As long and as old as before: only who reads it knows.
    const spoilt = Buffer.from(content)
    spoilt[spoilt.length - 1] = (spoilt.at(-1) ?? 0) ^ 1
    writeFileSync(index, spoilt)
    utimesSync(index, atime, mtime)
    rmSync(`${rig.store.path}/host/web1/owner`)
    assert.equal(await gets(), least + 2)
    assert.deepEqual(readFileSync(index), content)
    assert.equal(statSync(index).nlink, 1)
    await checkFilled(rig)
    assert.ok(least < 8, `${least} requests`)
  })

  test('what is here and not in the bucket goes', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    for (const key of rig.memory.keys) {
      if (key.includes('/host/web1/2026-01-02')) await rig.memory.delete([key])
    }
    await refreshStore(rig.store, REFRESH)
    const listed = await listSnapshots(rig.store, ROOT_NAMESPACE, GROUP)
    assert.deepEqual(
      listed.map(({ ref }) => ref.time),
      [DAY_1],
    )
  })

  test('keys that lead out of the folder, or are nothing of ours, are skipped', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    const wrong = [
      '../../evil',
      'vm/../../../evil',
      'host/web1/../x/owner',
      'host//owner',
      'host/web1/2026-01-01T00:00:00Z/.index.json.blob.pending-0',
      'ns/../.namespace',
      '/etc/passwd',
      'host/web1/2026-01-01T00:00:00Z/a/b',
      'tape/x/owner',
    ]
    for (const path of wrong) rig.memory.plant(`${STORE}/.cnt/${path}`, Buffer.from('evil'))
    const warnings: string[] = []
    const progress = { ...silentProgress(), warn: (line: string) => void warnings.push(line) }
    await refreshStore(rig.store, { ...REFRESH, progress })
    assert.equal(warnings.length, wrong.length)
    assert.equal(existsSync(`${rig.folder}/evil`), false)
    await checkFilled(rig)
  })

  test('R-60, R-70: a manifest that came late, without its files, makes nothing look finished', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    const folder = `${STORE}/.cnt/host/web1/2026-01-02T00:00:00Z/`
    const files = rig.memory.keys.filter(
      (key) => key.startsWith(folder) && !key.endsWith('index.json.blob'),
    )
    assert.equal(files.length, 1)
    await rig.memory.delete(files)
    const lines: string[] = []
    const progress = { ...silentProgress(), warn: (line: string) => void lines.push(line) }
    await refreshStore(rig.store, { ...REFRESH, progress })
    const listed = await listSnapshots(rig.store, ROOT_NAMESPACE, GROUP)
    assert.deepEqual(
      listed.map(({ finished }) => finished),
      [true, false],
    )
    assert.match(lines.join(), /2026-01-02T00:00:00Z" and none of its files/)
  })

  test('is refused while sessions run, and nothing changes', async (context) => {
    const rig = await makeBucketStore(context)
    const writer = await begin(rig.store, DAY_1)
    await assert.rejects(refreshStore(rig.store, REFRESH), { code: 'BUCKET_BUSY' })
    assert.equal(rig.bucket.isStale, false)
    await writer.abort()
  })

  test('a bucket of somebody else is left alone unless it is to be taken over', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    rig.memory.plant(`${STORE}/.in-use`, formatInUse('other'), Date.now() + 5_000)
    await assert.rejects(refreshStore(rig.store, REFRESH), {
      code: 'BUCKET_HELD',
      message: /in use by host other; overwrite-in-use takes it over/,
    })
    await refreshStore(rig.store, { ...REFRESH, takesOver: true })
    assert.equal(rig.bucket.isStale, false)
    await checkFilled(rig)
    const marker = await rig.memory.get(`${STORE}/.in-use`)
    assert.equal(Buffer.from(marker?.body ?? []).toString(), `{"hostname":"${HOST}"}`)
  })

  test('an old copy of ourselves goes on after it, and the other one stops', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    const { folder, memory } = rig
    const clock = leapClock()
    const old = new MemoryLedger(rig.ledger?.snapshot(), clock)
    {
      await using _deletes = await rig.bucket.holder.beginDeletes()
      await rig.bucket.ledger.condemn([`${STORE}/.cnt/unanswered`], rig.clock.now())
    }
    await rig.registry.close()
    const next = await makeBucketStore(context, { folder, memory, ledger: old, clock })
    assert.equal(next.bucket.isStale, true)
    assert.equal(old.count, 0)
    await refreshStore(next.store, REFRESH)
    assert.equal(next.bucket.isStale, false)
    assert.equal(old.count, 0, 'what is listed now may go yet')
    await next.bucket.endRebuild('wait')
    assert.equal(old.count, 4)
    await checkFilled(next)
  })

  test('done by another process, it ends the doubt here, too', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    const { folder, memory, ledger, clock } = rig
    memory.plant(`${STORE}/.in-use`, Buffer.from(formatInUse(HOST)), clock.now() + 60_000)
    assert.notEqual(await rig.bucket.holder.check(), null)
    const other = { folder, memory, ledger, clock, isOtherServer: true }
    const next = await makeBucketStore(context, other)
    assert.notEqual(next.bucket.holder.doubt, null)
    await refreshStore(next.store, { ...REFRESH, takesOver: true })
    assert.equal(await rig.bucket.holder.check(), null)
    assert.equal(rig.bucket.isStale, false)
    await rig.bucket.holder.raise()
    assert.equal(await next.bucket.holder.check(), null)
  })

  for (const [what, operation, match] of [
    ['while contents are fetched', 'get', /index\.json\.blob$/],
    ['while chunks are listed', 'list', /\.chunks\/$/],
    ['at the start', 'put', /\.cairn-holder$/],
  ] as const) {
    test(`R-40: what ends it ${what} leaves it stale, also after a restart`, async (context) => {
      const rig = await makeBucketStore(context)
      await fill(rig)
      for (const name of readdirSync(rig.store.path, { recursive: true }).map(String)) {
        if (name.endsWith('index.json.blob')) rmSync(`${rig.store.path}/${name}`)
      }
      rig.objects.loseAnswer(operation, match)
      await assert.rejects(refreshStore(rig.store, REFRESH))
      rig.objects.assertDone()
      assert.equal(rig.bucket.isStale, true)
      await rig.registry.close()
      const { folder, memory, ledger } = rig
      const next = await makeBucketStore(context, { folder, memory, ledger })
      assert.equal(next.bucket.isStale, true)
      await refreshStore(next.store, REFRESH)
      assert.equal(next.bucket.isStale, false)
      await checkFilled(next)
    })
  }

  test('R-65: a rebuild beside a deletion does not bring the chunk back', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    const { folder, memory } = rig
    await rig.registry.close()
    const clock = leapClock()
    const ledger = new MemoryLedger(undefined, clock)
    const next = await makeBucketStore(context, {
      folder,
      memory,
      ledger,
      clock,
      wrap: (objects) => {
        if ('holdAnswer' in objects) {
          const list = objects.list.bind(objects)
          objects.list = async function* (prefix, options) {
            for await (const page of list(prefix, options)) {
              const key = page.objects[0]?.key ?? ''
              if (prefix.endsWith('/.chunks/')) {
                await ledger.condemn([key], 0)
                await memory.delete([key])
                await ledger.acquit([key])
              }
              yield page
            }
          }
        }
        return objects
      },
    })
    await next.bucket.endRebuild('wait')
    assert.equal(next.bucket.isStale, false, 'the folder knew the holder')
    assert.equal(ledger.count, 3)
  })

  test('a lost ledger is made anew by itself, while backups go on', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    const { folder, memory } = rig
    await rig.registry.close()
    const clock = leapClock()
    const ledger = new MemoryLedger(undefined, clock)
    const next = await makeBucketStore(context, { folder, memory, ledger, clock })
    assert.equal(next.bucket.isStale, false)
    await backUp(next.store, DAY_2 + 1, ['one', 'five'])
    await next.bucket.endRebuild('wait')
    assert.equal(ledger.count, 5)
  })

  test('sessions of a stale store still work, and end badly if the other one collects', async (context) => {
    const rig = await makeBucketStore(context)
    await fill(rig)
    const other = await takeOver(context, rig)
    await refreshStore(other.store, REFRESH)
    await backUp(rig.store, DAY_2 + 1, ['one'])
    assert.equal(rig.bucket.isStale, true)
    const writer = await begin(rig.store, DAY_2 + 2)
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    await other.bucket.holder.raise()
    await assert.rejects(finish(writer), /bucket was not ours during the backup/)
    await writer.abort()
  })
})
