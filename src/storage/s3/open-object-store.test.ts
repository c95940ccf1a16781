/** What leaves for a bucket: addresses, headers, and nothing that nobody asked for. No store is needed for that. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import { testCertificate } from '../../../test/support/certificate.ts'
import { fastClock } from '../../../test/support/fast-clock.ts'
import { silentLog } from '../../base/log.ts'
import { Secret } from '../../base/secret.ts'
import { createPinnedAgent } from '../../transport/pinned-agent.ts'
import { certificateFingerprint } from '../../transport/tls.ts'
import { type ObjectStoreOptions, openObjectStore } from './open-object-store.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

async function startStore(context: TestContext, overrides: Partial<ObjectStoreOptions> = {}) {
  const pair = await testCertificate()
  const seen: Seen[] = []
  const server = createServer(
    { cert: pair.certificatePem, key: pair.keyPem },
    (request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        const { method = '', url = '', headers } = request
        seen.push({ method, url, headers, body: Buffer.concat(pieces) })
        const isBatch = method === 'POST'
        const keys = [
          ...Buffer.concat(pieces)
            .toString()
            .matchAll(/<Key>(.*?)<\/Key>/g),
        ]
        const named = keys.filter(([, key]) => key !== 'mute')
        const names = named.map(([, key]) => `<Deleted><Key>${key}</Key></Deleted>`).join('')
        response
          .writeHead(200, { etag: '"x"' })
          .end(isBatch ? `<DeleteResult>${names}</DeleteResult>` : '')
      })
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const agent = createPinnedAgent({ fingerprint: certificateFingerprint(pair.certificatePem) })
  context.after(() => {
    agent.destroy()
    server.close()
  })
  const store = openObjectStore({
    endpoint: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    region: 'eu-1',
    bucket: 'pbs-1',
    pathStyle: true,
    accessKey: 'key-id',
    secretKey: new Secret('secret'),
    agent,
    quirks: [],
    clock: fastClock(200),
    log: silentLog,
    ...overrides,
  })
  return { store, seen }
}

const BODY = Buffer.from('content')

suite('openObjectStore()', () => {
  test('a PUT says what every store knows, and sends the body as it is', async (context) => {
    const { store, seen } = await startStore(context)
    await store.put('s/.chunks/a b', BODY, { condition: { kind: 'absent' } })
    const [{ method, url, headers, body } = assert.fail('one request')] = seen
    assert.deepEqual([method, url.split('?')[0]], ['PUT', '/pbs-1/s/.chunks/a%20b'])
    assert.deepEqual(body, BODY)
    assert.equal(headers['if-none-match'], '*')
    assert.equal(headers['content-md5'], createHash('md5').update(BODY).digest('base64'))
    const sha256 = createHash('sha256').update(BODY).digest('hex')
    assert.equal(headers['x-amz-content-sha256'], sha256)
    assert.equal(headers['content-type'], 'application/octet-stream')
    assert.equal(headers['content-length'], '7')
    assert.match(
      headers.authorization ?? '',
      /^AWS4-HMAC-SHA256 Credential=key-id\/\d{8}\/eu-1\/s3\//,
    )
    const odd = Object.keys(headers).filter((name) =>
      /checksum|trailer|transfer-encoding|content-encoding|expect/.test(name),
    )
    assert.deepEqual(odd, [])
  })

  test('a large body is sent without asking first', async (context) => {
    const { store, seen } = await startStore(context)
    const large = Buffer.alloc(5 << 20, 'x')
    await store.put('k', large, { condition: { kind: 'always' } })
    assert.equal(seen[0]?.headers.expect, undefined)
    assert.equal(seen[0]?.headers['if-none-match'], undefined)
    assert.ok(seen[0]?.body.equals(large))
  })

  test('a store that compares MD5s: large bodies are not signed, small ones are', async (context) => {
    const { store, seen } = await startStore(context, { trustsMd5: true })
    const large = Buffer.alloc(128 << 10, 'x')
    await store.put('k', large, { condition: { kind: 'absent' } })
    await store.put('k', BODY, { condition: { kind: 'absent' } })
    const [first, second] = seen.map(({ headers }) => headers)
    assert.equal(first?.['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD')
    assert.equal(first?.['content-md5'], createHash('md5').update(large).digest('base64'))
    const sha256 = createHash('sha256').update(BODY).digest('hex')
    assert.equal(second?.['x-amz-content-sha256'], sha256)
  })

  test('a batch of deletes is not quiet, its keys are escaped, its checksum is the old one', async (context) => {
    const { store, seen } = await startStore(context)
    const answer = await store.delete(['a', 'b'])
    assert.deepEqual(answer, { deleted: ['a', 'b'], failed: [], isLate: false })
    await store.delete(['<&>'])
    const [{ headers, body } = assert.fail('one request'), second] = seen
    assert.match(body.toString(), /<Quiet>false<\/Quiet>/)
    assert.equal(headers['content-md5'], createHash('md5').update(body).digest('base64'))
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.includes('checksum')),
      [],
    )
    assert.match(second?.body.toString() ?? '', /&lt;&amp;&gt;/)
  })

  test('keys that the store does not name are not deleted', async (context) => {
    const { store, seen } = await startStore(context)
    const { deleted, failed, isLate } = await store.delete(['a', 'mute'])
    assert.deepEqual([deleted, isLate], [['a'], true])
    assert.deepEqual(failed, [{ key: 'mute', reason: 'the store did not confirm this key' }])
    assert.equal(seen.length, 3, 'it was asked again for that key')
  })

  test('quirks: no condition, one DELETE for each key', async (context) => {
    const quirks = ['skip-if-none-match-header', 'delete-objects-via-delete-object'] as const
    const { store, seen } = await startStore(context, { quirks })
    await store.put('k', BODY, { condition: { kind: 'absent' } })
    assert.equal(seen[0]?.headers['if-none-match'], undefined)
    await store.delete(['a', 'b'])
    assert.deepEqual(
      seen.slice(1).map(({ method }) => method),
      ['DELETE', 'DELETE'],
    )
  })

  test('limits are asked before anything is sent', async (context) => {
    const asked: [string, number][] = []
    const limit = (name: string) => ({
      take: async (amount: number) => void asked.push([name, amount]),
    })
    const limits = { upload: limit('upload'), download: limit('download'), puts: limit('puts') }
    const { store } = await startStore(context, { limits })
    await store.put('k', BODY, { condition: { kind: 'always' } })
    assert.deepEqual(asked, [
      ['puts', 1],
      ['upload', 7],
    ])
  })
})
