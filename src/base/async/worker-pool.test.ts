import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CairnError, hasCode, isSystemError } from '../errors.ts'
import { WorkerPool } from './worker-pool.ts'

const SCRIPT = new URL('./worker-pool.test-worker.ts', import.meta.url)

suite('WorkerPool', () => {
  test('runs tasks, tells news, reuses its threads', async () => {
    await using pool = new WorkerPool(SCRIPT, { size: 2 })
    const news: unknown[] = []
    const sum = await pool.run<number>(
      { kind: 'add', a: 2, b: 3 },
      { onNews: (item) => news.push(item) },
    )
    assert.equal(sum, 5)
    assert.deepEqual(news, ['adding'])
    const sums = await Promise.all(
      [1, 2, 3, 4, 5].map((a) => pool.run<number>({ kind: 'add', a, b: 0 })),
    )
    assert.deepEqual(sums, [1, 2, 3, 4, 5])
    assert.ok(pool.threadCount <= 2)
  })

  test('hands buffers over in both directions', async () => {
    await using pool = new WorkerPool(SCRIPT, { size: 1 })
    const bytes = new Uint8Array([1, 2, 3])
    const answer = await pool.run<Uint8Array>(
      { kind: 'reverse', bytes },
      { transfer: [bytes.buffer] },
    )
    assert.deepEqual([...answer], [3, 2, 1])
    assert.equal(bytes.length, 0)
  })

  test('errors keep their class, code, data and cause', async () => {
    await using pool = new WorkerPool(SCRIPT, { size: 1 })
    await assert.rejects(pool.run({ kind: 'cairn-error' }), (error) => {
      assert.ok(error instanceof CairnError && hasCode(error, 'TEST_CODE'))
      assert.deepEqual(error.data, { digest: 'abc' })
      assert.equal((error.cause as Error).message, 'inner')
      return error.kind === 'Corrupt'
    })
    await assert.rejects(pool.run({ kind: 'system-error' }), (e) => isSystemError(e, 'ENOENT'))
  })

  for (const kind of ['throw-later', 'exit']) {
    test(`a thread that ends (${kind}) fails its task only and is replaced`, async () => {
      await using pool = new WorkerPool(SCRIPT, { size: 1 })
      const crashing = pool.run({ kind })
      const next = pool.run<number>({ kind: 'add', a: 1, b: 1 })
      await assert.rejects(crashing, (error) => hasCode(error, 'WORKER_CRASHED'))
      assert.equal(await next, 2)
    })
  }

  for (const kind of ['spin', 'wait']) {
    test(`abort reaches a running task (${kind}) and leaves the thread usable`, async () => {
      await using pool = new WorkerPool(SCRIPT, { size: 1 })
      const controller = new AbortController()
      const running = pool.run(
        { kind },
        { signal: controller.signal, onNews: () => controller.abort(new Error('enough')) },
      )
      await assert.rejects(running, /enough/)
      assert.equal(await pool.run<number>({ kind: 'add', a: 1, b: 1 }), 2)
      assert.equal(pool.threadCount, 1)
    })
  }

  test('an aborted task that waits for a thread never runs', async () => {
    await using pool = new WorkerPool(SCRIPT, { size: 1 })
    const first = new AbortController()
    const second = new AbortController()
    const running = pool.run({ kind: 'wait' }, { signal: first.signal })
    const waiting = pool.run({ kind: 'exit' }, { signal: second.signal })
    second.abort(new Error('gone'))
    await assert.rejects(waiting, /gone/)
    first.abort(new Error('done'))
    await assert.rejects(running, /done/)
  })

  test('closing fails what runs and what waits', async () => {
    const pool = new WorkerPool(SCRIPT, { size: 1 })
    const started = Promise.withResolvers<unknown>()
    const running = pool.run({ kind: 'wait' }, { onNews: started.resolve })
    const waiting = pool.run({ kind: 'wait' })
    const outcomes = Promise.allSettled([running, waiting])
    await started.promise
    await pool[Symbol.asyncDispose]()
    for (const outcome of await outcomes) {
      assert.ok(outcome.status === 'rejected' && hasCode(outcome.reason, 'WORKER_POOL_CLOSED'))
    }
    await assert.rejects(pool.run({ kind: 'wait' }), (e) => hasCode(e, 'WORKER_POOL_CLOSED'))
  })
})
