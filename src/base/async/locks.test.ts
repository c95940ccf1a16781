import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KeyedLock } from './keyed-lock.ts'
import { Mutex } from './mutex.ts'
import { RwLock } from './rw-lock.ts'
import { Semaphore } from './semaphore.ts'

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

/** Notes in `order` when each of the named acquisitions came through. */
function note(order: string[], name: string, promise: Promise<Disposable>): Promise<Disposable> {
  return promise.then((hold) => {
    order.push(name)
    return hold
  })
}

suite('Mutex', () => {
  test('hands over in order of arrival', async () => {
    const mutex = new Mutex()
    const order: string[] = []
    const first = await mutex.acquire()
    const waiting = ['b', 'c', 'd'].map((name) => note(order, name, mutex.acquire()))
    await turn()
    assert.deepEqual(order, [])
    first[Symbol.dispose]()
    for (const promise of waiting) (await promise)[Symbol.dispose]()
    assert.deepEqual(order, ['b', 'c', 'd'])
    assert.equal(mutex.isLocked, false)
  })

  test('a second disposal does not release the next holder', async () => {
    const mutex = new Mutex()
    const first = await mutex.acquire()
    const second = mutex.acquire()
    first[Symbol.dispose]()
    first[Symbol.dispose]()
    using _second = await second
    assert.equal(mutex.tryAcquire(), null)
  })

  test('nobody overtakes between release and wake-up', async () => {
    const mutex = new Mutex()
    const first = await mutex.acquire()
    const second = mutex.acquire()
    first[Symbol.dispose]()
    assert.equal(mutex.tryAcquire(), null)
    const hold = await second
    hold[Symbol.dispose]()
    assert.notEqual(mutex.tryAcquire(), null)
  })

  test('abort takes a waiter out of the line, before and while it waits', async () => {
    const mutex = new Mutex()
    const first = await mutex.acquire()
    const controller = new AbortController()
    const given = mutex.acquire(controller.signal)
    const third = mutex.acquire()
    controller.abort(new Error('gone'))
    await assert.rejects(given, /gone/)
    await assert.rejects(mutex.acquire(controller.signal), /gone/)
    first[Symbol.dispose]()
    const hold = await third
    hold[Symbol.dispose]()
    assert.equal(mutex.isLocked, false)
  })
})

suite('Semaphore', () => {
  test('gives out no more than its count', async () => {
    const semaphore = new Semaphore(3)
    const two = await semaphore.acquire(2)
    assert.equal(semaphore.tryAcquire(2), null)
    const one = semaphore.tryAcquire(1)
    assert.equal(semaphore.free, 0)
    one?.[Symbol.dispose]()
    two[Symbol.dispose]()
    assert.equal(semaphore.free, 3)
  })

  test('small requests do not overtake a large one', async () => {
    const semaphore = new Semaphore(3)
    const order: string[] = []
    const hold = await semaphore.acquire(2)
    const large = note(order, 'large', semaphore.acquire(3))
    const small = note(order, 'small', semaphore.acquire(1))
    await turn()
    assert.deepEqual(order, [])
    hold[Symbol.dispose]()
    ;(await large)[Symbol.dispose]()
    await small
    assert.deepEqual(order, ['large', 'small'])
  })

  test('when the large one gives up, those behind it are looked at again', async () => {
    const semaphore = new Semaphore(3)
    const controller = new AbortController()
    const hold = await semaphore.acquire(2)
    const large = semaphore.acquire(3, controller.signal)
    const small = semaphore.acquire(1)
    controller.abort(new Error('gone'))
    await assert.rejects(large, /gone/)
    const smallHold = await small
    smallHold[Symbol.dispose]()
    hold[Symbol.dispose]()
    assert.equal(semaphore.free, 3)
  })

  test('a request that can never be met is a bug', async () => {
    await assert.rejects(new Semaphore(2).acquire(3), /assertion/)
  })
})

suite('RwLock', () => {
  test('shared holders come together, the exclusive one alone', async () => {
    const lock = new RwLock()
    const a = await lock.acquireShared()
    const b = lock.tryShared()
    assert.notEqual(b, null)
    assert.equal(lock.tryExclusive(), null)
    a[Symbol.dispose]()
    b?.[Symbol.dispose]()
    const c = lock.tryExclusive()
    assert.notEqual(c, null)
    assert.equal(lock.tryShared(), null)
    c?.[Symbol.dispose]()
  })

  test('is first-in-first-out: a waiting exclusive request holds later shared ones back', async () => {
    const lock = new RwLock()
    const order: string[] = []
    const shared = await lock.acquireShared()
    const exclusive = note(order, 'exclusive', lock.acquireExclusive())
    const late = [1, 2].map((n) => note(order, `shared ${n}`, lock.acquireShared()))
    assert.equal(lock.tryShared(), null)
    shared[Symbol.dispose]()
    const hold = await exclusive
    await turn()
    assert.deepEqual(order, ['exclusive'])
    hold[Symbol.dispose]()
    await Promise.all(late)
    assert.deepEqual(order, ['exclusive', 'shared 1', 'shared 2'])
  })

  test('when the waiting exclusive request gives up, the shared ones behind it come in', async () => {
    const lock = new RwLock()
    const controller = new AbortController()
    using _shared = await lock.acquireShared()
    const exclusive = lock.acquireExclusive(controller.signal)
    const late = lock.acquireShared()
    controller.abort(new Error('gone'))
    await assert.rejects(exclusive, /gone/)
    using _late = await late
    assert.equal(lock.tryExclusive(), null)
  })
})

suite('KeyedLock', () => {
  test('keys do not know of each other, one key is in order, idle keys are forgotten', async () => {
    const locks = new KeyedLock<string>()
    const order: string[] = []
    const a = await locks.acquire('a')
    const b = await locks.acquire('b')
    const waiting = ['1', '2'].map((name) => note(order, name, locks.acquire('a')))
    assert.equal(locks.isWaitedFor('a'), true)
    assert.equal(locks.isWaitedFor('b'), false)
    assert.equal(locks.tryAcquire('a'), null)
    assert.equal(locks.size, 2)
    b[Symbol.dispose]()
    a[Symbol.dispose]()
    for (const promise of waiting) (await promise)[Symbol.dispose]()
    assert.deepEqual(order, ['1', '2'])
    assert.equal(locks.size, 0)
  })

  test('an aborted waiter leaves no trace', async () => {
    const locks = new KeyedLock<string>()
    const controller = new AbortController()
    const hold = await locks.acquire('a')
    const waiting = locks.acquire('a', controller.signal)
    controller.abort(new Error('gone'))
    await assert.rejects(waiting, /gone/)
    assert.equal(locks.isWaitedFor('a'), false)
    hold[Symbol.dispose]()
    assert.equal(locks.isHeld('a'), false)
    assert.equal(locks.size, 0)
  })
})
