/** Requests that no recorded client sends, over real sockets (rest-api §1.1, §1.4). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { AccessLog } from '../../src/server/access-log.ts'
import { openRestState, type RestState, TOKEN_ID } from './rest-state.ts'

const LOGIN = 'username=fxadmin%40pbs&password=fxpassword'

suite('HTTP edges', () => {
  let state: RestState
  let authorization: string

  before(async () => {
    state = await openRestState()
    authorization = `PBSAPIToken=${TOKEN_ID}:${await state.tokenSecret()}`
  })

  after(async () => {
    await state.close()
  })

  /** Sends `text` as it is and answers everything until the server closes. */
  async function exchange(text: string): Promise<string> {
    const socket = connect(state.port, '127.0.0.1')
    socket.write(text)
    const pieces: Buffer[] = []
    for await (const piece of socket) pieces.push(piece as Buffer)
    return Buffer.concat(pieces).toString()
  }

  function head(line: string, ...headers: readonly string[]): string {
    const lines = [line, `Authorization: ${authorization}`, 'Connection: close', ...headers]
    return `${lines.join('\r\n')}\r\n\r\n`
  }

  test('a request without Host is served', async () => {
    const answer = await exchange(head('GET /api2/json/version HTTP/1.1'))
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
    assert.match(answer, /\{"data":\{"version":"4\.2"/)
  })

  test('header names are lower-case and no server is named', async () => {
    const answer = await exchange(head('GET /api2/json/ping HTTP/1.1', 'Host: x'))
    const names = [...answer.matchAll(/^([A-Za-z-]+): /gm)].map(([, name]) => name)
    assert.ok(names.includes('content-type'))
    assert.ok(!names.some((name) => name?.toLowerCase() === 'server'))
  })

  test('a whole task log (limit 0) is the same as a page of all its lines, and is not collected', async () => {
    const ask = async (path: string) => {
      const url = `http://127.0.0.1:${state.port}/api2/json/nodes/localhost/tasks${path}`
      return await fetch(url, { headers: { authorization } })
    }
    const { data } = (await (await ask('?limit=50')).json()) as { data: { upid: string }[] }
    assert.ok(data.length > 5)
    let longest = 0
    for (const { upid } of data) {
      for (const words of ['', '&start=3', '&start=999999', '&test-status=1']) {
        const log = `/${encodeURIComponent(upid)}/log?limit=`
        const whole = await ask(`${log}0${words}`)
        const page = await ask(`${log}999999${words}`)
        assert.equal(whole.headers.get('content-length'), null)
        assert.equal(whole.headers.get('content-type'), page.headers.get('content-type'))
        const text = await whole.text()
        assert.equal(text, await page.text())
        longest = Math.max(longest, text.length)
      }
    }
    assert.ok(longest > 1_000)
    const missing = 'UPID:vm:00000001:00000011:000000FF:6B016C00:verify:a:fxadmin@pbs:'
    const none = await ask(`/${encodeURIComponent(missing)}/log?limit=0`)
    assert.equal(none.status, 400)
  })

  test('what is not HTTP gets 400, empty and closed', async () => {
    const answer = await exchange('nonsense\r\n\r\n')
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.match(answer, /\r\n\r\n$/)
  })

  test('too many header fields and too long a header block get 431', async () => {
    const many = Array.from({ length: 101 }, (_, index) => `X-${index}: 1`)
    const counted = await exchange(head('GET /api2/json/ping HTTP/1.1', 'Host: x', ...many))
    assert.match(counted, /^HTTP\/1\.1 431 /)
    const long = `X-Long: ${'x'.repeat(500_000)}`
    assert.match(await exchange(head('GET /api2/json/ping HTTP/1.1', 'Host: x', long)), / 431 /)
  })

  test('a chunked form body is read', async () => {
    const body = `${LOGIN.length.toString(16)}\r\n${LOGIN}\r\n0\r\n\r\n`
    const type = 'Content-Type: application/x-www-form-urlencoded'
    const line = 'POST /api2/json/access/ticket HTTP/1.1'
    const lines = [line, 'Host: x', type, 'Transfer-Encoding: chunked', 'Connection: close']
    const answer = await exchange(`${lines.join('\r\n')}\r\n\r\n${body}`)
    assert.match(answer, /^HTTP\/1\.1 200 OK/)
    assert.match(answer, /"CSRFPreventionToken"/)
  })

  const contentTypes = [
    ['', 'unsupported content type Ok("")'],
    ['x', 'unsupported content type Ok("x")'],
    ['Application/JSON', 'unsupported content type Ok("Application/JSON")'],
    ['text/plain; charset=utf-8', 'unsupported content type Ok("text/plain; charset=utf-8")'],
  ] as const
  for (const [type, text] of contentTypes) {
    for (const method of ['GET', 'POST'] as const) {
      test(`${method} with the content type '${type}' is refused after authentication`, async () => {
        const path = method === 'GET' ? '/version' : '/admin/datastore/fxrest/gc'
        const url = `http://127.0.0.1:${state.port}/api2/json${path}`
        const headers = { 'content-type': type }
        const nobody = await fetch(url, { method, headers })
        assert.equal(nobody.status, 401)
        const answer = await fetch(url, { method, headers: { ...headers, authorization } })
        assert.equal(answer.status, 400)
        assert.equal(await answer.text(), text)
      })
    }
  }

  test('a body at the limit is refused', async () => {
    const url = `http://127.0.0.1:${state.port}/api2/json/access/users`
    const body = new URLSearchParams({ userid: 'x@pbs', comment: 'x'.repeat(524_288) })
    const answer = await fetch(url, { method: 'POST', headers: { authorization }, body })
    assert.equal(answer.status, 400)
    assert.equal(await answer.text(), 'Request body too large')
  })

  test('percent escapes reach the parameters, not the path rules', async () => {
    const rows = [
      ['%2e%2e/status', 400, "'store': value must be at least 3 characters long"],
      ['%2e%2e%2fx/status', 400, "'store': value does not match the regex pattern"],
      ['fxre%73t/status', 200, '"total"'],
      ['fx%zz/status', 400, "'store': value does not match the regex pattern"],
    ] as const
    for (const [path, status, text] of rows) {
      const line = `GET /api2/json/admin/datastore/${path} HTTP/1.1`
      const answer = await exchange(head(line, 'Host: x'))
      assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), path)
      assert.ok(answer.includes(text), path)
    }
  })

  const refusals = [
    ['no credentials', null, 'GET', '/version', 401, 3000],
    ['a wrong secret', `PBSAPIToken=${TOKEN_ID}:wrong`, 'GET', '/version', 401, 3000],
    ['a declared permission', 'token', 'GET', '/nodes', 403, 500],
    ['an unknown path', 'token', 'GET', '/nothere', 404, 0],
    ['a wrong parameter', 'token', 'GET', '/version?x', 400, 0],
    ['a failed login', null, 'POST', '/access/ticket', 401, 3000],
  ] as const
  for (const [name, credentials, method, path, status, delayMs] of refusals) {
    test(`${name} is refused after ${delayMs} ms, no more and not much less`, async () => {
      const body =
        method === 'POST' ? new URLSearchParams({ username: 'fxadmin@pbs', password: 'x' }) : null
      const sent = credentials === 'token' ? authorization : credentials
      const headers: Record<string, string> = sent === null ? {} : { authorization: sent }
      state.takeSleptMs()
      const url = `http://127.0.0.1:${state.port}/api2/json${path}`
      const answer = await fetch(url, { method, headers, body })
      assert.equal(answer.status, status)
      const sleptMs = state.takeSleptMs()
      // What the check itself took counts towards the delay.
      assert.ok(sleptMs <= delayMs && sleptMs >= delayMs * 0.5, `${sleptMs} ms`)
    })
  }

  test('the description of the API needs no credentials', async () => {
    const answer = await fetch(`http://127.0.0.1:${state.port}/openapi.json`)
    assert.equal(answer.headers.get('content-type'), 'application/json')
    assert.equal(((await answer.json()) as { openapi: string }).openapi, '3.1.0')
  })

  test('a decoded download takes names without the stored suffix, of unlisted files, too', async () => {
    const snapshot = 'backup-type=vm&backup-id=100&backup-time=1767312000'
    const url = `http://127.0.0.1:${state.port}/api2/json/admin/datastore/fxrest/download-decoded`
    const decoded = async (name: string): Promise<string> => {
      const answer = await fetch(`${url}?${snapshot}&file-name=${name}`, {
        headers: { authorization },
      })
      return await answer.text()
    }
    for (const name of ['client.log', 'qemu-server.conf', 'index.json']) {
      assert.equal(await decoded(name), await decoded(`${name}.blob`), name)
    }
    assert.match(await decoded('client.log'), /^INFO: line 0/)
    assert.equal(await decoded('owner'), "failed to parse archive type for 'owner'")
    const missing = 'File open failed: No such file or directory (os error 2)'
    assert.equal(await decoded('nothere.conf'), missing)
  })

  test('a download that the client leaves ends the stream on the server', async () => {
    const query =
      'backup-type=vm&backup-id=100&backup-time=1767312000&file-name=drive-scsi0.img.fidx'
    const path = `/admin/datastore/fxrest/download-decoded?${query}`
    const aborted = new AbortController()
    const url = `http://127.0.0.1:${state.port}/api2/json${path}`
    const answer = await fetch(url, { headers: { authorization }, signal: aborted.signal })
    assert.equal(answer.status, 200)
    aborted.abort()
    await assert.rejects(answer.arrayBuffer())
    const next = await fetch(url.replace('-decoded', ''), { headers: { authorization } })
    assert.equal((await next.arrayBuffer()).byteLength, 4224)
  })

  test('the access log has the form of the page', async () => {
    const log = new AccessLog(state.context)
    const request = { method: 'GET', headers: {}, socket: { remoteAddress: '127.0.0.1' } } as never
    log.write(request, { path: '/api2/json/version?x=1', status: 200, size: 12 })
    await log.flush()
    const text = readFileSync(join(state.context.paths.log, 'api', 'access.log'), 'utf8')
    const form =
      /^::ffff:127\.0\.0\.1 - - \[21\/11\/2026:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/api2\/json\/version\?x=1" 200 12 -\n$/
    assert.match(text, form)
  })
})
