import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { isSystemError } from './errors.ts'
import { systemError } from './fs/system-error.ts'

suite('isSystemError()', () => {
  test('knows the codes that it is asked for', () => {
    assert.equal(isSystemError(systemError('ENOENT', 'open'), 'EACCES', 'ENOENT'), true)
    assert.equal(isSystemError(systemError('ENOSPC', 'write'), 'EACCES', 'ENOENT'), false)
  })

  test('without codes, takes every error of a system call and no other', () => {
    assert.equal(isSystemError(systemError('ENOSPC', 'write')), true)
    assert.equal(isSystemError(Object.assign(new Error('bad'), { code: 'ERR_INVALID_URL' })), false)
    assert.equal(isSystemError(new Error('bad')), false)
    assert.equal(isSystemError('ENOENT'), false)
  })
})
