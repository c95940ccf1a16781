import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { TransferBudget } from './transfer-budget.ts'

const LIMITS = { totalSize: 40, shareMin: 10, shareMax: 30 }
const { signal } = new AbortController()

/** Whether `promise` is settled once everything that can run now has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => {
    settled = true
  }
  void promise.then(note, note)
  await new Promise((resolve) => setImmediate(resolve))
  return settled
}

suite('TransferBudget', () => {
  test('gives one session its largest share and lets the next wait for room', async () => {
    const share = new TransferBudget(LIMITS).open()
    const first = await share.acquire(20, signal)
    const second = await share.acquire(10, signal)
    const third = share.acquire(5, signal)
    assert.equal(await isSettled(third), false)
    second[Symbol.dispose]()
    assert.equal(await isSettled(third), true)
    first[Symbol.dispose]()
  })

  test('divides the total among many, but never below the least share', async () => {
    const budget = new TransferBudget(LIMITS)
    const shares = Array.from({ length: 8 }, () => budget.open())
    for (const share of shares) {
      await share.acquire(10, signal)
      assert.equal(await isSettled(share.acquire(1, signal)), false)
    }
    for (const share of shares.slice(1)) share[Symbol.dispose]()
    const [left] = shares
    const more = left?.acquire(1, signal)
    assert.ok(more !== undefined)
    // A waiter is served when its own session's bodies end; until then the line stays.
    assert.equal(await isSettled(more), false)
  })

  test('lets a body through that is larger than any share, alone', async () => {
    const share = new TransferBudget(LIMITS).open()
    const huge = await share.acquire(1000, signal)
    const small = share.acquire(1, signal)
    assert.equal(await isSettled(small), false)
    huge[Symbol.dispose]()
    assert.equal(await isSettled(small), true)
  })

  test('serves in order: a large one is not overtaken', async () => {
    const share = new TransferBudget(LIMITS).open()
    const first = await share.acquire(20, signal)
    const large = share.acquire(25, signal)
    const small = share.acquire(1, signal)
    assert.equal(await isSettled(small), false)
    first[Symbol.dispose]()
    assert.equal(await isSettled(large), true)
    assert.equal(await isSettled(small), true)
  })

  test('forgets a waiter that was aborted', async () => {
    const share = new TransferBudget(LIMITS).open()
    const first = await share.acquire(30, signal)
    const controller = new AbortController()
    const gone = share.acquire(30, controller.signal)
    const next = share.acquire(5, signal)
    controller.abort(new Error('gone'))
    await assert.rejects(gone, { message: 'gone' })
    first[Symbol.dispose]()
    assert.equal(await isSettled(next), true)
  })
})
