import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { isAnySystemError, isSystemError } from './errors.ts'
import { systemError } from './fs/system-error.ts'

suite('isSystemError()', () => {
  test('knows the codes that it is asked for', () => {
    assert.equal(isSystemError(systemError('ENOENT', 'open'), 'EACCES', 'ENOENT'), true)
    assert.equal(isSystemError(systemError('ENOSPC', 'write'), 'EACCES', 'ENOENT'), false)
  })

  test('without codes, knows none', () => {
    assert.equal(isSystemError(systemError('ENOSPC', 'write')), false)
  })
})

suite('isAnySystemError()', () => {
  test('takes every error of a system call and no other', () => {
    assert.equal(isAnySystemError(systemError('ENOSPC', 'write')), true)
    const other = Object.assign(new Error('bad'), { code: 'ERR_INVALID_URL' })
    assert.equal(isAnySystemError(other), false)
    assert.equal(isAnySystemError(new Error('bad')), false)
    assert.equal(isAnySystemError('ENOENT'), false)
  })
})
