import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { systemError } from '../base/fs/system-error.ts'
import { errors } from './errors.ts'
import { replyText, statusOf } from './error-reply.ts'

suite('statusOf() and replyText()', () => {
  // A full disk was answered with 500 `internal error`: every system error passed for one of ours.
  test('an error of the operating system is 400 with its text, without the path', async () => {
    const error = systemError('ENOSPC', 'write', '/srv/secret/place')
    error.message = "ENOSPC: no space left on device, open '/srv/secret/place'"
    assert.equal(statusOf(error), 400)
    assert.equal(replyText(error), 'ENOSPC: No space left on device')
  })

  test('a failure of our own is 500 and says nothing', () => {
    assert.equal(statusOf(new TypeError('x is undefined')), 500)
    assert.equal(replyText(new TypeError('x is undefined')), 'internal error')
  })

  test('the kind decides, and the status that an error carries wins', () => {
    assert.equal(statusOf(errors.PATH_UNKNOWN({ path: '/x' })), 404)
    assert.equal(statusOf(errors.REQUEST_REFUSED({ text: 'no', status: 401 })), 401)
  })
})
