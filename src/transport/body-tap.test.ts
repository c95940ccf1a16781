/** Answers as they come over a real TLS connection, in whatever pieces. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { type Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Duplex } from 'node:stream'
import { suite, test, type TestContext } from 'node:test'
import { createServer, type TLSSocket } from 'node:tls'
import { testCertificate } from '../../test/support/certificate.ts'
import { type BodySink, setBodySink } from '../base/body-sinks.ts'
import { BodyTap } from './body-tap.ts'
import { createPinnedAgent } from './pinned-agent.ts'
import { certificateFingerprint } from './tls.ts'

/** A server that answers the requests of a connection with these pieces, one list for each request. */
async function startServer(context: TestContext, answers: readonly (readonly string[])[]) {
  const pair = await testCertificate()
  let connectionCount = 0
  let left = [...answers]
  const server = createServer({ cert: pair.certificatePem, key: pair.keyPem }, (socket) => {
    connectionCount += 1
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      if (!bytes.toString('latin1').endsWith('\r\n\r\n')) return
      const [pieces = []] = left
      left = left.slice(1)
      void send(socket, pieces)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const fingerprint = certificateFingerprint(pair.certificatePem)
  const agent = createPinnedAgent({ fingerprint, socketsMax: 1 })
  context.after(() => {
    agent.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { agent, port, connections: () => connectionCount }
}

/** Each piece is a record of its own; an empty one ends the connection. */
async function send(socket: TLSSocket, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    if (piece === '') socket.destroy()
    else await new Promise<void>((resolve) => void socket.write(piece, 'latin1', () => resolve()))
  }
}

interface Asked {
  readonly answer: IncomingMessage
  /** What came as a stream. */
  readonly text: string
  readonly sink: BodySink & { readonly sizes: number[] }
}

function makeSink(sizeMax = 1_000_000): Asked['sink'] {
  const sizes: number[] = []
  const onBytes = (size: number): void => void sizes.push(size)
  return { allocate: (size) => new Uint8Array(size), sizeMax, onBytes, sizes, body: null }
}

async function ask(
  { agent, port }: { readonly agent: Agent; readonly port: number },
  sink: Asked['sink'] | null = makeSink(),
): Promise<Asked> {
  const headers = {}
  if (sink !== null) setBodySink(headers, sink)
  const asking = request({ host: '127.0.0.1', port, agent, headers })
  asking.end()
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  const pieces: Buffer[] = []
  for await (const piece of answer) pieces.push(piece as Buffer)
  return { answer, text: Buffer.concat(pieces).toString('latin1'), sink: sink ?? makeSink() }
}

function textOf({ sink }: Asked): string | null {
  return sink.body === null ? null : Buffer.from(sink.body).toString('latin1')
}

const BODY = 'x'.repeat(100_000)
const HEAD = `HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: ${BODY.length}\r\n\r\n`

suite('BodyTap', () => {
  test('a body lies where it is wanted; the connection serves the next request', async (context) => {
    const server = await startServer(context, [
      [HEAD, BODY],
      [HEAD + BODY],
      ['HTTP/1.1 206 Partial Content\r\ncontent-length: 3\r\n\r\nabc'],
    ])
    for (let count = 0; count < 2; count += 1) {
      const asked = await ask(server)
      assert.equal(textOf(asked), BODY)
      assert.deepEqual([asked.text, asked.answer.headers.etag], ['', '"e"'])
      assert.equal(
        asked.sink.sizes.reduce((total, size) => total + size),
        BODY.length,
      )
    }
    assert.equal(textOf(await ask(server)), 'abc')
    assert.equal(server.connections(), 1)
  })

  test('a head in pieces, with the beginning of the body in the last', async (context) => {
    const whole = HEAD + BODY
    const cuts = [1, 20, HEAD.length - 2, HEAD.length + 5, HEAD.length + 6]
    const pieces = [0, ...cuts].map((cut, index) => whole.slice(cut, cuts[index]))
    const server = await startServer(context, [pieces])
    assert.equal(textOf(await ask(server)), BODY)
  })

  const passed: [string, string, string, Asked['sink'] | null][] = [
    ['without a sink', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', 'abc', null],
    ['of a failure', 'HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nabc', 'abc', makeSink()],
    [
      'in chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
      'abc',
      makeSink(),
    ],
    ['that is empty', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', '', makeSink()],
    ['that is too long', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', 'abc', makeSink(2)],
  ]
  for (const [name, answer, expected, sink] of passed) {
    test(`a body ${name} comes as a stream`, async (context) => {
      const server = await startServer(context, [[answer], [HEAD, BODY]])
      const asked = await ask(server, sink)
      assert.deepEqual([asked.text, asked.sink.body], [expected, null])
      assert.equal(textOf(await ask(server)), BODY, 'and the next one as it is wanted')
      assert.equal(server.connections(), 1)
    })
  }

  test('an answer that is cut fails, and there is no body', async (context) => {
    const server = await startServer(context, [[HEAD, BODY.slice(1), '']])
    const sink = makeSink()
    await assert.rejects(ask(server, sink), { code: 'ECONNRESET' })
    assert.equal(sink.body, null)
  })

  test('two lengths are refused by the parser', async (context) => {
    const two = HEAD.replace('ETag', 'Content-Length: 5\r\nETag')
    const server = await startServer(context, [[two, BODY]])
    const sink = makeSink()
    await assert.rejects(ask(server, sink), /Content-Length/)
    assert.equal(sink.body, null)
  })

  test('bytes that nobody asked for end the connection', () => {
    const tap = new BodyTap()
    const socket = new Duplex({ read() {} })
    tap.attach(socket as TLSSocket)
    tap.onread.callback(3, Buffer.from('HTTP'))
    assert.equal(socket.destroyed, true)
  })
})
