/** Prune of a group and of a datastore: who stays, what is logged, and what happens beside it. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { suite, test } from 'node:test'
import {
  backUp,
  begin,
  finish,
  makeTestStore,
  writeArchive,
} from '../../../test/support/test-store.ts'
import { silentProgress } from '../../base/progress.ts'
import { parseGroup } from '../../formats/names.ts'
import { parseNamespace, ROOT_NAMESPACE } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { groupExists, listGroups } from '../groups.ts'
import { createNamespace } from '../namespaces.ts'
import { beginRead } from '../sessions/begin-read.ts'
import { forgetSnapshot, listSnapshots, setProtected } from '../snapshots.ts'
import { planPrune, pruneGroup } from './prune-group.ts'
import { pruneDatastore } from './prune-store.ts'

const GROUP = parseGroup('host/web1')
const DAY_1 = 1_767_225_600
const DAY = 86_400
const ROOT = ROOT_NAMESPACE

function refOf(day: number) {
  return { ...GROUP, time: DAY_1 + (day - 1) * DAY }
}

/** A Progress that keeps its lines, warnings marked. */
function recorder(signal?: AbortSignal) {
  const lines: string[] = []
  const progress = {
    ...silentProgress(signal),
    log: (line: string) => void lines.push(line),
    warn: (line: string) => void lines.push(`WARN: ${line}`),
  }
  return { lines, progress }
}

async function timesOf(store: Datastore): Promise<number[]> {
  return (await listSnapshots(store, ROOT, GROUP)).map(({ ref }) => ref.time)
}

suite('pruneGroup()', () => {
  test('removes what no option keeps, oldest first, with the lines of stock', async (context) => {
    const { store } = await makeTestStore(context)
    for (const day of [1, 2, 3, 4]) await backUp(store, refOf(day).time, ['one'])
    await setProtected(store, ROOT, refOf(1), true)
    const { lines, progress } = recorder()
    const result = await pruneGroup(store, ROOT, GROUP, {
      keep: { last: 1, daily: 1 },
      dryRun: false,
      progress,
    })
    const folder = `${store.path}/host/web1`
    assert.deepEqual(lines, [
      'retention options: --keep-last 1 --keep-daily 1',
      'Starting prune on datastore \'store1\', root namespace group "host/web1"',
      'host/web1/2026-01-01T00:00:00Z protected',
      'host/web1/2026-01-02T00:00:00Z remove',
      `removing backup snapshot "${folder}/2026-01-02T00:00:00Z"`,
      'host/web1/2026-01-03T00:00:00Z keep',
      'host/web1/2026-01-04T00:00:00Z keep',
    ])
    assert.deepEqual(
      await timesOf(store),
      [1, 3, 4].map((day) => refOf(day).time),
    )
    assert.deepEqual(
      result.map(({ mark, kept, protected: isProtected }) => [mark, kept, isProtected]),
      [
        ['protected', true, true],
        ['remove', false, false],
        ['keep', true, false],
        ['keep', true, false],
      ],
    )
  })

  test('without options, or in a dry run, nothing goes', async (context) => {
    const { store } = await makeTestStore(context)
    for (const day of [1, 2]) await backUp(store, refOf(day).time, ['one'])
    const { lines, progress } = recorder()
    const kept = await pruneGroup(store, ROOT, GROUP, { keep: {}, dryRun: false, progress })
    assert.deepEqual(lines.slice(0, 1), ['WARN: No prune selection - keeping all files.'])
    assert.equal(lines[2], 'host/web1/2026-01-01T00:00:00Z remove')
    assert.deepEqual(
      kept.map((each) => each.kept),
      [true, true],
    )
    const dry = await pruneGroup(store, ROOT, GROUP, { keep: { last: 1 }, dryRun: true, progress })
    assert.deepEqual(
      dry.map((each) => each.kept),
      [false, true],
    )
    assert.equal((await timesOf(store)).length, 2)
  })

  test('a missing group has the text of stock', async (context) => {
    const { store } = await makeTestStore(context)
    await assert.rejects(planPrune(store, ROOT, GROUP, { last: 1 }), {
      message: 'ENOENT: No such file or directory',
    })
  })

  test('R-45: what a backup or a reader uses is a warning, and the loop goes on', async (context) => {
    const { store } = await makeTestStore(context)
    for (const day of [1, 2, 3]) await backUp(store, refOf(day).time, ['one'])
    await using _reader = await beginRead(store, { ns: ROOT, ref: refOf(1), checkOwner: null })
    const writer = await begin(store, refOf(5).time)
    // Copied in beside the running backup, as a pull does: the base is no longer the newest.
    await store.fs.mkdir(`${store.path}/host/web1/2026-01-04T00:00:00Z`)
    const { lines, progress } = recorder()
    await pruneGroup(store, ROOT, GROUP, { keep: { last: 1 }, dryRun: false, progress })
    const path = `${store.path}/host/web1/2026-01-01T00:00:00Z`
    const lock = JSON.stringify(store.locks.snapshotLockPath(ROOT, refOf(1)))
    assert.ok(
      lines.includes(
        'WARN: failed to remove dir "host/web1/2026-01-01T00:00:00Z": ' +
          `while destroying snapshot "${path}": unable to acquire snapshot lock ${lock}`,
      ),
      lines.join('\n'),
    )
    assert.deepEqual(
      await timesOf(store),
      [1, 3, 5].map((day) => refOf(day).time),
    )
    assert.ok(lines.includes('host/web1/2026-01-05T00:00:00Z keep-partial'))
    await writeArchive(writer, 'root.pxar.didx', ['two'])
    await finish(writer)
  })

  test('R-48: protected between plan and removal stays', async (context) => {
    const { store } = await makeTestStore(context)
    for (const day of [1, 2]) await backUp(store, refOf(day).time, ['one'])
    const lockSnapshot = store.locks.lockSnapshot.bind(store.locks)
    let isProtecting = false
    context.mock.method(
      store.locks,
      'lockSnapshot',
      async (...args: Parameters<typeof lockSnapshot>) => {
        if (!isProtecting) {
          isProtecting = true
          await setProtected(store, ROOT, refOf(1), true)
        }
        return await lockSnapshot(...args)
      },
    )
    const { lines, progress } = recorder()
    await pruneGroup(store, ROOT, GROUP, { keep: { last: 1 }, dryRun: false, progress })
    assert.equal((await timesOf(store)).length, 2)
    assert.ok(lines.some((line) => line.endsWith(': cannot remove protected snapshot')))
  })

  test('what is finished, or gone, since the plan is left alone', async (context) => {
    const { store } = await makeTestStore(context)
    for (const day of [1, 2, 3]) await backUp(store, refOf(day).time, ['one'])
    const manifest = `${store.path}/host/web1/2026-01-01T00:00:00Z/index.json.blob`
    await store.fs.rename(manifest, `${manifest}.away`)
    const { lines, progress } = recorder()
    const log = progress.log
    const changes: Promise<unknown>[] = []
    const once = store.locks.lockSnapshot.bind(store.locks)
    context.mock.method(store.locks, 'lockSnapshot', async (...args: Parameters<typeof once>) => {
      await Promise.all(changes)
      return await once(...args)
    })
    progress.log = (line) => {
      log(line)
      if (!line.startsWith('retention')) return
      changes.push(store.fs.rename(`${manifest}.away`, manifest))
    }
    await pruneGroup(store, ROOT, GROUP, { keep: { last: 1 }, dryRun: false, progress })
    assert.deepEqual(
      await timesOf(store),
      [1, 3].map((day) => refOf(day).time),
    )
    assert.ok(lines.some((line) => line.endsWith('it was finished after the decision')))
  })

  test('the last snapshot takes its group along', async (context) => {
    const { store } = await makeTestStore(context)
    await store.fs.mkdir(`${store.path}/host/web1/2026-01-01T00:00:00Z`, { recursive: true })
    await store.fs.mkdir(`${store.path}/host/web1/2026-01-02T00:00:00Z`, { recursive: true })
    const { progress } = recorder()
    await pruneGroup(store, ROOT, GROUP, { keep: { last: 1 }, dryRun: false, progress })
    assert.deepEqual(await timesOf(store), [refOf(2).time], 'the newest may be running')
    await forgetSnapshot(store, ROOT, refOf(2))
    assert.equal(await groupExists(store, ROOT, GROUP), false)
  })

  test('ends between snapshots when it is aborted', async (context) => {
    const { store } = await makeTestStore(context)
    for (const day of [1, 2, 3]) await backUp(store, refOf(day).time, ['one'])
    const stop = new AbortController()
    const { progress } = recorder(stop.signal)
    progress.log = (line) => {
      if (line.startsWith('removing')) stop.abort()
    }
    await assert.rejects(
      pruneGroup(store, ROOT, GROUP, { keep: { last: 1 }, dryRun: false, progress }),
      { name: 'AbortError' },
    )
    assert.equal((await timesOf(store)).length, 2)
  })
})

suite('pruneDatastore()', () => {
  test('goes down to the depth, group by group, with the lines of stock', async (context) => {
    const { store } = await makeTestStore(context)
    const a = await createNamespace(store, ROOT, 'a')
    const b = await createNamespace(store, a, 'b')
    for (const ns of [ROOT, a, b]) {
      for (const day of [1, 2]) await backUp(store, refOf(day).time, ['one'], { ns })
    }
    await setProtected(store, a, refOf(2), true)
    const dry = recorder()
    const keep = { last: 1 }
    await pruneDatastore(store, { ns: ROOT, keep, dryRun: true, progress: dry.progress })
    assert.deepEqual(dry.lines.slice(0, 6), [
      "Starting datastore prune on datastore 'store1', root namespace, down to full depth",
      '(dry test run)',
      'retention options: --keep-last 1',
      'Pruning group :"host/web1"',
      'would remove host/web1/2026-01-01T00:00:00Z',
      'would keep host/web1/2026-01-02T00:00:00Z',
    ])
    assert.ok(dry.lines.includes('would keep protected host/web1/2026-01-02T00:00:00Z'))
    assert.equal(readdirSync(`${store.path}/host/web1`).length, 3, 'and the owner')
    const real = recorder()
    await pruneDatastore(store, {
      ns: a,
      maxDepth: 0,
      keep,
      dryRun: false,
      progress: real.progress,
    })
    assert.deepEqual(real.lines, [
      "Starting datastore prune on datastore 'store1', namespace 'a', to depth 0",
      'retention options: --ns a --max-depth 0 --keep-last 1',
      'Pruning group a:"host/web1"',
      'keep host/web1/2026-01-01T00:00:00Z',
      'keep protected host/web1/2026-01-02T00:00:00Z',
    ])
    await pruneDatastore(store, { ns: a, keep, dryRun: false, progress: real.progress })
    assert.equal((await listSnapshots(store, b, GROUP)).length, 1)
    assert.equal((await listSnapshots(store, ROOT, GROUP)).length, 2)
  })

  test('leaves out groups that the caller may not prune, and refuses an unknown namespace', async (context) => {
    const { store } = await makeTestStore(context)
    for (const group of ['host/a', 'host/b']) {
      for (const day of [1, 2]) await backUp(store, refOf(day).time, ['one'], { group })
    }
    const { lines, progress } = recorder()
    const options = { keep: { last: 1 }, dryRun: false, progress }
    await pruneDatastore(store, {
      ...options,
      ns: ROOT,
      isAllowed: async (_ns, group) => group.id === 'b',
    })
    assert.equal((await listSnapshots(store, ROOT, parseGroup('host/a'))).length, 2)
    assert.equal((await listSnapshots(store, ROOT, parseGroup('host/b'))).length, 1)
    assert.ok(!lines.join('\n').includes('host/a'))
    await assert.rejects(pruneDatastore(store, { ...options, ns: parseNamespace('nothere') }), {
      message: 'ENOENT: No such file or directory',
    })
  })

  test('R-05: a group that vanishes is passed over, one that cannot be read is a warning', async (context) => {
    const { store } = await makeTestStore(context)
    for (const group of ['host/a', 'host/b', 'host/c']) {
      for (const day of [1, 2]) await backUp(store, refOf(day).time, ['one'], { group })
    }
    const readDir = store.fs.readDir.bind(store.fs)
    context.mock.method(store.fs, 'readDir', async (path: string) => {
      if (path === `${store.path}/host/b`) throw Object.assign(new Error('EIO'), { code: 'EIO' })
      return await readDir(path)
    })
    const { lines, progress } = recorder()
    const isAllowed = async (_ns: string, { id }: { readonly id: string }) => {
      if (id === 'a') await store.fs.removeTree(`${store.path}/host/a`)
      return true
    }
    const options = { ns: ROOT, keep: { last: 1 }, dryRun: false, progress, isAllowed }
    await pruneDatastore(store, options)
    assert.ok(lines.includes('WARN: failed to prune group host/b: EIO'))
    assert.equal((await listSnapshots(store, ROOT, parseGroup('host/c'))).length, 1)
    assert.deepEqual(
      (await listGroups(store, ROOT)).map(({ id }) => id as string),
      ['b', 'c'],
    )
  })
})
