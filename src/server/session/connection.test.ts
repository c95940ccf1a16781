import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import { type ConnectionEnd, serveConnection } from './connection.ts'
import { HTTP2_LIMITS } from './limits.ts'

/** More than the buffers of both ends of a loopback connection take. */
const ANSWER = Buffer.alloc(32 << 20)
/** Preface; SETTINGS with the largest window; as much for the connection; `GET /` on stream 1. */
const REQUEST = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('00000604000000000000047fffffff', 'hex'),
  Buffer.from('0000040800000000007fff0000', 'hex'),
  Buffer.from('000006010500000001828487410168', 'hex'),
])

interface Deaf {
  readonly end: Promise<ConnectionEnd>
  /** Resolves when the answer is on its way. */
  readonly answering: Promise<void>
}

/** A client that asks for a lot and never reads it. */
async function serveDeafPeer(t: TestContext, signal: AbortSignal): Promise<Deaf> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  client.on('error', () => {})
  t.after(() => {
    client.destroy()
    server.close()
  })
  client.write(REQUEST)
  const [socket] = (await once(server, 'connection')) as [Socket]
  await once(socket, 'readable')
  const { promise: answering, resolve } = Promise.withResolvers<void>()
  const end = serveConnection({
    socket,
    head: socket.read() as Buffer,
    protocol: 'p',
    limits: HTTP2_LIMITS,
    now: 0,
    signal,
    onUpgraded: () => {},
    serve: async (exchange) => {
      const sent = exchange.send({ kind: 'bytes', bytes: ANSWER })
      setImmediate(resolve)
      await sent
    },
    farewellTimeoutMs: 50,
  })
  return { end, answering }
}

suite('serveConnection()', () => {
  // Found by fuzzing: a session that is destroyed waits for its last write. A peer that was gone, or did
  // not read, never let that end, and group, snapshot and datastore stayed locked with the session.
  test('ends for a peer that does not read', async (t) => {
    const stop = new AbortController()
    const { end, answering } = await serveDeafPeer(t, stop.signal)
    await answering
    stop.abort()
    assert.equal((await end).kind, 'aborted')
  })
})
