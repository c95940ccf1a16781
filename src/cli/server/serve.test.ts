/** `cairn serve` as a process: first start, password, fingerprint, clean end. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:https'
import { createServer } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'

const PROGRAM = fileURLToPath(new URL('../main-server.ts', import.meta.url))
const PASSWORD = /only this once:\n\n {4}([\w]+)\n/

interface Started {
  readonly child: ChildProcess
  readonly out: () => string
  readonly error: () => string
  readonly ended: Promise<number | null>
}

function serve(data: string, words: readonly string[]): Started {
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--data', data, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let error = ''
  child.stdout.on('data', (data: Buffer) => void (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => void (error += data.toString()))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, out: () => out, error: () => error, ended }
}

/** The lines to paste, when the server is up. */
async function untilUp(started: Started): Promise<{ port: number; fingerprint: string }> {
  const { child, out, error } = started
  for (;;) {
    const port = /@127\.0\.0\.1:(\d+):main'/.exec(out())?.[1]
    const fingerprint = /PBS_FINGERPRINT='([0-9a-f:]{95})'/.exec(out())?.[1]
    if (port !== undefined && fingerprint !== undefined) return { port: Number(port), fingerprint }
    assert.equal(child.exitCode, null, error())
    await Promise.race([once(child.stdout ?? child, 'data'), started.ended])
  }
}

async function postLogin(port: number, password: string) {
  const body = new URLSearchParams({ username: 'admin@pbs', password }).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const options = { port, host: '127.0.0.1', method: 'POST', rejectUnauthorized: false, headers }
  const call = request({ ...options, path: '//api2/json/access/ticket' })
  call.end(body)
  const [response] = await once(call, 'response')
  const fingerprint = (response.socket as TLSSocket).getPeerCertificate().fingerprint256
  let text = ''
  for await (const piece of response) text += String(piece)
  return { status: response.statusCode as number, fingerprint, text }
}

suite('cairn serve', () => {
  test('keeps the password of a first start whose port is taken, then serves and ends cleanly', async () => {
    const data = await makeTemporaryFolder()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    assert.ok(typeof address === 'object' && address !== null)
    const refused = serve(data, ['--port', String(address.port)])
    assert.equal(await refused.ended, 255)
    assert.match(refused.error(), /EADDRINUSE/)
    const password = PASSWORD.exec(refused.out())?.[1]
    assert.ok(password, refused.out())
    taken.close()

    const started = serve(data, ['--port', '0', '--grace', '1'])
    const { port, fingerprint } = await untilUp(started)
    assert.equal(PASSWORD.test(started.out()), false)
    const login = await postLogin(port, password)
    assert.equal(login.status, 200, login.text)
    assert.equal(login.fingerprint.toLowerCase(), fingerprint)
    started.child.kill('SIGTERM')
    assert.equal(await started.ended, 0, started.error())
  })
})
