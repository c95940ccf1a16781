import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ActiveOperations } from './active-operations.ts'

suite('ActiveOperations', () => {
  test('counts by datastore and kind until each is disposed, once', () => {
    const operations = new ActiveOperations()
    const write = operations.begin('a', 'write')
    {
      using _read = operations.begin('a', 'read')
      using _other = operations.begin('b', 'read')
      assert.deepEqual(operations.countsOf('a'), { read: 1, write: 1 })
    }
    assert.deepEqual(operations.countsOf('a'), { read: 0, write: 1 })
    write[Symbol.dispose]()
    write[Symbol.dispose]()
    assert.deepEqual(operations.countsOf('a'), { read: 0, write: 0 })
  })

  test('goes on counting when a datastore falls idle between two operations', () => {
    const operations = new ActiveOperations()
    operations.begin('a', 'read')[Symbol.dispose]()
    using _write = operations.begin('a', 'write')
    assert.deepEqual(operations.countsOf('a'), { read: 0, write: 1 })
  })
})
