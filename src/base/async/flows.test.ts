import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { CairnError } from '../errors.ts'
import { BoundedQueue } from './bounded-queue.ts'
import { forEachConcurrent, mapConcurrent } from './map-concurrent.ts'
import { retry } from './retry.ts'
import { SharedRun } from './shared-run.ts'

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

suite('BoundedQueue', () => {
  test('holds the producer back at its capacity', async () => {
    const queue = new BoundedQueue<number>(2)
    const pushed: number[] = []
    const producing = (async () => {
      for (const item of [1, 2, 3, 4]) {
        await queue.push(item)
        pushed.push(item)
      }
      queue.end()
    })()
    await turn()
    assert.deepEqual(pushed, [1])
    assert.equal(queue.size, 2)
    assert.deepEqual(await Array.fromAsync(queue), [1, 2, 3, 4])
    await producing
  })

  test('fail() reaches the consumer after what was queued', async () => {
    const queue = new BoundedQueue<number>(5)
    await queue.push(1)
    queue.fail(new Error('broken'))
    const seen: number[] = []
    await assert.rejects(async () => {
      for await (const item of queue) seen.push(item)
    }, /broken/)
    assert.deepEqual(seen, [1])
  })

  test('a consumer that leaves frees the producer', async () => {
    const queue = new BoundedQueue<number>(1)
    const first = queue.push(1)
    const second = queue.push(2)
    for await (const item of queue) {
      assert.equal(item, 1)
      break
    }
    await Promise.all([first, second])
    assert.equal(queue.isClosed, true)
    await queue.push(3)
    assert.equal(queue.size, 0)
  })

  test('a consumer that waits is woken by an item and by the end', async () => {
    const queue = new BoundedQueue<number>(2)
    const consuming = Array.fromAsync(queue)
    await turn()
    await queue.push(7)
    await turn()
    queue.end()
    assert.deepEqual(await consuming, [7])
  })
})

suite('mapConcurrent()', () => {
  /** Calls that finish only when told, so that the test decides the order. */
  function manualCalls(): {
    fn: (item: number) => Promise<number>
    finish: Map<number, PromiseWithResolvers<number>>
  } {
    const finish = new Map<number, PromiseWithResolvers<number>>()
    const fn = async (item: number): Promise<number> => {
      const call = Promise.withResolvers<number>()
      finish.set(item, call)
      return await call.promise
    }
    return { fn, finish }
  }

  test('runs no more than its limit and keeps the order', async () => {
    const { fn, finish } = manualCalls()
    const results = Array.fromAsync(mapConcurrent([1, 2, 3], { concurrency: 2 }, fn))
    await turn()
    assert.deepEqual([...finish.keys()], [1, 2])
    finish.get(2)?.resolve(20)
    await turn()
    assert.deepEqual([...finish.keys()], [1, 2])
    finish.get(1)?.resolve(10)
    await turn()
    assert.deepEqual([...finish.keys()], [1, 2, 3])
    finish.get(3)?.resolve(30)
    assert.deepEqual(await results, [10, 20, 30])
  })

  test('unordered gives results as they come', async () => {
    const { fn, finish } = manualCalls()
    const options = { concurrency: 2, ordered: false }
    const results = Array.fromAsync(mapConcurrent([1, 2, 3], options, fn))
    await turn()
    finish.get(2)?.resolve(20)
    await turn()
    finish.get(3)?.resolve(30)
    await turn()
    finish.get(1)?.resolve(10)
    assert.deepEqual(await results, [20, 30, 10])
  })

  test('the first error wins and is thrown after the running ones ended', async () => {
    const { fn, finish } = manualCalls()
    let isThrown = false
    const results = forEachConcurrent([1, 2, 3, 4], { concurrency: 2 }, async (item) => {
      await fn(item)
    }).catch((error: unknown) => {
      isThrown = true
      throw error
    })
    await turn()
    finish.get(2)?.reject(new Error('second'))
    await turn()
    assert.equal(isThrown, false)
    finish.get(1)?.reject(new Error('first'))
    await assert.rejects(results, /second/)
    assert.deepEqual([...finish.keys()], [1, 2])
  })

  test('abort stops before the next item and waits for the running ones', async () => {
    const { fn, finish } = manualCalls()
    const controller = new AbortController()
    const { signal } = controller
    const results = Array.fromAsync(mapConcurrent([1, 2, 3], { concurrency: 1, signal }, fn))
    await turn()
    controller.abort(new Error('enough'))
    finish.get(1)?.resolve(1)
    await assert.rejects(results, /enough/)
    assert.deepEqual([...finish.keys()], [1])
  })

  /** Gives one item and then nothing until it is let go. */
  async function* stuckAfterOne(letGo: Promise<void>): AsyncGenerator<number> {
    yield 1
    await letGo
  }

  test('a result and a failure come through although the source gives nothing more', async () => {
    const letGo = Promise.withResolvers<void>()
    const options = { concurrency: 4 }
    const results = mapConcurrent(stuckAfterOne(letGo.promise), options, async (item) => {
      return await Promise.resolve(item * 2)
    })
    assert.deepEqual(await results.next(), { done: false, value: 2 })
    const failing = forEachConcurrent(stuckAfterOne(letGo.promise), options, async () => {
      await Promise.reject(new Error('failed'))
    })
    await assert.rejects(failing, /failed/)
    letGo.resolve()
    assert.equal((await results.next()).done, true)
  })

  test('abort comes through although the source gives nothing more', async () => {
    const letGo = Promise.withResolvers<void>()
    const controller = new AbortController()
    const { signal } = controller
    const options = { concurrency: 4, signal }
    const running = forEachConcurrent(stuckAfterOne(letGo.promise), options, async () => {
      await Promise.resolve()
    })
    await turn()
    controller.abort(new Error('enough'))
    await assert.rejects(running, /enough/)
    letGo.resolve()
  })

  test('an error of the source is thrown after the running calls ended', async () => {
    let ended = 0
    async function* source(): AsyncGenerator<number> {
      yield 1
      yield await Promise.resolve(2)
      throw new Error('no more')
    }
    const running = forEachConcurrent(source(), { concurrency: 4 }, async () => {
      await turn()
      ended++
    })
    await assert.rejects(running, /no more/)
    assert.equal(ended, 2)
  })

  test('loses nothing and keeps its limit whatever the timing', async () => {
    let state = 1
    const pause = async (): Promise<void> => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      for (let turns = (state >>> 16) % 4; turns > 0; turns--) await Promise.resolve()
      if ((state & 0x300) === 0) await turn()
    }
    for (let round = 0; round < 60; round++) {
      const count = round % 17
      const concurrency = 1 + (round % 5)
      let running = 0
      async function* source(): AsyncGenerator<number> {
        for (let item = 0; item < count; item++) {
          await pause()
          yield item
        }
      }
      const fn = async (item: number): Promise<number> => {
        running++
        assert.ok(running <= concurrency)
        await pause()
        running--
        return item
      }
      const ordered = round % 2 === 0
      const results: number[] = []
      for await (const result of mapConcurrent(source(), { concurrency, ordered }, fn)) {
        await pause()
        results.push(result)
      }
      if (!ordered) results.sort((a, b) => a - b)
      assert.deepEqual(
        results,
        Array.from({ length: count }, (_unused, index) => index),
      )
    }
  })

  test('a consumer that leaves closes the source', async () => {
    let isClosed = false
    async function* source(): AsyncGenerator<number> {
      try {
        for (let item = 0; ; item++) yield await Promise.resolve(item)
      } finally {
        isClosed = true
      }
    }
    const identity = async (item: number): Promise<number> => await Promise.resolve(item)
    for await (const result of mapConcurrent(source(), { concurrency: 3 }, identity)) {
      if (result === 2) break
    }
    assert.ok(isClosed)
  })
})

suite('SharedRun', () => {
  test('who comes while a run is in flight shares the next one', async () => {
    const shared = new SharedRun()
    const runs: PromiseWithResolvers<void>[] = []
    const fn = async (): Promise<void> => {
      const run = Promise.withResolvers<void>()
      runs.push(run)
      await run.promise
    }
    const first = shared.run(fn)
    await turn()
    const later = [shared.run(fn), shared.run(fn), shared.run(fn)]
    await turn()
    assert.equal(runs.length, 1)
    runs[0]?.resolve()
    await first
    await turn()
    assert.equal(runs.length, 2)
    const last = shared.run(fn)
    runs[1]?.resolve()
    await Promise.all(later)
    await turn()
    assert.equal(runs.length, 3)
    runs[2]?.resolve()
    await last
  })

  test('a failure reaches those who shared the run and nobody else', async () => {
    const shared = new SharedRun()
    const gate = Promise.withResolvers<void>()
    const first = shared.run(async () => {
      await gate.promise
      throw new Error('first')
    })
    const second = shared.run(async () => await Promise.resolve())
    gate.resolve()
    await assert.rejects(first, /first/)
    await second
  })
})

suite('retry()', () => {
  function failure(retryable: boolean): CairnError {
    return new CairnError('failed', { kind: 'Io', code: 'TEST', retryable })
  }

  test('tries again with growing pauses while it can help', async () => {
    const clock = new FakeClock()
    const times: number[] = []
    const result = retry(
      async (attempt) => {
        times.push(clock.monotonic())
        if (attempt < 4) throw failure(true)
        return await Promise.resolve('done')
      },
      { attemptsMax: 4, delayMs: 100, clock },
    )
    await clock.advance(10_000)
    assert.equal(await result, 'done')
    assert.deepEqual(times, [0, 100, 300, 700])
  })

  for (const [name, error] of [
    ['an error that says no', failure(false)],
    ['an error of another kind', new Error('plain')],
  ] as const) {
    test(`does not repeat after ${name}`, async () => {
      let count = 0
      const fn = async (): Promise<never> => {
        count++
        return await Promise.reject(error)
      }
      const options = { attemptsMax: 4, delayMs: 100, clock: new FakeClock() }
      await assert.rejects(retry(fn, options), error)
      assert.equal(count, 1)
    })
  }

  test('gives up after the last attempt, and at once when aborted', async () => {
    const clock = new FakeClock()
    const fn = async (): Promise<never> => await Promise.reject(failure(true))
    const exhausted = assert.rejects(retry(fn, { attemptsMax: 2, delayMs: 1, clock }), /failed/)
    await clock.advance(10)
    await exhausted
    const controller = new AbortController()
    const { signal } = controller
    const aborted = assert.rejects(retry(fn, { attemptsMax: 9, delayMs: 1, clock, signal }), /gone/)
    await clock.untilSleeping()
    controller.abort(new Error('gone'))
    await aborted
  })
})
