/** Backup and reader sessions of a datastore in a bucket: what they ask of it, and of the local copies. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { makeBucketStore } from '../../../test/support/bucket-store.ts'
import { backUp, finish, makeChunk, writeArchive } from '../../../test/support/test-store.ts'
import { parseGroup } from '../../formats/names.ts'
import { ROOT_NAMESPACE } from '../../formats/namespace.ts'
import { beginBackup } from './begin-backup.ts'
import { beginRead } from './begin-read.ts'

const TEXTS = Array.from({ length: 20 }, (_, number) => `chunk ${number}`)

suite('sessions of a bucket', () => {
  test('a session with no-cache leaves no copies, another one does', async (context) => {
    const { store, bucket } = await makeBucketStore(context)
    const request = { ns: ROOT_NAMESPACE, group: parseGroup('vm/100'), caller: 'root@pam' }
    for (const isCached of [false, true]) {
      const time = 1_700_000_000 + (isCached ? 1 : 0)
      const writer = await beginBackup(store, { ...request, time, benchmark: false, isCached })
      await writeArchive(writer, `a.didx`, [`text ${isCached}`])
      await finish(writer)
      assert.equal(bucket.cacheUse?.count, isCached ? 1 : 0)
    }
  })

  test('an unchanged backup asks nothing for its chunks', async (context) => {
    const { store, objects, memory } = await makeBucketStore(context)
    await backUp(store, 1_700_000_000, TEXTS)
    objects.requests.length = 0
    await backUp(store, 1_700_000_001, TEXTS)
    const keys = objects.requests.flatMap(({ keys }) => keys)
    assert.deepEqual(
      keys.filter((key) => key.includes('/.chunks/')),
      [],
    )
    assert.equal(memory.keys.filter((key) => key.includes('/.chunks/')).length, TEXTS.length)
  })

  test('a reader has several GETs on their way, along the index', async (context) => {
    const { store, bucket, objects } = await makeBucketStore(context)
    const { ref } = await backUp(store, 1_700_000_000, TEXTS)
    const chunks = await Promise.all(TEXTS.map(makeChunk))
    for (const { digest } of chunks) await bucket.forgetCopy(digest)
    const reader = await beginRead(store, { ns: ROOT_NAMESPACE, ref, checkOwner: null })
    await using _file = await reader.openFile('root.pxar.didx')
    objects.requests.length = 0
    const plans = Array.from({ length: 6 }, () => objects.hold('get'))
    const first = chunks[0]
    assert.ok(first)
    const read = reader.readChunk(first.digest)
    await Promise.all(plans.map(async ({ arrived }) => await arrived))
    for (const plan of plans) plan.release()
    using chunk = await read
    assert.deepEqual(Buffer.from(chunk.bytes), Buffer.from(first.blob))
    await reader.close()
  })
})
