/** Nothing is sent to a server that is not the right one (datastore-semantics.md 19.1). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import { testCertificate } from '../../test/support/certificate.ts'
import { createPinnedAgent, type PinnedAgentOptions } from './pinned-agent.ts'
import { certificateFingerprint } from './tls.ts'

async function makeRig(context: TestContext, options: Partial<PinnedAgentOptions> = {}) {
  const pair = await testCertificate()
  const fingerprint = certificateFingerprint(pair.certificatePem)
  let requestCount = 0
  let connectionCount = 0
  const server = createServer(
    { cert: pair.certificatePem, key: pair.keyPem },
    (_request, response) => {
      requestCount += 1
      response.end('answer')
    },
  )
  server.on('secureConnection', () => void (connectionCount += 1))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const agent = createPinnedAgent({ fingerprint, ...options })
  context.after(() => {
    agent.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const ask = async (): Promise<string> => {
    const outgoing = request({ host: '127.0.0.1', port, agent, method: 'POST' }).end('secret')
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    let text = ''
    for await (const piece of answer) text += String(piece)
    return text
  }
  const counts = () => ({ requestCount, connectionCount })
  return { ask, agent, counts }
}

suite('createPinnedAgent()', () => {
  test('the right certificate: requests share a connection', async (context) => {
    const { ask, counts } = await makeRig(context)
    assert.equal(await ask(), 'answer')
    assert.equal(await ask(), 'answer')
    assert.deepEqual(counts(), { requestCount: 2, connectionCount: 1 })
  })

  test('another certificate: refused, nothing was sent', async (context) => {
    const { ask, counts } = await makeRig(context, { fingerprint: Array(32).fill('ab').join(':') })
    await assert.rejects(ask(), { code: 'TLS_FINGERPRINT_REFUSED' })
    assert.equal(counts().requestCount, 0)
  })

  test('no pin: the CAs decide, and know no test certificate', async (context) => {
    const { ask, counts } = await makeRig(context, { fingerprint: null })
    await assert.rejects(ask(), { code: 'TLS_FINGERPRINT_REFUSED' })
    assert.equal(counts().requestCount, 0)
  })

  test('a peer that says nothing is given up', async (context) => {
    const silent = createTcpServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const agent = createPinnedAgent({ fingerprint: null, connectTimeoutMs: 50 })
    context.after(() => {
      agent.destroy()
      silent.close()
    })
    const { port } = silent.address() as AddressInfo
    const outgoing = request({ host: '127.0.0.1', port, agent }).end()
    await assert.rejects(once(outgoing, 'response'), { code: 'CONNECT_TIMED_OUT' })
  })
})
