/** The table of answers (datastore-semantics.md 19.2, races.md ). */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { explainFailure } from './failure.ts'

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0)

function answered(status: number, code: string, headers: Record<string, string> = {}): Error {
  return Object.assign(new Error('UnknownError'), {
    Code: code,
    $metadata: { httpStatusCode: status, requestId: 'tx1' },
    $response: { headers },
  })
}

function connection(code: string, extra: object = {}): Error {
  return Object.assign(new Error(`read ${code}`), { code, ...extra })
}

suite('explainFailure()', () => {
  const table: [number, string, string, boolean][] = [
    [404, 'NoSuchKey', 'absent', false],
    [404, 'NoSuchBucket', 'refused', false],
    [404, 'NoSuchUpload', 'refused', false],
    [412, 'PreconditionFailed', 'unmet', false],
    [409, 'ConditionalRequestConflict', 'conflict', false],
    [400, 'RequestTimeout', 'again', false],
    [400, 'BadDigest', 'again', false],
    [400, 'ExpiredToken', 'refused', false],
    [403, 'AccessDenied', 'refused', false],
    [416, 'InvalidRange', 'refused', false],
    [429, '', 'again', false],
    [500, 'InternalError', 'again', true],
    [501, 'NotImplemented', 'refused', false],
    [502, '', 'again', true],
    [503, 'SlowDown', 'again', false],
    [503, 'ServiceUnavailable', 'again', false],
    [503, '', 'again', true],
    [504, '', 'again', true],
    [200, '', 'again', true],
  ]
  for (const [status, code, kind, isLate] of table) {
    test(`${status} ${code}: ${kind}${isLate ? ', late' : ''}`, () => {
      const failure = explainFailure(answered(status, code), NOW)
      assert.deepEqual([failure.kind, failure.isLate], [kind, isLate])
      assert.equal(failure.requestId, 'tx1')
      assert.equal(failure.cause, undefined, 'what the library says is not passed on')
    })
  }

  test('Retry-After in seconds, as a date, and as nonsense', () => {
    const asked = (text: string): number | null =>
      explainFailure(answered(503, 'SlowDown', { 'retry-after': text }), NOW).retryAfterMs
    assert.equal(asked('7'), 7_000)
    assert.equal(asked('Sat, 21 Nov 2026 12:00:30 GMT'), 30_000)
    assert.equal(asked('Sat, 21 Nov 2026 11:00:00 GMT'), 0)
    assert.equal(asked('soon'), null)
  })

  test('what never left is not late, what may have left is', () => {
    const isLate = (error: Error): boolean => explainFailure(error, NOW).isLate
    assert.equal(isLate(connection('ECONNREFUSED', { syscall: 'connect' })), false)
    assert.equal(isLate(connection('ETIMEDOUT', { syscall: 'connect' })), false)
    assert.equal(isLate(connection('ENOTFOUND', { syscall: 'getaddrinfo' })), false)
    assert.equal(isLate(connection('ECONNRESET', { syscall: 'read' })), true)
    assert.equal(isLate(connection('EPIPE', { syscall: 'write' })), true)
    assert.equal(isLate(new Error('socket hang up')), true)
  })

  test('a wrong region names the right one', () => {
    const { advice } = explainFailure(
      answered(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-north-1' }),
      NOW,
    )
    assert.match(advice, /the bucket is in 'eu-north-1'/)
  })
})
