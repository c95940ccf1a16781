/** The client of a bucket against a real store behind a bad network (datastore-semantics.md 19.2, races.md ). */
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { CairnError } from '../../src/base/errors.ts'
import { Secret } from '../../src/base/secret.ts'
import { ATTEMPTS_MAX } from '../../src/storage/s3/attempts.ts'
import { isLateError } from '../../src/storage/s3/errors.ts'
import type { ObjectStoreOptions } from '../../src/storage/s3/open-object-store.ts'
import type { CounterName } from '../../src/storage/s3/request-counters.ts'
import { createPinnedAgent } from '../../src/transport/pinned-agent.ts'
import { cephMissing, openCephStore, useCeph } from '../support/ceph.ts'
import { fastClock } from '../support/fast-clock.ts'
import { type Fault, type ProxiedRequest, startFaultProxy } from '../support/fault-proxy.ts'

const ALWAYS = { condition: { kind: 'always' } } as const
const ABSENT = { condition: { kind: 'absent' } } as const
/** Pauses of seconds take some hundredths. */
const FACTOR = 200
const BODY = Buffer.alloc(300_000, 'many words ')

async function makeRig(context: TestContext, overrides: Partial<ObjectStoreOptions> = {}) {
  const ceph = await useCeph()
  const proxy = await startFaultProxy({ target: ceph, seed: 1 })
  const agent = createPinnedAgent({ fingerprint: proxy.fingerprint })
  const counts = new Map<CounterName, number>()
  const store = await openCephStore(context, {
    agent,
    port: proxy.port,
    clock: fastClock(FACTOR),
    counters: { add: (name, amount) => counts.set(name, (counts.get(name) ?? 0) + amount) },
    ...overrides,
  })
  context.after(async () => await proxy[Symbol.asyncDispose]())
  return { proxy, store, counts }
}

function is(method: string, part = ''): (request: ProxiedRequest) => boolean {
  return (request) => request.method === method && request.path.includes(part)
}

async function failureOf(work: Promise<unknown>): Promise<CairnError> {
  const error = await work.then(
    () => assert.fail('it must fail'),
    (error: unknown) => error,
  )
  assert.ok(error instanceof CairnError, String(error))
  return error
}

const SLOW_DOWN = { kind: 'status', status: 503, code: 'SlowDown' } as const

/** Faults after which nothing can be executed any more, and those after which something may. */
const PASSING: readonly { fault: Fault; isLate: boolean }[] = [
  { fault: SLOW_DOWN, isLate: false },
  {
    fault: { kind: 'status', status: 429, code: 'TooManyRequests', retryAfter: '2' },
    isLate: false,
  },
  { fault: { kind: 'status', status: 500, code: 'InternalError' }, isLate: true },
  { fault: { kind: 'status', status: 502, code: '' }, isLate: true },
  { fault: { kind: 'status', status: 504, code: 'GatewayTimeout' }, isLate: true },
  { fault: { kind: 'cut-before' }, isLate: true },
  { fault: { kind: 'cut-request' }, isLate: true },
  { fault: { kind: 'swallow' }, isLate: true },
]

suite('S3ObjectStore behind a bad network', { skip: cephMissing ?? false }, () => {
  for (const { fault, isLate } of PASSING) {
    const name = fault.kind === 'status' ? `${fault.status} ${fault.code}` : fault.kind
    test(`a PUT that meets ${name} is repeated; late: ${isLate}`, async (context) => {
      const { proxy, store, counts } = await makeRig(context)
      proxy.plan(is('PUT'), fault)
      const answer = await store.put('k', BODY, ALWAYS)
      assert.deepEqual([answer.outcome, answer.isLate], ['written', isLate])
      assert.deepEqual(Buffer.from((await store.get('k'))?.body ?? []), BODY)
      assert.equal(counts.get('put'), 2, 'each attempt is counted')
      assert.equal(counts.get('upload'), 2 * BODY.length)
      assert.equal(counts.get('download'), BODY.length)
      await proxy.settled()
    })
  }

  test('a conditional PUT whose answer was lost is told as kept, and late', async (context) => {
    const { proxy, store } = await makeRig(context)
    proxy.plan(is('PUT'), { kind: 'swallow' })
    const answer = await store.put('k', BODY, ABSENT)
    assert.deepEqual(answer, { outcome: 'kept', etag: '', isLate: true })
  })

  test('a conditional PUT that is executed after its repeat: ours stays', async (context) => {
    const { proxy, store } = await makeRig(context)
    proxy.plan(is('PUT'), { kind: 'late', delayMs: 300 })
    const answer = await store.put('k', BODY, ABSENT)
    assert.deepEqual([answer.outcome, answer.isLate], ['written', true])
    await proxy.settled()
    assert.equal((await store.head('k'))?.etag, answer.etag)
  })

  test('409 is repeated soon', async (context) => {
    const { proxy, store } = await makeRig(context)
    const conflict = { kind: 'status', status: 409, code: 'ConditionalRequestConflict' } as const
    proxy.plan(is('PUT'), conflict)
    proxy.plan(is('PUT'), conflict)
    const answer = await store.put('k', BODY, ABSENT)
    assert.deepEqual([answer.outcome, answer.isLate], ['written', false])
  })

  test('a DELETE that was repeated is confirmed, and late', async (context) => {
    const { proxy, store } = await makeRig(context)
    await store.put('k', BODY, ALWAYS)
    proxy.plan(is('POST'), { kind: 'late', delayMs: 300 })
    assert.deepEqual(await store.delete(['k']), { deleted: ['k'], failed: [], isLate: true })
    // What R-60 is about: written again, and the first DELETE executes.
    await store.put('k', BODY, ALWAYS)
    await proxy.settled()
    assert.equal(await store.head('k'), null)
  })

  test('a DELETE that never gets through fails by name, and says whether it is late', async (context) => {
    const { proxy, store } = await makeRig(context)
    proxy.setRate(1, [SLOW_DOWN])
    const refused = await store.delete(['a', 'b'])
    assert.deepEqual([refused.deleted, refused.isLate], [[], false])
    assert.deepEqual(
      refused.failed.map(({ key }) => key),
      ['a', 'b'],
    )
    proxy.setRate(1, [{ kind: 'swallow' }])
    const lost = await store.delete(['a', 'b'])
    assert.deepEqual([lost.deleted, lost.isLate], [[], true])
    proxy.setRate(0, [])
    assert.equal((await store.delete(['a', 'b'])).deleted.length, 2, 'usable afterwards')
  })

  test('a GET is read again after a cut, a flipped bit, and only then given', async (context) => {
    const { proxy, store } = await makeRig(context)
    await store.put('k', BODY, ALWAYS)
    for (const kind of ['cut-answer', 'flip', 'swallow', 'cut-before'] as const) {
      proxy.plan(is('GET'), { kind })
      assert.deepEqual(Buffer.from((await store.get('k'))?.body ?? []), BODY, kind)
    }
    await proxy.settled()
  })

  test('content that stays wrong is an error', async (context) => {
    const { proxy, store } = await makeRig(context)
    const { etag } = await store.put('k', Buffer.from('x'), ALWAYS)
    // One byte, so that the same bit is always the one that flips.
    proxy.setRate(1, [{ kind: 'flip' }])
    const error = await failureOf(store.get('k'))
    assert.deepEqual([error.code, error.kind], ['S3_CONTENT_WRONG', 'Corrupt'])
    assert.match(error.message, new RegExp(etag))
  })

  test('a LIST that is cut is asked again', async (context) => {
    const { proxy, store } = await makeRig(context)
    for (const key of ['l/1', 'l/2']) await store.put(key, BODY, ALWAYS)
    proxy.plan(is('GET', 'list-type'), { kind: 'cut-answer' })
    proxy.plan(is('GET', 'list-type'), { kind: 'status', status: 500, code: 'InternalError' })
    const keys: string[] = []
    for await (const page of store.list('l/')) keys.push(...page.objects.map(({ key }) => key))
    assert.deepEqual(keys, ['l/1', 'l/2'])
  })

  test('the budget is bounded; the error names everything; nothing of the secret', async (context) => {
    const { proxy, store } = await makeRig(context)
    proxy.setRate(1, [{ kind: 'status', status: 500, code: 'InternalError' }])
    const error = await failureOf(store.put('s/k', BODY, ALWAYS))
    assert.equal(proxy.requestCount, ATTEMPTS_MAX)
    assert.deepEqual([error.code, error.kind], ['S3_UNAVAILABLE', 'Io'])
    assert.equal(isLateError(error), true)
    assert.match(error.message, /^Cannot put 's\/k' of bucket 'test-\w+' at 127\.0\.0\.1:\d+: /)
    assert.match(
      error.message,
      /InternalError \(500\): by plan \(request planned\); the store is over/,
    )
    proxy.setRate(0, [])
    assert.equal((await store.put('s/k', BODY, ALWAYS)).outcome, 'written', 'usable afterwards')
  })

  test('a Retry-After beyond all bounds is not waited for', async (context) => {
    const { proxy, store } = await makeRig(context)
    const hour = { kind: 'status', status: 503, code: 'SlowDown', retryAfter: '3600' } as const
    proxy.setRate(1, [hour])
    const error = await failureOf(store.head('k'))
    assert.deepEqual([error.code, proxy.requestCount], ['S3_UNAVAILABLE', 1])
  })

  test('a store that never answers: given up by the time limit, late', async (context) => {
    const { proxy, store } = await makeRig(context, { timeouts: { requestMs: 60_000 } })
    proxy.plan(is('DELETE'), { kind: 'hang' })
    proxy.plan(is('POST'), { kind: 'hang' })
    const answer = await store.delete(['k'])
    assert.deepEqual([answer.deleted, answer.isLate], [[], true])
    assert.match(answer.failed[0]?.reason ?? '', /no answer within the time/)
    assert.equal((await store.delete(['k'])).isLate, false, 'usable afterwards')
  })

  test('an abort between attempts tells what may still be executed', async (context) => {
    const { proxy, store } = await makeRig(context, { clock: fastClock(1) })
    const stop = new AbortController()
    proxy.plan(is('PUT'), { kind: 'swallow' })
    const put = store.put('k', BODY, { ...ALWAYS, signal: stop.signal })
    while (proxy.played.size === 0) await new Promise((resolve) => setImmediate(resolve))
    stop.abort(new Error('enough'))
    const error = await failureOf(put)
    assert.equal(isLateError(error), true)
    assert.equal((error.cause as Error).message, 'enough')
  })

  test('twice executed is done once', async (context) => {
    const { proxy, store } = await makeRig(context)
    proxy.plan(is('PUT'), { kind: 'twice' })
    proxy.plan(is('POST'), { kind: 'twice' })
    assert.equal((await store.put('k', BODY, ALWAYS)).outcome, 'written')
    assert.deepEqual((await store.delete(['k'])).deleted, ['k'])
  })
})

suite('S3ObjectStore: a definite no', { skip: cephMissing ?? false }, () => {
  const NOES: readonly { name: string; status: number; code: string; advice: RegExp }[] = [
    { name: 'rights', status: 403, code: 'AccessDenied', advice: /what the access key may do/ },
    { name: 'expired credentials', status: 400, code: 'ExpiredToken', advice: /expired: give/ },
    {
      name: 'another region',
      status: 301,
      code: 'PermanentRedirect',
      advice: /endpoint and region/,
    },
    { name: 'not implemented', status: 501, code: 'NotImplemented', advice: /provider quirks/ },
    { name: 'full', status: 403, code: 'QuotaExceeded', advice: /full, or a quota/ },
  ]
  for (const { name, status, code, advice } of NOES) {
    test(`${name}: S3_REFUSED at once, with advice`, async (context) => {
      const { proxy, store } = await makeRig(context)
      proxy.setRate(1, [{ kind: 'status', status, code }])
      const error = await failureOf(store.put('k', BODY, ALWAYS))
      assert.deepEqual([error.code, proxy.requestCount], ['S3_REFUSED', 1])
      assert.match(error.message, advice)
      assert.equal(isLateError(error), false)
    })
  }

  test('clocks that differ: once more with the time of the store, then refused', async (context) => {
    const { proxy, store } = await makeRig(context)
    const skewed = { kind: 'status', status: 403, code: 'RequestTimeTooSkewed' } as const
    proxy.plan(is('PUT'), skewed)
    assert.equal((await store.put('k', BODY, ALWAYS)).outcome, 'written')
    proxy.setRate(1, [skewed])
    const error = await failureOf(store.put('k', BODY, ALWAYS))
    assert.equal(error.code, 'S3_REFUSED')
    assert.match(error.message, /clocks of this machine and of the store/)
  })

  test('a bucket that is gone is no missing object', async (context) => {
    const store = await openCephStore(context, { bucket: 'test-no-such-bucket' })
    const calls = [
      async () => await store.get('k'),
      async () => await store.head('k'),
      async () => await store.put('k', BODY, ALWAYS),
      async () => await store.checkBucket(),
    ]
    for (const call of calls) {
      const error = await failureOf(call())
      assert.equal(error.code, 'S3_REFUSED')
      assert.match(error.message, /NoSuchBucket.*check its name/)
    }
    const { deleted, failed } = await store.delete(['k'])
    assert.deepEqual(deleted, [])
    assert.match(failed[0]?.reason ?? '', /NoSuchBucket/)
  })

  test('wrong keys: no secret in the error', async (context) => {
    const secretKey = new Secret('very-secret-words')
    const store = await openCephStore(context, { secretKey })
    const error = await failureOf(store.put('k', BODY, ALWAYS))
    assert.equal(error.code, 'S3_REFUSED')
    assert.match(error.message, /SignatureDoesNotMatch.*check access key and secret key/)
    assert.doesNotMatch(JSON.stringify(error) + String(error.stack), /very-secret/)
  })

  test('another certificate: refused before a request is sent', async (context) => {
    const { proxy, store } = await makeRig(context, {
      agent: createPinnedAgent({ fingerprint: Array(32).fill('00').join(':') }),
    })
    const error = await failureOf(store.put('k', BODY, ALWAYS))
    assert.deepEqual([error.code, proxy.requestCount, isLateError(error)], ['S3_REFUSED', 0, false])
    assert.match(error.message, /check the fingerprint of the endpoint/)
  })
})
