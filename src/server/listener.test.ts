import assert from 'node:assert/strict'
import * as http from 'node:http'
import * as net from 'node:net'
import { after, before, suite, test } from 'node:test'
import { text } from 'node:stream/consumers'
import { testTls } from '../../test/support/certificate.ts'
import { silentLog } from '../base/log.ts'
import { openTlsSocket, type TlsTarget } from '../transport/tls.ts'
import { createListener, type Listener } from './listener.ts'
import { addConnectionHeader, looksLike } from './sniff.ts'

let listener: Listener
let port: number
let target: TlsTarget

before(async () => {
  const tls = await testTls()
  const httpServer = http.createServer((request, response) => {
    response.end(`served ${request.url}`)
  })
  listener = createListener({
    tls,
    httpServer,
    isUpgrade: (request) => request.url?.includes('backup') ?? false,
    onUpgrade: (request, socket) => {
      socket.end(`HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nupgrade ${request.url}`)
    },
    log: silentLog,
  })
  port = (await listener.listen({ host: '127.0.0.1', port: 0 })).port
  target = { host: '127.0.0.1', port, trust: { fingerprint: tls.fingerprint } }
})

after(async () => {
  await listener.stopAccepting()
  listener.closeConnections()
})

async function plain(request: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  socket.write(request)
  const answer = await text(socket)
  return answer.replace(/\r\ndate: [^\r]*/i, '')
}

async function secure(...requests: readonly string[]): Promise<string> {
  const { socket } = await openTlsSocket(target)
  for (const request of requests) socket.write(request)
  return text(socket)
}

suite('createListener()', () => {
  test('sends plain HTTP to HTTPS without its path', async () => {
    const close = 'Connection: close\r\n\r\n'
    assert.match(
      await plain(`GET /x HTTP/1.1\r\nHost: h:8007\r\n${close}`),
      /^HTTP\/1\.1 301 Moved Permanently\r\nlocation: https:\/\/h:8007\r\ncontent-length: 0\r\n/,
    )
    assert.match(
      await plain(`POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n${close}`),
      /^HTTP\/1\.1 308 Permanent Redirect\r\nlocation: https:\/\/h\r\n/,
    )
    assert.match(await plain(`GET / HTTP/1.1\r\n${close}`), /^HTTP\/1\.1 400 /)
    assert.match(await plain('hello\r\n\r\n'), /^HTTP\/1\.1 400 /)
  })

  test('serves several requests on one connection', async () => {
    const answer = await secure(
      'GET /1 HTTP/1.1\r\nHost: h\r\n\r\n',
      'GET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
    )
    assert.match(answer, /served \/1/)
    assert.match(answer, /served \/2/)
  })

  test('hands upgrades of sessions over, also without a Connection header', async () => {
    const path = '//api2/json/backup?store=x'
    const full = `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: p\r\n\r\n`
    assert.match(await secure(full), /upgrade \/\/api2\/json\/backup\?store=x$/)
    const bare = `GET ${path} HTTP/1.1\r\nUpgrade: p\r\n\r\n`
    assert.match(await secure(bare), /upgrade \/\/api2\/json\/backup\?store=x$/)
  })

  test('serves a request for another upgrade as it is', async () => {
    const headers = 'Host: h\r\nConnection: upgrade, close\r\nUpgrade: h2c\r\n'
    assert.match(await secure(`GET /3 HTTP/1.1\r\n${headers}\r\n`), /served \/3/)
  })

  test('refuses TLS 1.1', async () => {
    const { connect } = await import('node:tls')
    const socket = connect({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    const { promise, resolve } = Promise.withResolvers<string>()
    socket.once('error', (error) => resolve(error.message))
    assert.match(await promise, /protocol version|unsupported protocol|no protocols available/)
  })
})

test('looksLike() needs the record header of TLS', () => {
  const cases: readonly [readonly number[], string][] = [
    [[], 'unclear'],
    [[0x16], 'unclear'],
    [[0x16, 0x03, 0x01, 0x02], 'unclear'],
    [[0x16, 0x03, 0x01, 0x02, 0x00], 'tls'],
    [[0x16, 0x03, 0x01, 0x40, 0x00], 'tls'],
    [[0x16, 0x03, 0x01, 0x40, 0x01], 'plain'],
    [[0x16, 0x02], 'plain'],
    [[0x47], 'plain'],
  ]
  for (const [bytes, kind] of cases) assert.equal(looksLike(Uint8Array.from(bytes)), kind)
})

test('addConnectionHeader() leaves every other head as it is', () => {
  const heads = [
    'GET /api2/json/version HTTP/1.1\r\nUpgrade: x\r\n\r\n',
    'GET /api2/json/backup HTTP/1.1\r\nHost: h\r\n\r\n',
    'GET /api2/json/backup HTTP/1.1\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
    'GET /api2/json/backup HTTP/1.1\r\nUpgrade: x\r\n',
  ]
  for (const head of heads) {
    assert.equal(addConnectionHeader(Buffer.from(head)).toString(), head)
  }
})
