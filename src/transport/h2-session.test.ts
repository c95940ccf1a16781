import assert from 'node:assert/strict'
import * as http from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import type * as tls from 'node:tls'
import { systemClock } from '../base/time/clock.ts'
import { connectUpgraded } from './h2-session.ts'
import { OutgoingClient } from './outgoing.ts'
import { createSelfSigned } from './create-self-signed.ts'
import { openTlsSocket, ServerTls, type TlsTarget } from './tls.ts'
import { acceptHttp2 } from './upgrade.ts'

const LIMITS = { streamWindow: 256 * 1024, streamsMax: 32, sessionMemoryMb: 256 }
const PROTOCOL = 'test-protocol'

const EMPTY_SETTINGS = Buffer.from('000000040000000000', 'hex')

let server: tls.Server
let target: TlsTarget
let serverTls: ServerTls
let connectionCount = 0
let onStream: (stream: ServerHttp2Stream, path: string) => void = echo

function echo(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/octet-stream' })
  stream.pipe(stream)
}

before(async () => {
  const options = { hostname: 'h', fqdn: 'h.example', clock: systemClock, keyBits: 2048 }
  serverTls = new ServerTls(await createSelfSigned(options))
  const web = http.createServer((request, response) => {
    if (request.url === '/slow') return
    response.setHeader('content-type', 'text/plain')
    request.pipe(response)
  })
  web.on('upgrade', (request, socket, head) => void serveUpgrade(request, socket, head))
  server = serverTls.createServer({ handshakeTimeoutMs: 10_000 })
  server.on('secureConnection', (socket) => {
    connectionCount += 1
    web.emit('connection', socket)
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  target = { host: '127.0.0.1', port, trust: { fingerprint: serverTls.fingerprint } }
})

async function serveUpgrade(request: http.IncomingMessage, socket: unknown, head: Buffer) {
  const raw = socket as tls.TLSSocket
  if (request.url === '/refused') {
    raw.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 7\r\n\r\nno luck')
    return
  }
  if (request.url === '/mute' || request.url === '/frozen') {
    raw.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
    if (request.url === '/frozen') raw.write(EMPTY_SETTINGS)
    raw.on('error', () => {}).resume()
    return
  }
  const session = await acceptHttp2(raw, head, { protocol: PROTOCOL, limits: LIMITS, now: 0 })
  session.on('error', () => {})
  session.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    onStream(stream, headers[':path'] ?? '')
  })
}

after(() => {
  server.close()
})

function connect(path = '/upgrade') {
  return connectUpgraded(target, { path, protocol: PROTOCOL, headers: {} })
}

suite('connectUpgraded()', () => {
  test('moves bodies larger than a window both ways, more than the peer takes at once', async () => {
    await using session = await connect()
    const body = Buffer.alloc(700_000, 'abcdefg')
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => session.request('POST', '/echo', { body })),
    )
    for (const answer of answers) {
      assert.equal(answer.status, 200)
      assert.ok(answer.body.equals(body))
    }
  })

  test('hands a body over piece by piece and takes one from an iterable', async () => {
    await using session = await connect()
    async function* source() {
      for (let index = 0; index < 100; index += 1) yield Buffer.alloc(70_000, index)
    }
    const answer = await session.open('POST', '/echo', { body: source() })
    let size = 0
    for await (const piece of answer.body) size += piece.length
    assert.equal(size, 7_000_000)
  })

  test('gives a server up that is silent after the 101', async () => {
    const options = { protocol: PROTOCOL, headers: {}, silenceMs: 80 }
    await assert.rejects(connectUpgraded(target, { ...options, path: '/mute' }), {
      code: 'SESSION_LOST',
      message: /silent for 0.08 s/,
    })
  })

  test('gives a server up that is silent while it owes an answer', async () => {
    const options = { protocol: PROTOCOL, headers: {}, silenceMs: 80 }
    await using session = await connectUpgraded(target, { ...options, path: '/frozen' })
    await assert.rejects(session.request('GET', '/x'), {
      code: 'SESSION_LOST',
      message: /silent for 0.08 s/,
    })
  })

  test('waits for a slow answer of a server that lives', async () => {
    const options = { protocol: PROTOCOL, headers: {}, silenceMs: 80 }
    await using session = await connectUpgraded(target, { ...options, path: '/upgrade' })
    const { promise: late, resolve } = Promise.withResolvers<void>()
    onStream = (stream) => {
      stream.session?.once('ping', () => stream.session?.once('ping', resolve))
      void late.then(() => echo(stream))
    }
    const answer = await session.request('POST', '/x', { body: Buffer.from('x') })
    onStream = echo
    assert.equal(answer.status, 200)
  })

  test('rejects with the text of a refusal', async () => {
    await assert.rejects(connect('/refused'), { code: 'UPGRADE_REFUSED', message: 'no luck' })
  })

  test('reports a connection that ends in the middle of a request as SESSION_LOST', async () => {
    onStream = (stream) => stream.session?.destroy()
    await using session = await connect()
    await assert.rejects(session.request('GET', '/x'), { code: 'SESSION_LOST' })
    await session.closed
    await assert.rejects(session.request('GET', '/x'), { code: 'SESSION_LOST' })
    onStream = echo
  })

  test('reports a reset stream as SESSION_LOST and goes on', async () => {
    onStream = (stream, path) => (path === '/reset' ? stream.close(2) : echo(stream))
    await using session = await connect()
    await assert.rejects(session.request('GET', '/reset'), { code: 'SESSION_LOST' })
    assert.equal((await session.request('GET', '/x')).status, 200)
    onStream = echo
  })

  test('gives the reason of an aborted signal', async () => {
    onStream = () => {}
    await using session = await connect()
    const controller = new AbortController()
    const pending = session.request('GET', '/never', { signal: controller.signal })
    controller.abort(new Error('enough'))
    await assert.rejects(pending, { message: 'enough' })
    onStream = echo
  })

  test('refuses answers past sizeMax', async () => {
    await using session = await connect()
    const body = Buffer.alloc(2000)
    const answer = session.request('POST', '/echo', { body, sizeMax: 1000 })
    await assert.rejects(answer, { code: 'ANSWER_TOO_LARGE' })
  })
})

suite('openTlsSocket()', () => {
  const other = 'ab:'.repeat(31) + 'ab'

  test('refuses another certificate than the pinned one', async () => {
    const refused = openTlsSocket({ ...target, trust: { fingerprint: other } })
    await assert.rejects(refused, { code: 'TLS_FINGERPRINT_REFUSED' })
  })

  test('compares fingerprints without regard to case', async () => {
    const fingerprint = serverTls.fingerprint.toUpperCase()
    const { socket } = await openTlsSocket({ ...target, trust: { fingerprint } })
    socket.destroy()
  })

  test('asks when there is no pin', async () => {
    const asked: string[] = []
    const confirm = async (fingerprint: string) => {
      asked.push(fingerprint)
      return asked.length === 1
    }
    const trust = { fingerprint: null, confirm }
    const { socket } = await openTlsSocket({ ...target, trust })
    socket.destroy()
    assert.deepEqual(asked, [serverTls.fingerprint])
    const again = openTlsSocket({ ...target, trust })
    await assert.rejects(again, { code: 'TLS_FINGERPRINT_REFUSED' })
  })

  test('says that nobody listens', async () => {
    const closed = { ...target, port: 1 }
    await assert.rejects(openTlsSocket(closed), { code: 'CONNECT_FAILED' })
  })
})

suite('OutgoingClient', () => {
  test('sends a body and collects the answer', async () => {
    await using client = new OutgoingClient(target)
    const body = Buffer.from('{"a":1}')
    const answer = await client.request({ method: 'POST', path: '/x', body })
    assert.equal(answer.status, 200)
    assert.equal(answer.body.toString(), '{"a":1}')
    assert.equal(client.fingerprint, serverTls.fingerprint)
  })

  test('uses a kept connection again, and tells the reason of an abort', async () => {
    await using client = new OutgoingClient(target)
    const post = async () =>
      await client.request({ method: 'POST', path: '/x', body: Buffer.from('a') })
    const before = connectionCount
    await post()
    await post()
    assert.equal(connectionCount, before + 1)
    const reason = new Error('enough')
    const aborted = new AbortController()
    const answer = client.request({ method: 'GET', path: '/slow', signal: aborted.signal })
    aborted.abort(reason)
    await assert.rejects(answer, reason)
  })

  test('refuses an answer that is too large', async () => {
    await using client = new OutgoingClient(target)
    const body = Buffer.alloc(100_000)
    const answer = client.request({ method: 'POST', path: '/x', body, sizeMax: 99_999 })
    await assert.rejects(answer, { code: 'ANSWER_TOO_LARGE' })
  })

  test('gives the TLS refusal its own code', async () => {
    const trust = { fingerprint: 'ab:'.repeat(31) + 'ab' }
    await using client = new OutgoingClient({ ...target, trust })
    const answer = client.request({ method: 'GET', path: '/x' })
    await assert.rejects(answer, { code: 'TLS_FINGERPRINT_REFUSED' })
  })

  test('times out', async () => {
    await using client = new OutgoingClient(target)
    const answer = client.request({ method: 'GET', path: '/slow', timeoutMs: 50 })
    await assert.rejects(answer, { code: 'REQUEST_TIMED_OUT' })
  })
})
