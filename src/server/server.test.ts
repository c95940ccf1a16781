import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import type { Secret } from '../base/secret.ts'
import { systemClock } from '../base/time/clock.ts'
import { updateAcl } from '../config/acl.ts'
import { ConfigFiles } from '../config/config-files.ts'
import { ensurePlaces, type Paths, resolvePaths } from '../config/paths.ts'
import { generateToken } from '../config/tokens.ts'
import { createUser } from '../config/users.ts'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { OutgoingClient } from '../transport/outgoing.ts'
import { type RunningServer, startServer } from './server.ts'

const TOKEN = 'admin@pbs!test'

const folder = await makeTemporaryFolder()

suite('startServer()', () => {
  let paths: Paths
  let secret: Secret
  let server: RunningServer

  before(async () => {
    paths = resolvePaths({ data: folder })
    await ensurePlaces(nodeFileSystem, paths)
    const files = new ConfigFiles({ fs: nodeFileSystem, clock: systemClock, paths })
    await createUser(files, { userid: 'admin@pbs' })
    secret = (await generateToken(files, { userid: 'admin@pbs', name: 'test' })).secret
    for (const authId of ['admin@pbs', TOKEN]) {
      await updateAcl(files, { path: '/', role: 'Admin', authId })
    }
    server = await start()
  })

  after(async () => {
    await server.close({ graceMs: 0 })
  })

  async function start(): Promise<RunningServer> {
    return await startServer({ paths, host: '127.0.0.1', port: 0, keyBits: 2048 })
  }

  async function get(path: string): Promise<{ status: number; text: string }> {
    const trust = { fingerprint: server.fingerprint }
    const target = { host: '127.0.0.1', port: server.port, trust }
    await using client = new OutgoingClient(target, {})
    const headers = { authorization: `PBSAPIToken ${TOKEN}:${secret.reveal()}` }
    const answer = await client.request({ method: 'GET', path, headers })
    return { status: answer.status, text: Buffer.from(answer.body).toString() }
  }

  test('answers over TLS, also with a doubled slash', async () => {
    const { status, text } = await get('//api2/json/version')
    assert.equal(status, 200)
    assert.match(text, /"release":"3"/)
  })

  test('shows its fingerprint and writes its process id', async () => {
    const { text } = await get('/api2/json/nodes/localhost/status')
    const { data } = JSON.parse(text) as { data: { info: { fingerprint: string } } }
    assert.equal(data.info.fingerprint, server.fingerprint)
    const pid = readFileSync(join(paths.run, 'proxy.pid'), 'utf8')
    assert.equal(pid, `${process.pid}\n`)
  })

  test('writes the access log when it ends, and keeps its certificate', async () => {
    const before = server.fingerprint
    assert.equal(server.certificateCreated, true)
    await get('/api2/json/ping?x')
    await get(
      '/api2/json/ping?userid=a&password=geheim1&%70assword=geheim2&confirmation-password=geheim3',
    )
    await server.close({ graceMs: 0 })
    await server.close()
    assert.ok(!existsSync(join(paths.run, 'proxy.pid')))
    const log = readFileSync(join(paths.log, 'api', 'access.log'), 'utf8')
    assert.match(log, / - admin@pbs!test \[.*\] "GET \/\/api2\/json\/version" 200 92 /)
    assert.match(log, / - - \[.*\] "GET \/api2\/json\/ping\?x" 400 /)
    // PUT takes its parameters from the query, as stock's clients send them.
    assert.match(log, /ping\?userid=a&password=\[redacted\]&/)
    assert.doesNotMatch(log, /geheim/)
    server = await start()
    assert.equal(server.fingerprint, before)
    assert.equal(server.certificateCreated, false)
  })
})
