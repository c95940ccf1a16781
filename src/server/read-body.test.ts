import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { readBody } from './read-body.ts'

async function* pieces(...texts: readonly (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    if (text instanceof Error) throw text
    yield Buffer.from(text)
  }
}

suite('readBody()', () => {
  test('gives all of it, up to the limit', async () => {
    assert.deepEqual(Buffer.from(await readBody(pieces('a', 'bc'), 4)), Buffer.from('abc'))
    await assert.rejects(readBody(pieces('ab', 'cd'), 4), { code: 'BODY_TOO_LARGE' })
  })

  // A client that went away in the middle was a failure of the server in its log.
  test('a body that breaks off is the fault of the client', async () => {
    const gone = Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
    await assert.rejects(readBody(pieces('a', gone), 4), { code: 'BODY_BROKEN' })
    await assert.rejects(readBody(pieces('a', new Error('disk')), 4), { message: 'disk' })
  })
})
