/** What goes wrong with a bucket, told clearly; afterwards all goes on. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { cephMissing, makeBucket, removeBucket, useCeph } from '../support/ceph.ts'
import { ENDPOINT, S3Rig } from '../support/s3-rig.ts'

const STORE = 'store1'

/** All that the bucket has, which is empty then. */
async function takeAll(rig: S3Rig): Promise<Map<string, Uint8Array>> {
  const kept = new Map<string, Uint8Array>()
  for (const key of await rig.keys()) {
    const found = await rig.objects.get(key)
    if (found !== null) kept.set(key, found.body)
  }
  await rig.objects.delete([...kept.keys()])
  return kept
}

suite('failures of a bucket', { skip: cephMissing ?? false }, () => {
  test('each has its words, and the datastore goes on afterwards', async (context) => {
    await using rig = await S3Rig.open(context)
    await rig.createStore(STORE)
    const image = join(rig.folder, 'image')
    const restored = join(rig.folder, 'restored')
    const content = randomBytes(5 << 20)
    writeFileSync(image, content)
    const backUp = async (day: number) => {
      const time = String(1_767_225_600 + day * 86_400)
      const words = ['backup', `disk.img:${image}`, '--backup-id', 'web1', '--backup-time', time]
      return await rig.client(STORE, ...words)
    }
    const goodBackUp = async (day: number): Promise<void> => {
      const { status, stderr } = await backUp(day)
      assert.equal(status, 0, stderr)
    }
    await goodBackUp(0)

    // The server dies, and is there again.
    await rig.server.end('SIGKILL')
    await rig.restart()
    await goodBackUp(1)

    // A second server is told who has the bucket, and leaves it alone.
    await using other = await S3Rig.open(context, { bucket: rig.bucket })
    const host = hostname().split('.')[0] ?? ''
    const refusal = await other.bad(...other.createWords(STORE))
    assert.match(refusal, new RegExp(`Bucket already contains datastore in use by host ${host}`))
    await goodBackUp(2)

    // A wrong secret and its correction count without a restart; nothing that is local fails.
    const update = ['s3', 'endpoint', 'update', ENDPOINT]
    writeFileSync(image, randomBytes(5 << 20))
    await rig.good(...update, '--secret-key', 'wrong')
    assert.match(await rig.bad('s3', 'check', ENDPOINT, rig.bucket), /SignatureDoesNotMatch/)
    const failed = await backUp(3)
    assert.notEqual(failed.status, 0)
    // The first request may be a HEAD, whose answer has no words.
    assert.match(failed.stderr, /(?:SignatureDoesNotMatch|403).*check access key and secret key/s)
    assert.match(await rig.goodClient(STORE, 'snapshot', 'list'), /2026-01-03T00:00:00Z/)
    const { secretKey, fingerprint } = await useCeph()
    await rig.good(...update, '--secret-key', secretKey.reveal())
    await goodBackUp(3)

    // A certificate that is another one.
    const zeros = Array.from({ length: 32 }, () => '00').join(':')
    await rig.good(...update, '--fingerprint', zeros)
    assert.match(await rig.bad('s3', 'check', ENDPOINT, rig.bucket), /fingerprint/)
    writeFileSync(image, randomBytes(5 << 20))
    const distrusted = await backUp(4)
    assert.notEqual(distrusted.status, 0)
    assert.match(distrusted.stderr, /fingerprint/)
    assert.match(await rig.goodClient(STORE, 'snapshot', 'list'), /2026-01-04T00:00:00Z/)
    await rig.good(...update, '--fingerprint', fingerprint)
    await goodBackUp(4)

    // A bucket that is not there.
    const gone = await rig.bad('s3', 'check', ENDPOINT, 'not-there-at-all')
    assert.match(gone, /NoSuchBucket.*check its name, endpoint and region/s)
    const backend = `type=s3,client=${ENDPOINT},bucket=not-there-at-all`
    const words = ['datastore', 'create', 'other', join(rig.folder, 'other')]
    const never = await rig.bad(...words, '--backend', backend)
    assert.match(never, /NoSuchBucket/)
    assert.match(await rig.bad('s3', 'endpoint', 'remove', ENDPOINT), /in-use by datastore store1/)

    // The bucket of the datastore is deleted, and put back.
    const kept = await takeAll(rig)
    await removeBucket(rig.bucket)
    writeFileSync(image, randomBytes(5 << 20))
    const homeless = await backUp(5)
    assert.notEqual(homeless.status, 0)
    assert.match(homeless.stderr, new RegExp(`${rig.bucket}.*NoSuchBucket.*check`, 's'))
    assert.match(await rig.goodClient(STORE, 'snapshot', 'list'), /2026-01-05T00:00:00Z/)
    assert.match(await rig.bad('datastore', 'gc', STORE), /NoSuchBucket/)
    await makeBucket(rig.bucket)
    for (const [key, body] of kept)
      await rig.objects.put(key, body, { condition: { kind: 'always' } })
    await goodBackUp(5)
    assert.match(await rig.bad('datastore', 'gc', STORE), /S3 refresh is needed first/)
    await rig.good('datastore', 's3-refresh', STORE, '--overwrite-in-use')
    await rig.good('datastore', 'gc', STORE)
    await goodBackUp(6)

    await rig.goodClient(STORE, 'restore', 'host/web1/2026-01-01T00:00:00Z', 'disk.img', restored)
    assert.ok(content.equals(readFileSync(restored)))
    const texts = rig.server.output() + refusal + gone + never + failed.stderr
    assert.ok(!texts.includes(secretKey.reveal()))
  })
})
