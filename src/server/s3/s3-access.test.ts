import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { MemoryBuckets } from '../../../test/support/memory-buckets.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { silentLog } from '../../base/log.ts'
import { Secret } from '../../base/secret.ts'
import { ConfigFiles } from '../../config/config-files.ts'
import { ensurePlaces, resolvePaths } from '../../config/paths.ts'
import { addS3Endpoint, changeS3Endpoint } from '../../config/s3-endpoints.ts'
import type { StoredObject } from '../../storage/object-store.ts'
import { errors } from '../../storage/s3/errors.ts'
import { S3Access } from './s3-access.ts'

const NAME = { endpointId: 'ep1', bucket: 'abc', prefix: 'store1' }
const ABSENT = { condition: { kind: 'always' } } as const

async function open(context: TestContext, probes: 'start' | 'once' = 'start') {
  const paths = resolvePaths({ data: await makeTemporaryFolder(context) })
  await ensurePlaces(nodeFileSystem, paths)
  const clock = new FakeClock()
  const files = new ConfigFiles({ fs: nodeFileSystem, clock, paths })
  const properties = new Map([
    ['endpoint', 's3.example'],
    ['access-key', 'AK'],
  ])
  await addS3Endpoint(files, 'ep1', { properties, secretKey: new Secret('one') })
  const buckets = new MemoryBuckets(['abc'])
  const loadOpener = async () => buckets
  const access = (): S3Access => new S3Access({ files, log: silentLog, loadOpener, probes })
  return { files, clock, buckets, access }
}

suite('S3Access', () => {
  test('probes a bucket at each start, keeps the verdict, and a command takes that', async (context) => {
    const { buckets, access } = await open(context)
    {
      await using s3 = access()
      assert.equal(await s3.lastVerdict(NAME), null)
      const opened = await s3.openStore(NAME)
      assert.equal(opened.verdict.isUsable, true)
      assert.deepEqual(await s3.lastVerdict(NAME), opened.verdict)
      await s3.openStore({ ...NAME, prefix: 'store2' })
      await opened.close?.()
      // One for the probe, one for each datastore.
      assert.equal(buckets.opened.length, 3)
    }
    {
      await using s3 = access()
      await s3.openStore(NAME)
      assert.equal(buckets.opened.length, 5)
    }
    const once = await open(context, 'once')
    {
      await using s3 = once.access()
      await s3.openStore(NAME)
      await s3.openStore(NAME)
      assert.equal(once.buckets.opened.length, 3)
    }
  })

  test('uses the last verdict while the store cannot be reached, and probes it then', async (context) => {
    const { buckets, access, clock } = await open(context)
    {
      await using s3 = access()
      await s3.openStore(NAME)
    }
    await using s3 = access()
    buckets.failure = unreachable()
    const opened = await s3.openStore(NAME)
    assert.equal(opened.verdict.isUsable, true)
    await assert.rejects(opened.objects.head('store1/x'), { code: 'S3_UNAVAILABLE' })
    await assert.rejects(s3.openStore({ ...NAME, bucket: 'other' }), { code: 'S3_REFUSED' })
    buckets.failure = null
    buckets.ignores = ['absent']
    await clock.untilSleeping()
    await clock.advance(30_000)
    // It does less now than what the datastore was opened on.
    const isRefused = async (): Promise<boolean> =>
      await opened.objects.head('store1/x').then(
        () => false,
        (error: { code?: string }) => error.code === 'S3_UNUSABLE',
      )
    while (!(await isRefused())) await setImmediate()
  })

  test('does not wait long at a start for a store that has a verdict', async (context) => {
    const { buckets, access, clock } = await open(context)
    {
      await using s3 = access()
      await s3.openStore(NAME)
    }
    await using s3 = access()
    const held = buckets.hold()
    const opening = s3.openStore(NAME)
    await held.arrived
    await clock.advance(10_000)
    // A probe that went on would see this.
    buckets.ignores = ['absent']
    held.release()
    const opened = await opening
    assert.equal(opened.verdict.honoursIfNoneMatch, true)
    await opened.close?.()
  })

  test('a rotated secret counts from the next request on, and ends none', async (context) => {
    const { buckets, access, files, clock } = await open(context)
    await using s3 = access()
    const opened = await s3.openStore(NAME)
    const { objects } = opened
    await objects.put('store1/a', new Uint8Array([1]), ABSENT)
    const held = buckets.hold()
    const reading = objects.get('store1/a')
    await held.arrived
    await changeS3Endpoint(files, 'ep1', { properties: new Map(), secretKey: new Secret('two') })
    const secrets = (): string[] => buckets.opened.map(({ secretKey }) => secretKey.reveal())
    await objects.head('store1/a')
    assert.ok(!secrets().includes('two'), 'a look a second is enough')
    await clock.advance(1_000)
    const closed = buckets.closedCount
    await objects.head('store1/a')
    assert.equal(secrets().at(-1), 'two')
    assert.equal(buckets.closedCount, closed, 'the old client has a request under way')
    held.release()
    assert.deepEqual(((await reading) as StoredObject).body, new Uint8Array([1]))
    assert.equal(buckets.closedCount, closed + 1)
    await opened.close?.()
    assert.equal(buckets.closedCount, buckets.opened.length)
  })

  test('another place that does less is not used, and the first one goes on', async (context) => {
    const { buckets, access, files, clock } = await open(context)
    await using s3 = access()
    const { objects } = await s3.openStore(NAME)
    await changeS3Endpoint(files, 'ep1', { properties: new Map([['endpoint', 'other.example']]) })
    buckets.ignores = ['absent']
    await clock.advance(1_000)
    await assert.rejects(objects.head('store1/a'), { code: 'S3_UNUSABLE', message: /restart/ })
    await changeS3Endpoint(files, 'ep1', { properties: new Map([['endpoint', 's3.example']]) })
    buckets.ignores = []
    assert.equal(await objects.head('store1/a'), null)
  })

  test('one probe that a bad network spoils is no other store', async (context) => {
    const { buckets, access, clock } = await open(context)
    {
      await using s3 = access()
      await s3.openStore(NAME)
    }
    buckets.oddProbes = 2
    {
      await using s3 = access()
      assert.equal((await s3.openStore(NAME)).verdict.honoursIfNoneMatch, true)
      assert.equal(buckets.oddProbes, 0)
    }
    // The same beside backups, when it could not be probed at the start.
    await using s3 = access()
    buckets.failure = unreachable()
    const { objects } = await s3.openStore(NAME)
    buckets.failure = null
    buckets.oddProbes = 1
    await clock.untilSleeping()
    await clock.advance(30_000)
    while (buckets.oddProbes > 0) await setImmediate()
    await s3[Symbol.asyncDispose]()
    assert.equal(await objects.head('store1/x'), null)
    assert.equal((await s3.lastVerdict(NAME))?.honoursIfNoneMatch, true)
  })

  test('counts requests of a datastore, and sets them to zero', async (context) => {
    const { access, files } = await open(context)
    await using s3 = access()
    s3.counters.of(NAME).add('put', 3)
    s3.counters.of({ ...NAME, prefix: 'store2' }).add('put', 4)
    assert.equal((await s3.counters.read(NAME)).put, 3)
    await s3.counters.reset(NAME)
    assert.equal((await s3.counters.read(NAME)).put, 0)
    assert.equal((await s3.counters.read({ ...NAME, prefix: 'store2' })).put, 4)
    s3.counters.of(NAME).add('get', 1)
    await s3[Symbol.asyncDispose]()
    const folder = `${files.paths.state}/s3/ep1/abc`
    assert.ok(existsSync(`${folder}/store1.counters`))
    assert.ok(existsSync(`${folder}/store2.counters`))
    await using later = access()
    await later.counters.reset({ ...NAME, prefix: null })
    assert.equal((await later.counters.read({ ...NAME, prefix: 'store2' })).put, 0)
  })
})

function unreachable(): Error {
  return errors.S3_UNAVAILABLE({
    operation: 'head',
    place: 'memory/abc',
    key: null,
    requestId: null,
    reason: 'no answer',
    advice: 'wait',
    isLate: false,
  })
}
