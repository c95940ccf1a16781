import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { LruCache } from './lru-cache.ts'

suite('LruCache', () => {
  test('forgets what was not used for longest', () => {
    const cache = new LruCache<string, number>({ sizeMax: 2 })
    cache.set('a', 1)
    cache.set('b', 2)
    assert.equal(cache.get('a'), 1)
    cache.set('c', 3)
    assert.equal(cache.get('b'), undefined)
    assert.equal(cache.get('a'), 1)
    assert.equal(cache.count, 2)
  })

  test('counts sizes, also of values replaced, and keeps nothing larger than itself', () => {
    const cache = new LruCache<string, string>({ sizeMax: 10, sizeOf: (value) => value.length })
    cache.set('a', '12345')
    cache.set('a', '1234')
    cache.set('b', '123456')
    assert.equal(cache.size, 10)
    cache.set('c', '1')
    assert.equal(cache.get('a'), undefined)
    assert.equal(cache.size, 7)
    cache.set('b', '12345678901')
    assert.equal(cache.get('b'), undefined)
    assert.equal(cache.size, 1)
    cache.clear()
    assert.equal(cache.size, 0)
  })

  test('load() runs one loader for all who ask meanwhile', async () => {
    const cache = new LruCache<string, number>({ sizeMax: 2 })
    let count = 0
    const loader = async (): Promise<number> => {
      count++
      return await Promise.resolve(count)
    }
    assert.deepEqual(await Promise.all([cache.load('a', loader), cache.load('a', loader)]), [1, 1])
    assert.equal(await cache.load('a', loader), 1)
    assert.equal(count, 1)
  })

  test('load() forgets a failure', async () => {
    const cache = new LruCache<string, number>({ sizeMax: 2 })
    const failing = cache.load('a', async () => await Promise.reject(new Error('no')))
    await assert.rejects(failing, /no/)
    assert.equal(await cache.load('a', async () => await Promise.resolve(2)), 2)
  })

  test('delete() during a load: the caller is served, the value not kept', async () => {
    const cache = new LruCache<string, number>({ sizeMax: 2 })
    const gate = Promise.withResolvers<number>()
    const loading = cache.load('a', async () => await gate.promise)
    cache.delete('a')
    const fresh = cache.load('a', async () => await Promise.resolve(2))
    gate.resolve(1)
    assert.equal(await loading, 1)
    assert.equal(await fresh, 2)
    assert.equal(cache.get('a'), 2)
  })
})
