/** The row and the column SR of the lock matrix: nobody works beside a refresh, and none begins beside somebody. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentProgress } from '../../src/base/progress.ts'
import { refreshStore } from '../../src/datastore/bucket/refresh.ts'
import { collect } from '../../src/datastore/collection/collect.ts'
import { beginRead } from '../../src/datastore/sessions/begin-read.ts'
import { parseSnapshot } from '../../src/formats/names.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { HOST, makeBucketStore } from '../support/bucket-store.ts'
import { backUp, begin, STORE, UPID } from '../support/test-store.ts'

const DAY_1 = 1_767_225_600
const REFRESH = { progress: silentProgress(), takesOver: false, hostname: HOST }

test('during SR nobody gets the datastore, nor a second refresh or a collection that has it', async (context) => {
  const { store, registry, objects, change } = await makeBucketStore(context)
  await backUp(store, DAY_1, ['one'])
  change({ maintenance: { type: 's3-refresh', message: '' } })
  const plan = objects.hold('list', /\.cnt\/$/)
  const refresh = refreshStore(store, REFRESH)
  await plan.arrived
  for (const kind of ['read', 'write'] as const) {
    await assert.rejects(registry.lookup(STORE, kind), /S3 refresh maintenance mode/)
  }
  await assert.rejects(refreshStore(store, REFRESH))
  await assert.rejects(collect(store, { progress: silentProgress(), upid: UPID }))
  plan.release()
  await refresh
  change({ maintenance: null })
  await backUp(await registry.lookup(STORE, 'write'), DAY_1 + 60, ['two'])
})

test('SR during a session or a collection fails and changes nothing', async (context) => {
  const { store, bucket, objects } = await makeBucketStore(context)
  await backUp(store, DAY_1, ['one'])
  const writer = await begin(store, DAY_1 + 60)
  await assert.rejects(refreshStore(store, REFRESH), { code: 'BUCKET_BUSY' })
  await writer.abort()
  const ref = parseSnapshot('host/web1/2026-01-01T00:00:00Z')
  const reader = await beginRead(store, { ns: ROOT_NAMESPACE, ref, checkOwner: null })
  await reader.close()
  const plan = objects.hold('list', /\.cnt\/$/)
  const collection = collect(store, { progress: silentProgress(), upid: UPID })
  await plan.arrived
  await assert.rejects(refreshStore(store, REFRESH))
  plan.release()
  await collection
  assert.equal(bucket.isStale, false)
  await refreshStore(store, REFRESH)
})
