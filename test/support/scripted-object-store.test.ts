/** The double that other tests rely on must do what it says. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '../../src/base/time/clock.ts'
import { MemoryObjectStore } from '../../src/storage/memory-object-store.ts'
import { isLateError } from '../../src/storage/s3/errors.ts'
import { ScriptedObjectStore } from './scripted-object-store.ts'

const ALWAYS = { condition: { kind: 'always' } } as const

function makeStore() {
  const memory = new MemoryObjectStore({ clock: systemClock })
  return { memory, store: new ScriptedObjectStore(memory) }
}

suite('ScriptedObjectStore', () => {
  test('holds a request, or its answer', async () => {
    const { memory, store } = makeStore()
    const before = store.hold('put', 'a')
    const first = store.put('a', Buffer.from('1'), ALWAYS)
    await before.arrived
    assert.deepEqual(memory.keys, [])
    before.release()
    assert.equal((await first).outcome, 'written')
    const after = store.holdAnswer('put', /^b/)
    const second = store.put('b', Buffer.from('2'), ALWAYS)
    await after.arrived
    assert.deepEqual(memory.keys, ['a', 'b'])
    after.release()
    await second
    store.assertDone()
  })

  test('fails, refuses, loses an answer', async () => {
    const { memory, store } = makeStore()
    store.fail('put')
    const failed = await store.put('a', Buffer.from('1'), ALWAYS).catch((error: unknown) => error)
    assert.equal((failed as { code?: string }).code, 'S3_UNAVAILABLE')
    assert.equal(isLateError(failed), false)
    store.refuse('get', 'a')
    await assert.rejects(store.get('a'), { code: 'S3_REFUSED' })
    store.loseAnswer('put', 'a')
    const lost = await store.put('a', Buffer.from('1'), ALWAYS).catch((error: unknown) => error)
    assert.equal(isLateError(lost), true)
    assert.deepEqual(memory.keys, ['a'])
    store.assertDone()
  })

  test('executes later what the caller gave up', async () => {
    const { memory, store } = makeStore()
    memory.plant('a', Buffer.from('1'))
    const plan = store.executeLater('delete', 'a')
    const answer = await store.delete(['a', 'b'])
    assert.deepEqual(answer.deleted, [])
    assert.deepEqual(
      answer.failed.map(({ key }) => key),
      ['a', 'b'],
    )
    assert.equal(answer.isLate, true)
    assert.deepEqual(memory.keys, ['a'])
    await plan.execute()
    assert.deepEqual(memory.keys, [])
    const again = store.executeAgainLater('delete', 'a')
    assert.deepEqual(await store.delete(['a']), { deleted: ['a'], failed: [], isLate: true })
    memory.plant('a', Buffer.from('2'))
    await again.execute()
    assert.deepEqual(memory.keys, [])
  })

  test('splits a batch, counts requests, tells what did not come', async () => {
    const { memory, store } = makeStore()
    for (const key of ['a', 'b', 'c']) memory.plant(key, Buffer.from(key))
    store.failPartly(/[bc]/)
    const answer = await store.delete(['a', 'b', 'c'])
    assert.deepEqual([answer.deleted, answer.isLate], [['a'], false])
    assert.deepEqual(memory.keys, ['b', 'c'])
    store.fail('list')
    assert.throws(() => store.assertDone(), /fail list/)
    await assert.rejects(async () => {
      for await (const page of store.list('')) assert.fail(`${page.objects.length}`)
    })
    for await (const page of store.list('')) assert.equal(page.objects.length, 2)
    assert.equal(store.countOf('list'), 2)
    store.assertDone()
  })
})
