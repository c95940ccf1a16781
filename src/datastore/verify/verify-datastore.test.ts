import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { AwayBucket } from '../../../test/support/away-bucket.ts'
import { makeBucketStore } from '../../../test/support/bucket-store.ts'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { FaultFileSystem } from '../../../test/support/fault-file-system.ts'
import { backUp, makeChunk, makeTestStore, UPID } from '../../../test/support/test-store.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { silentProgress } from '../../base/progress.ts'
import { parseGroup, parseSnapshot } from '../../formats/names.ts'
import { parseNamespace, ROOT_NAMESPACE } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { readManifest, setSnapshotNotes, setVerifyState } from '../manifest-store.ts'
import { createNamespace } from '../namespaces.ts'
import { verifyDatastore, type VerifyDatastoreOptions } from './verify-datastore.ts'
import { percentLine } from './verify-group.ts'
import { verifyScope, verifyTaskName } from './verify-scope.ts'

const DAY_1 = 1_767_225_600
const NS = parseNamespace('a')
const REF_1 = parseSnapshot('host/web1/2026-01-01T00:00:00Z')

type Options = Partial<VerifyDatastoreOptions>

async function verify(store: Datastore, options: Options = {}) {
  const lines: string[] = []
  const progress = { ...silentProgress(), log: (line: string) => void lines.push(line) }
  const common = { progress, upid: UPID, ignoreVerified: false }
  const { failed } = await verifyDatastore(store, { ...common, ...options })
  return { failed, lines }
}

/** Groups host/web1 (two snapshots), host/benchmark, and in the namespace a vm/100 and host/web1. */
async function makeStore(context: TestContext): Promise<Datastore> {
  const { store } = await makeTestStore(context)
  await createNamespace(store, ROOT_NAMESPACE, 'a')
  await backUp(store, DAY_1, ['one', 'two'])
  await backUp(store, DAY_1 + 60, ['two', 'three'])
  mkdirSync(`${store.path}/host/benchmark/2026-01-01T00:00:00Z`, { recursive: true })
  await backUp(store, DAY_1, ['one'], { group: 'vm/100', ns: NS })
  await backUp(store, DAY_1, ['three'], { ns: NS })
  return store
}

const NUMBERS = /\d+\.\d\d(?!%)/g

suite('verifyDatastore()', () => {
  test('ends with one error when the bucket is away, and leaves the states as they are', async (context) => {
    const bucket = new AwayBucket()
    const { store } = await makeBucketStore(context, { wrap: (objects) => bucket.wrap(objects) })
    for (const day of [0, 1, 2]) await backUp(store, DAY_1 + day * 86_400, [`one ${day}`])
    bucket.away = 'refusing'
    await assert.rejects(verify(store), { code: 'S3_UNAVAILABLE', message: /^Cannot checkBucket/ })
    assert.equal(bucket.asked.length, 2, 'one chunk, and the bucket')
    bucket.away = 'no'
    assert.deepEqual((await verify(store)).failed, [])
  })

  test('verifies all groups in stock’s order with its lines, each chunk once', async (context) => {
    const store = await makeStore(context)
    const { failed, lines } = await verify(store)
    assert.deepEqual(failed, [])
    const chunks = '  verified N/N MiB in N seconds, speed N/N MiB/s (0 errors)'
    assert.deepEqual(
      lines.map((line) => line.replaceAll(NUMBERS, 'N')),
      [
        'verify datastore store1',
        'found 3 groups',
        'using 1 read and 4 verify thread(s)',
        'verify group store1:host/web1 (2 snapshots)',
        'verify store1:host/web1/2026-01-01T00:01:00Z',
        '  check root.pxar.didx',
        chunks,
        'percentage done: 16.67% (0/3 groups, 1/2 snapshots in group #1)',
        'verify store1:host/web1/2026-01-01T00:00:00Z',
        '  check root.pxar.didx',
        chunks,
        'percentage done: 33.33% (1/3 groups)',
        'verify group store1:host/web1 (1 snapshots)',
        'verify store1:host/web1/2026-01-01T00:00:00Z',
        '  check root.pxar.didx',
        chunks,
        'percentage done: 66.67% (2/3 groups)',
        'verify group store1:vm/100 (1 snapshots)',
        'verify store1:vm/100/2026-01-01T00:00:00Z',
        '  check root.pxar.didx',
        chunks,
        'percentage done: 100.00% (3/3 groups)',
      ],
    )
  })

  test('reads each chunk once, by inode or as the index has them', async (context) => {
    for (const chunkOrder of ['inode', 'none'] as const) {
      const faults = new FaultFileSystem(nodeFileSystem)
      const verification = { chunkOrder, readThreads: 1, verifyThreads: 1, rateLimit: null }
      const { store } = await makeTestStore(context, { fs: faults.fs, settings: { verification } })
      const texts = Array.from({ length: 40 }, (_, index) => `chunk ${index}`)
      await backUp(store, DAY_1, texts)
      await backUp(store, DAY_1 + 60, texts.toReversed())
      faults.reset()
      await verify(store)
      const read = faults.steps
        .filter((step) => step.name === 'readFile' && step.path.includes('.chunks'))
        .map((step) => step.path)
      assert.equal(new Set(read).size, texts.length)
      assert.equal(read.length, texts.length)
      const inodes = await Promise.all(read.map(async (path) => (await store.fs.stat(path)).ino))
      const sorted = inodes.toSorted((a, b) => Number(a - b))
      const first = (await makeChunk('chunk 39')).digest
      if (chunkOrder === 'inode') assert.deepEqual(inodes, sorted)
      else assert.ok(read[0]?.endsWith(first), 'the newest snapshot begins with the last chunk')
    }
  })

  test('skips what was verified, unless that is too long ago', async (context) => {
    const clock = new FakeClock()
    const { store } = await makeTestStore(context, { clock })
    await backUp(store, DAY_1, ['one'])
    const [startHex] = [UPID.split(':')[5]!]
    clock.setNow(Number.parseInt(startHex, 16) * 1000)
    await verify(store)
    const skipped = 'SKIPPED: verify store1:host/web1/2026-01-01T00:00:00Z (recently verified)'
    const isSkipped = async (options: Options) =>
      (await verify(store, options)).lines.includes(skipped)
    assert.equal(await isSkipped({ ignoreVerified: true }), true)
    assert.equal(await isSkipped({ ignoreVerified: true, outdatedAfterDays: 0 }), true)
    assert.equal(await isSkipped({ ignoreVerified: false }), false)
    await clock.advance(86_400_000 * 31 - 1000)
    assert.equal(await isSkipped({ ignoreVerified: true, outdatedAfterDays: 30 }), true)
    await clock.advance(1000)
    assert.equal(await isSkipped({ ignoreVerified: true, outdatedAfterDays: 30 }), false)
    assert.equal(await isSkipped({ ignoreVerified: true }), true)
    await setVerifyState(store, ROOT_NAMESPACE, REF_1, { state: 'ok', upid: 'nonsense' })
    assert.equal(await isSkipped({ ignoreVerified: true }), false)
  })

  test('stays within the namespace, the depth and what the caller may', async (context) => {
    const store = await makeStore(context)
    const foundOf = async (options: Options) =>
      (await verify(store, options)).lines.filter((line) => line.startsWith('verify group'))
    assert.equal((await foundOf({ ns: NS })).length, 2)
    assert.deepEqual(await foundOf({ maxDepth: 0 }), [
      'verify group store1:host/web1 (2 snapshots)',
    ])
    const isAllowed = async (ns: string) => ns === NS
    assert.equal((await foundOf({ isAllowed })).length, 2)
    const missing = await verify(store, { ns: parseNamespace('b') })
    assert.deepEqual(missing.failed, ['ns/b'])
  })

  test('names every snapshot with a corrupt chunk and reads it once', async (context) => {
    const store = await makeStore(context)
    const { digest } = await makeChunk('two')
    writeFileSync(store.chunks.pathOf(digest), new Uint8Array(20))
    const { failed, lines } = await verify(store)
    assert.deepEqual(failed, ['host/web1/2026-01-01T00:01:00Z', 'host/web1/2026-01-01T00:00:00Z'])
    assert.equal(lines.filter((line) => line.includes('load failed')).length, 1)
    assert.equal(lines.filter((line) => line === `chunk ${digest} was marked as corrupt`).length, 1)
    const states = await Promise.all(
      ['2026-01-01T00:01:00Z', '2026-01-01T00:00:00Z'].map(async (time) => {
        const { manifest } = await readManifest(
          store,
          ROOT_NAMESPACE,
          parseSnapshot(`host/web1/${time}`),
        )
        return manifest.unprotected['verify_state']
      }),
    )
    assert.deepEqual(
      states,
      [1, 2].map(() => ({ state: 'failed', upid: UPID })),
    )
    // The next backup gets no base, sends everything and heals.
    const writer = await backUp(store, DAY_1 + 120, ['one', 'two'])
    assert.equal(writer.base, null)
    assert.deepEqual((await verify(store)).failed, [])
  })

  test('R-42: notes that come during a verification stay', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: faults.fs })
    await backUp(store, DAY_1, ['one'])
    let isSet = false
    faults.onStep(async (step) => {
      if (isSet || step.name !== 'readFile' || !step.path.includes('.chunks')) return
      isSet = true
      await setSnapshotNotes(store, ROOT_NAMESPACE, REF_1, 'mine')
    })
    assert.deepEqual((await verify(store)).failed, [])
    const { unprotected } = (await readManifest(store, ROOT_NAMESPACE, REF_1)).manifest
    assert.equal(unprotected['notes'], 'mine')
    assert.deepEqual(unprotected['verify_state'], { state: 'ok', upid: UPID })
  })

  for (const kind of ['door', 'threads'] as const) {
    test(`an abort leaves no state behind (${kind})`, async (context) => {
      const fs = kind === 'door' ? new FaultFileSystem(nodeFileSystem).fs : nodeFileSystem
      const { store } = await makeTestStore(context, { fs })
      await backUp(store, DAY_1, ['one', 'two'])
      const abort = new AbortController()
      const progress = {
        ...silentProgress(abort.signal),
        log(line: string) {
          if (line.startsWith('  check')) abort.abort(new Error('abort requested'))
        },
      }
      await assert.rejects(
        verifyDatastore(store, { progress, upid: UPID, ignoreVerified: true }),
        /abort requested/,
      )
      const { manifest } = await readManifest(store, ROOT_NAMESPACE, REF_1)
      assert.equal(manifest.unprotected['verify_state'], undefined)
    })
  }

  test('keeps the rate by the clock', async (context) => {
    const clock = new FakeClock()
    const { store } = await makeTestStore(context, { clock })
    await backUp(store, DAY_1, ['a'.repeat(1000)])
    await backUp(store, DAY_1 + 60, ['b'.repeat(1000)])
    const started = clock.monotonic()
    const run = verify(store, { rateLimit: 1000, verifyThreads: 1 })
    await clock.untilSleeping()
    await clock.advance(10_000)
    const { failed } = await run
    assert.deepEqual(failed, [])
    assert.ok(clock.monotonic() - started >= 1000)
  })

  test('a chunk that no thread can read fails its snapshot only', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const { digest } = await makeChunk('one')
    writeFileSync(store.chunks.pathOf(digest), '')
    const { lines, failed } = await verify(store)
    assert.equal(failed.length, 1)
    assert.match(lines.join('\n'), /load failed .* reading file .* No such file or directory/)
    assert.equal(existsSync(`${store.chunks.pathOf(digest)}.0.bad`), false)
  })
})

suite('verifyScope()', () => {
  test('a group or snapshot that is gone is a line and no failure', async (context) => {
    const { store } = await makeTestStore(context)
    const lines: string[] = []
    const progress = { ...silentProgress(), log: (line: string) => void lines.push(line) }
    const options = { progress, upid: UPID, ignoreVerified: true }
    const group = parseGroup('host/gone')
    await verifyScope(store, { kind: 'group', ns: ROOT_NAMESPACE, group }, options)
    await verifyScope(store, { kind: 'snapshot', ns: ROOT_NAMESPACE, ref: REF_1 }, options)
    assert.deepEqual(lines, [
      'SKIPPED: verify group store1:host/gone - group does not exist (anymore).',
      'SKIPPED: verify store1:host/web1/2026-01-01T00:00:00Z - snapshot does not exist (anymore).',
    ])
  })

  test('names what failed and throws stock’s text', async (context) => {
    const { store } = await makeTestStore(context)
    await createNamespace(store, ROOT_NAMESPACE, 'a')
    await backUp(store, DAY_1, ['one'], { ns: NS })
    writeFileSync(store.chunks.pathOf((await makeChunk('one')).digest), 'short')
    const lines: string[] = []
    const progress = { ...silentProgress(), log: (line: string) => void lines.push(line) }
    await assert.rejects(
      verifyScope(store, { kind: 'all', ns: NS }, { progress, upid: UPID, ignoreVerified: true }),
      { message: 'verification failed - please check the log for details' },
    )
    assert.deepEqual(lines.slice(-2), [
      'Failed to verify the following snapshots/groups:',
      '\tns/a/host/web1/2026-01-01T00:00:00Z',
    ])
  })
})

test('verifyTaskName() gives stock’s worker types and ids', () => {
  const group = parseGroup('vm/100')
  const ref = { ...group, time: DAY_1 }
  const nameOf = (scope: Parameters<typeof verifyTaskName>[1]) =>
    Object.values(verifyTaskName('s', scope)).join(' ')
  assert.equal(nameOf({ kind: 'all', ns: ROOT_NAMESPACE }), 'verify s')
  assert.equal(nameOf({ kind: 'all', ns: NS }), 'verify s:ns/a')
  assert.equal(nameOf({ kind: 'group', ns: ROOT_NAMESPACE, group }), 'verify_group s:/vm/100')
  assert.equal(nameOf({ kind: 'snapshot', ns: NS, ref }), 'verify_snapshot s:ns/a/vm/100/6955B900')
})

test('percentLine() of a group alone counts snapshots', () => {
  const line = percentLine({ index: 0, count: 1 }, { done: 1, total: 2 })
  assert.equal(line, 'percentage done: 50.00% (1/2 snapshots)')
})
