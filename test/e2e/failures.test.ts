/**
 * Both programs as processes when something goes wrong on the client's side: it says clearly what, its unfinished
 * snapshot goes, what was finished stays whole, and the next backup works. Wrong digests, sizes, checksums and chunks
 * that were not registered: `test/compat/session-calls.test.ts`.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { storeTicket } from '../../src/client/ticket-cache.ts'
import { updateAcl } from '../../src/config/acl.ts'
import { generateToken } from '../../src/config/tokens.ts'
import { createUser } from '../../src/config/users.ts'
import { openAuth } from '../../src/server/auth/auth-context.ts'
import { issueTicket } from '../../src/server/auth/tickets.ts'
import { tokenEnvironment } from '../support/cairn-data.ts'
import { testHost } from '../support/client-host.ts'
import { startCutProxy } from '../support/cut-proxy.ts'
import { FailureRig, PART } from '../support/failure-rig.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const MIB = 1 << 20
const HOUR_MS = 3_600_000

const folder = await makeTemporaryFolder()
const image = join(folder, 'image')
let rig: FailureRig

before(async () => {
  writeFileSync(image, 'a small image')
  rig = await FailureRig.open(folder)
})
after(async () => await rig?.[Symbol.asyncDispose]())

suite('a backup whose client fails', () => {
  test('killed with SIGKILL', async () => {
    const { feed, kill, done } = await rig.startBackup()
    await using _feed = feed
    kill('SIGKILL')
    assert.equal((await done).status, null)
    await rig.checkClean()
  })

  test('Ctrl-C: it says so, and the server aborts', async () => {
    const { feed, kill, done } = await rig.startBackup()
    await using _feed = feed
    kill('SIGINT')
    const { status, stderr } = await done
    assert.equal(status, 255)
    assert.match(stderr, /\nError: interrupted\n$/)
    // The second where the signal came between the pieces of a frame.
    const endings = [
      'backup ended but finished state is not set.',
      'connection error: bytes remaining on stream',
    ]
    assert.ok(endings.includes(await rig.lastTaskStatus()))
    await rig.checkClean()
  })

  test('the task is stopped while the client waits for its source', async () => {
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    await using connection = await rig.connect()
    const { data } = await connection.get('nodes/localhost/tasks', { running: true })
    const [task] = data as { upid: string }[]
    await connection.delete(`nodes/localhost/tasks/${encodeURIComponent(task?.upid ?? '')}`)
    const { status, stderr } = await done
    assert.equal(status, 255)
    // Why depends on whether an answer was due.
    assert.match(stderr, /\nError: [^\n]*the connection ended \([^\n]*\)\n$/)
    assert.equal(await rig.lastTaskStatus(), 'task aborted')
    await rig.checkClean()
  })

  test('the connection is cut in the middle of a chunk', async () => {
    await using proxy = await startCutProxy(rig.server.port, 3 * MIB)
    const large = join(folder, 'large-image')
    writeFileSync(large, incompressible(12 * MIB))
    const { fingerprint } = rig.server
    const environment = tokenEnvironment(rig.data, { port: proxy.port, fingerprint })
    const { status, stderr } = await rig.backUp(large, { environment })
    assert.equal(proxy.cutCount, 1)
    assert.equal(status, 255)
    assert.match(stderr, /\nError: [^\n]*connection [^\n]*\n$/)
    assert.match(await rig.lastTaskStatus(), /connection error/)
    await rig.checkClean()
  })
})

suite('a backup that is refused', () => {
  test('a second writer in the group; the first one finishes', async () => {
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    const second = await rig.backUp(image)
    assert.equal(second.status, 255)
    assert.match(
      second.stderr,
      /\nError: unable to acquire backup group lock .* while creating locked backup group .*\n$/,
    )
    await feed.write(PART)
    await feed.end()
    const first = await done
    assert.equal(first.status, 0, first.stderr)
    const restored = await rig.client(['restore', 'host/web1', 'disk.img', '-'])
    assert.ok(restored.stdout.equals(Buffer.concat([PART, PART])))
    await rig.forgetSecond()
    await rig.checkClean()
  })

  test('an expired ticket', async () => {
    const runtime = join(folder, 'runtime')
    await storeAsFresh(runtime, await expiredTicket())
    const { PBS_PASSWORD: _, ...environment } = rig.server.environment
    const run = await rig.backUp(image, {
      environment: { ...environment, XDG_RUNTIME_DIR: runtime },
    })
    assert.equal(run.status, 255)
    assert.match(run.stderr, /\nError: permission check failed\.\n$/)
    await rig.checkClean()
  })

  test('a caller who may only read', async () => {
    const environment = tokenEnvironment({ token: await makeReader() }, rig.server)
    const { status, stderr } = await rig.backUp(image, { environment })
    assert.equal(status, 255)
    assert.match(
      stderr,
      /\nError: missing permissions 'Datastore\.Backup' on '\/datastore\/main'\n$/,
    )
    await rig.checkClean()
  })
})

/** A ticket of the administrator that was valid until an hour ago. */
async function expiredTicket(): Promise<string> {
  const clock = new FakeClock(Date.now() - 3 * HOUR_MS)
  const auth = await openAuth({ files: rig.data.files, clock })
  return await issueTicket(auth, 'admin@pbs')
}

/** As if the client had logged in just now. */
async function storeAsFresh(runtime: string, ticket: string): Promise<void> {
  mkdirSync(runtime, { mode: 0o700 })
  const account = { server: '127.0.0.1', user: 'admin@pbs' }
  await storeTicket(testHost({ XDG_RUNTIME_DIR: runtime }), account, { ticket, token: 'unused' })
}

async function makeReader(): Promise<{ id: string; secret: string }> {
  const { files } = rig.data
  await createUser(files, { userid: 'reader@pbs' })
  const { tokenid, secret } = await generateToken(files, { userid: 'reader@pbs', name: 'test' })
  for (const authId of ['reader@pbs', tokenid]) {
    await updateAcl(files, { path: '/datastore/main', role: 'DatastoreReader', authId })
  }
  return { id: tokenid, secret: secret.reveal() }
}

/** Bytes that no compression shortens. */
function incompressible(size: number): Buffer {
  return createHash('shake256', { outputLength: size }).update('seed').digest()
}
