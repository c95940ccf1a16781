import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { backendOf, bucketProblem, parseBackend } from './datastore-backend.ts'

suite('parseBackend()', () => {
  const s3 = { kind: 's3', endpointId: 'ep1', bucket: 'b-1', maxCacheBytes: null }
  const good: readonly (readonly [string, object])[] = [
    ['filesystem', { kind: 'filesystem' }],
    ['type=filesystem', { kind: 'filesystem' }],
    ['', { kind: 'filesystem' }],
    ['type=s3,client=ep1,bucket=b-1', s3],
    ['s3,bucket=b-1,client=ep1', s3],
    ['s3,client=ep1,bucket=b-1,max-cache-size=32MiB', { ...s3, maxCacheBytes: 32 << 20 }],
    ['s3,client=ep1,bucket=b-1,max-cache-size=1000', { ...s3, maxCacheBytes: 1000 }],
  ]
  for (const [text, value] of good) {
    test(`reads '${text}'`, () => assert.deepEqual(parseBackend(text), value))
  }

  const bad: readonly (readonly [string, RegExp])[] = [
    ['s3', /'client': property is missing and it is not optional$/],
    ['s3,client=ep1', /'bucket': property is missing and it is not optional$/],
    ['s3,client=ep1,bucket=B', /'bucket': value must be at least 3 characters long$/],
    ['s3,client=ep1,bucket=Bucket', /'bucket': value does not match the regex pattern$/],
    ['s3,client=a/b,bucket=abc', /'client': value does not match the regex pattern$/],
    ['s3,client=ep1,bucket=abc,max-cache-size=-1', /'max-cache-size': byte-size parse error/],
    ['s3,client=ep1,bucket=abc,x=1', /'x': schema does not allow additional properties$/],
    ['s3,client=ep1,client=ep2,bucket=abc', /'client': duplicate key$/],
    ['tape', /unknown variant `tape`, expected `filesystem` or `s3`$/],
    ['filesystem,bucket=abc', /'bucket' is only allowed with type 's3'$/],
  ]
  for (const [text, message] of bad) {
    test(`refuses '${text}'`, () => {
      assert.throws(() => parseBackend(text), { code: 'BACKEND_INVALID', message })
    })
  }
})

suite('backendOf()', () => {
  test('never takes what it cannot read for a plain folder', () => {
    assert.equal(backendOf(undefined).kind, 'filesystem')
    assert.equal(backendOf('s3,client=ep1').kind, 'invalid')
    assert.equal(backendOf('S3,client=ep1,bucket=abc').kind, 'invalid')
  })
})

suite('bucketProblem()', () => {
  test('knows the names that buckets cannot have', () => {
    for (const name of ['abc', 'a-b', '0a9', 'a'.repeat(63)])
      assert.equal(bucketProblem(name), null)
    const reserved = ['xn--abc', 'sthree-a', 'amzn-s3-demo-a', 'a--ol-s3', 'abc.mrap', 'a--x-s3']
    const others = ['ab', 'a'.repeat(64), '-ab', 'ab-', 'a_b', 'a.b', 'Abc', '']
    for (const name of [...reserved, ...others]) assert.notEqual(bucketProblem(name), null, name)
  })
})
