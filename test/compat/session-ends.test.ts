/** How sessions begin and end: checks before the 101, every way a connection can go, drain (backup-protocol.md 2.5, 6.5). */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import * as net from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import * as tls from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { openTlsSocket } from '../../src/transport/tls.ts'
import { OutgoingClient } from '../../src/transport/outgoing.ts'
import {
  type BackupClient,
  chunkOf,
  manifestBlob,
  openBackupSession,
  openReaderSession,
} from '../support/protocol-client.ts'
import { openSessionServer, type SessionServer } from '../support/session-server.ts'
import { latestTask, linesWith } from '../support/task-logs.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const TIME = 1_700_000_000

after(async () => await server.close())
const folder = await makeTemporaryFolder()
let server: SessionServer
let groupCount = 0

before(async () => {
  server = await openSessionServer({ folder, stores: ['store1', 'checked'] })
})

function newGroup(): string {
  groupCount += 1
  return `host/e${groupCount}`
}

async function open(group: string, more: object = {}): Promise<BackupClient> {
  const { target, authorization } = server
  return await openBackupSession({ target, authorization, group, time: TIME, ...more })
}

async function finish(client: BackupClient, group: string, time = TIME): Promise<void> {
  await client.uploadBlob('index.json.blob', await manifestBlob({ group, time }, []))
  assert.equal((await client.finish()).status, 200)
}

/** The lines of the task's log without times. */
async function logOf(group: string): Promise<readonly string[]> {
  const log = await latestTask(server.paths.tasks, `${group.replace('/', '-')}:`)
  return log.split('\n').map((line) => line.slice(line.indexOf(': ') + 2))
}

function exists(group: string): boolean {
  return existsSync(join(server.storePath('store1'), group))
}

/** A socket after its 101, without HTTP/2 of ours on it, and the TCP connection below. */
async function openBoth(group: string): Promise<{ socket: TLSSocket; tcp: net.Socket }> {
  const { host, port } = server.target
  const tcp = net.connect({ host, port })
  const socket = tls.connect({ socket: tcp, rejectUnauthorized: false })
  await new Promise<void>((resolve) => socket.once('secureConnect', resolve))
  const [type, id] = group.split('/')
  const query = `backup-type=${type}&backup-id=${id}&backup-time=${TIME}&store=store1`
  socket.write(
    `GET /api2/json/backup?${query} HTTP/1.1\r\nauthorization: ${server.authorization}\r\n` +
      'upgrade: proxmox-backup-protocol-v1\r\nconnection: upgrade\r\n\r\n',
  )
  const { promise, resolve } = Promise.withResolvers<string>()
  socket.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1')))
  assert.match(await promise, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  return { socket, tcp }
}

async function openRaw(group: string): Promise<TLSSocket> {
  return (await openBoth(group)).socket
}

const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
])

const PING = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
const PING_ANSWER = Buffer.from([0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])

suite('a session that was not finished', () => {
  test('ends with GOAWAY', async () => {
    const group = newGroup()
    await (await open(group)).close()
    assert.deepEqual((await logOf(group)).slice(1, -2), [
      'backup ended and finish failed: backup ended but finished state is not set.',
      'removing unfinished backup',
    ])
    assert.equal(
      (await logOf(group)).at(-1),
      'TASK ERROR: backup ended but finished state is not set.',
    )
    assert.ok(!exists(group))
  })

  test('ends with FIN', async () => {
    const group = newGroup()
    const socket = await openRaw(group)
    socket.write(PREFACE)
    socket.once('data', () => socket.end())
    assert.equal(
      (await logOf(group)).at(-1),
      'TASK ERROR: backup ended but finished state is not set.',
    )
    assert.ok(!exists(group))
  })

  test('ends before it began', async () => {
    const group = newGroup()
    const socket = await openRaw(group)
    socket.end()
    const log = await logOf(group)
    assert.equal(
      log.at(-1),
      'TASK ERROR: connection error: connection closed before reading preface',
    )
    assert.deepEqual(log.slice(1, 3), ['backup failed: connection error', 'removing failed backup'])
    assert.ok(!exists(group))
  })

  test('ends with a reset', async () => {
    const group = newGroup()
    const { socket, tcp } = await openBoth(group)
    socket.on('error', () => {})
    const { promise: answered, resolve } = Promise.withResolvers<void>()
    const seen: Buffer[] = []
    socket.on('data', (bytes: Buffer) => {
      seen.push(bytes)
      if (Buffer.concat(seen).includes(PING_ANSWER)) resolve()
    })
    socket.write(Buffer.concat([PREFACE, PING]))
    await answered
    tcp.resetAndDestroy()
    assert.equal((await logOf(group)).at(-1), 'TASK ERROR: connection error: connection reset')
    assert.ok(!exists(group))
  })

  for (const [what, bytes] of [
    ['something else than the preface', Buffer.from('GET / HTTP/1.1\r\n\r\nmore of it here')],
    [
      'an invalid frame',
      Buffer.concat([PREFACE, Buffer.from([0, 0, 3, 4, 0, 0, 0, 0, 1, 1, 2, 3])]),
    ],
  ] as const) {
    test(`is told ${what}`, async () => {
      const group = newGroup()
      const socket = await openRaw(group)
      socket.on('error', () => {})
      socket.resume()
      socket.write(bytes)
      const log = await logOf(group)
      assert.equal(
        log.at(-1),
        'TASK ERROR: http2 error: connection error detected: unspecific protocol error detected',
      )
      assert.deepEqual(log.slice(1, 3), ['backup failed: http2 error', 'removing failed backup'])
      assert.ok(!exists(group))
    })
  }

  test('is cut in the middle of a chunk', async () => {
    const group = newGroup()
    const client = await open(group)
    await client.createDynamic('a.didx')
    const chunk = await chunkOf(Buffer.alloc(900_000, 'x'))
    const { promise: began, resolve } = Promise.withResolvers<void>()
    async function* part(): AsyncIterable<Uint8Array> {
      yield chunk.blob.subarray(0, 400_000)
      resolve()
      await new Promise(() => {})
    }
    const query = { wid: 1, digest: chunk.digest, size: 900_000, 'encoded-size': chunk.blob.length }
    const upload = client.call('POST', '/dynamic_chunk', { query, body: part() })
    await began
    await client.call('GET', '/previous_backup_time')
    client.session.destroy()
    await assert.rejects(upload, { code: 'SESSION_LOST' })
    const log = await logOf(group)
    assert.equal(log.at(-1), 'TASK ERROR: connection error: bytes remaining on stream')
    assert.ok(
      log.includes('POST /dynamic_chunk: 400 Bad Request: error reading a body from connection'),
    )
    assert.ok(!exists(group))
    // Nothing blocks the next one.
    const next = await open(group)
    await finish(next, group)
    await next.close()
    assert.equal((await logOf(group)).at(-1), 'TASK OK')
  })

  test('is aborted by an administrator', async () => {
    const group = newGroup()
    const client = await open(group)
    await using rest = new OutgoingClient(server.target)
    const headers = { authorization: server.authorization }
    const list = '/api2/json/nodes/localhost/tasks?running=1&typefilter=backup'
    const listed = await rest.request({ method: 'GET', path: list, headers })
    const { data } = JSON.parse(listed.body.toString()) as {
      data: { upid: string; worker_id: string }[]
    }
    const upid = data.find(({ worker_id: id }) => id.endsWith(group))?.upid ?? ''
    const path = `/api2/json/nodes/localhost/tasks/${encodeURIComponent(upid)}`
    assert.equal((await rest.request({ method: 'DELETE', path, headers })).status, 200)
    await client.session.closed
    const log = await logOf(group)
    assert.equal(log.at(-1), 'TASK ERROR: task aborted')
    assert.deepEqual(log.slice(1, 3), ['backup failed: task aborted', 'removing failed backup'])
    assert.ok(!exists(group))
  })
})

suite('a session that was finished', () => {
  for (const [what, end] of [
    ['GOAWAY', (client: BackupClient) => client.close()],
    ['a cut', async (client: BackupClient) => client.session.destroy()],
  ] as const) {
    test(`stays finished after ${what}`, async () => {
      const group = newGroup()
      const client = await open(group)
      await finish(client, group)
      await end(client)
      const log = await logOf(group)
      assert.deepEqual(log.slice(-2), ['backup finished successfully', 'TASK OK'])
      assert.ok(exists(group))
    })
  }

  test('blocks nobody although its connection is open', async () => {
    const group = newGroup()
    await using first = await open(group)
    await finish(first, group)
    await using second = await open(group, { time: TIME + 1 })
    await finish(second, group, TIME + 1)
    await using third = await open(group, { time: TIME + 2 })
    assert.equal((await third.call('GET', '/previous_backup_time')).data, TIME + 1)
  })

  test('is verified if the datastore says so', async () => {
    const { changeDatastore } = await import('../../src/config/datastores.ts')
    await changeDatastore(server.files, 'checked', {
      set: new Map([['verify-new', 'true']]),
      delete: [],
    })
    const group = newGroup()
    const client = await open(group, { store: 'checked' })
    await finish(client, group)
    await client.close()
    const id = `${group.replace('/', '-')}-${TIME.toString(16).toUpperCase()}`
    const log = await latestTask(server.paths.tasks, id)
    assert.match(log, /: Automatically verifying newly added snapshot\n/)
    assert.match(log, /TASK OK$/)
  })
})

suite('a reader session', () => {
  test('ends well or says why not', async () => {
    const group = newGroup()
    const writer = await open(group)
    await finish(writer, group)
    await writer.close()
    await logOf(group)
    const { target, authorization } = server
    const request = { target, authorization, group, time: TIME }
    const task = `:reader:store1\\x3a${group.replace('/', '-')}-`
    await (await openReaderSession(request)).close()
    const log = await latestTask(server.paths.tasks, task)
    assert.match(log, /: reader finished successfully\n.*TASK OK$/)
    const reader = await openReaderSession(request)
    await using other = await openReaderSession(request)
    assert.equal((await other.call('GET', '/')).status, 200)
    await reader.close()
  })
})

suite('the checks before the 101', () => {
  async function ask(query: string, more: { headers?: string; auth?: string; path?: string } = {}) {
    const { socket } = await openTlsSocket(server.target)
    const upgrade = more.headers ?? 'upgrade: proxmox-backup-protocol-v1\r\nconnection: upgrade\r\n'
    socket.write(
      `GET ${more.path ?? '//api2/json/backup'}?${query} HTTP/1.1\r\nhost: h\r\n` +
        `authorization: ${more.auth ?? server.authorization}\r\n${upgrade}\r\n`,
    )
    const { promise, resolve } = Promise.withResolvers<void>()
    // Without an upgrade the connection stays open for the next request.
    const pieces: Buffer[] = []
    socket.on('data', (bytes: Buffer) => {
      pieces.push(bytes)
      if (isWhole(Buffer.concat(pieces).toString('latin1'))) resolve()
    })
    await promise
    socket.destroy()
    const [head = '', body = ''] = Buffer.concat(pieces).toString('utf8').split('\r\n\r\n')
    return { status: Number(head.slice(9, 12)), body, head: head.toLowerCase() }
  }

  function isWhole(answer: string): boolean {
    const [head = '', body] = answer.split('\r\n\r\n')
    const length = /content-length: (\d+)/i.exec(head)?.[1]
    return body !== undefined && (length === undefined || body.length >= Number(length))
  }

  const good = `backup-type=host&backup-id=c1&backup-time=${TIME}&store=store1`
  const json = 'content-type: application/json;charset=utf-8'

  test('come in the order of the page', async () => {
    const prefix = 'parameter verification failed'
    const noUpgrade = { headers: '' }
    const cases: readonly [string, object, number, string][] = [
      [`${good}&x=1`, { auth: 'PBSAPIToken a@pbs!b:c' }, 401, 'authentication failed'],
      [`${good}&x=1`, {}, 400, `${prefix} - 'x': schema does not allow additional properties.`],
      [
        good.replace('c1', '.c1'),
        noUpgrade,
        400,
        `${prefix} - 'backup-id': value does not match the regex pattern`,
      ],
      [`${good}&ns=a/b/c/d/e/f/g/h`, {}, 400, 'namespace too deep, 7 >= max 7'],
      [good.replace('store1', 'nowhere'), noUpgrade, 400, "no such datastore 'nowhere'"],
      [good, noUpgrade, 400, 'missing Upgrade header'],
      [
        good,
        { headers: 'connection: upgrade\r\nupgrade: Proxmox-backup-protocol-v1\r\n' },
        400,
        'invalid protocol name',
      ],
      [`${good}&ns=missing&benchmark=1`, {}, 404, 'namespace not found'],
      [
        good.replace('c1', 'benchmark'),
        {},
        400,
        'unable to run benchmark without --benchmark flags',
      ],
      [`${good}&benchmark=true`, {}, 400, "benchmark flags is only allowed on 'host/benchmark'"],
      [
        good.replace(String(TIME), '253402300800'),
        {},
        400,
        "epoch_to_rfc3339_utc: wrong year '10000'",
      ],
    ]
    for (const [query, more, status, body] of cases) {
      const answer = await ask(query, more)
      assert.equal(answer.body, body)
      assert.equal(answer.status, status)
      assert.equal(answer.head.includes(json), status !== 401, answer.head)
    }
  })

  test('need no Connection header', async () => {
    const answer = await ask(good, { headers: 'upgrade: proxmox-backup-protocol-v1\r\n' })
    assert.equal(answer.status, 101)
  })

  test('are lines of the access log, granted or refused', async () => {
    const log = join(server.paths.log, 'api', 'access.log')
    const query = good.replace('c1', 'logged')
    assert.equal((await ask(query, {})).status, 101)
    assert.equal((await ask(`${query}&x=1`, { headers: '' })).status, 400)
    const [granted = '', refused = ''] = await linesWith(log, query, 2)
    const request = `"GET //api2/json/backup?${query}`
    assert.ok(granted.endsWith(`${request}" 101 0 -`), granted)
    assert.ok(refused.endsWith(`${request}&x=1" 400 81 -`), refused)
  })

  test('ask for privileges first', async () => {
    const auth = await server.grant('auditor@pbs', '/datastore/store1', 'DatastoreAudit')
    const missing = "missing permissions 'Datastore.Backup' on '/datastore/store1/a/b'"
    const query = `${good}&ns=a/b`
    assert.deepEqual(pick(await ask(query, { auth })), [403, missing])
    const unknown = "missing permissions 'Datastore.Backup' on '/datastore/nowhere'"
    assert.deepEqual(pick(await ask(good.replace('store1', 'nowhere'), { auth })), [403, unknown])
    const path = '//api2/json/reader'
    const reader = 'no permissions on /datastore/store1/a/b'
    assert.deepEqual(pick(await ask(query, { auth, path })), [400, reader])
  })

  test('keep groups to their owners', async () => {
    const group = newGroup()
    const client = await open(group)
    await finish(client, group)
    await client.close()
    await logOf(group)
    const auth = await server.grant('other@pbs', '/datastore/store1', 'DatastoreBackup')
    const id = group.split('/')[1]
    const query = `backup-type=host&backup-id=${id}&backup-time=${TIME + 1}&store=store1`
    const owner = 'backup owner check failed (other@pbs!ref != admin@pbs!ref)'
    assert.deepEqual(pick(await ask(query, { auth })), [400, owner])
    const path = '//api2/json/reader'
    const upgrade = 'upgrade: proxmox-backup-reader-protocol-v1\r\n'
    const answer = await ask(query, { auth, path, headers: upgrade })
    assert.deepEqual(pick(answer), [400, 'backup owner check failed!'])
  })

  test('let only one writer into a group, and any number of readers at its last snapshot', async () => {
    const group = newGroup()
    const first = await open(group)
    await finish(first, group)
    await first.close()
    await logOf(group)
    await using _writer = await open(group, { time: TIME + 5 })
    await assert.rejects(open(group, { time: TIME + 6 }), {
      code: 'UPGRADE_REFUSED',
      message: /^unable to acquire backup group lock "[^"]+" while creating locked backup group "/,
    })
    const { target, authorization } = server
    const request = { target, authorization, group, time: TIME }
    await using _one = await openReaderSession(request)
    await using _two = await openReaderSession(request)
    await assert.rejects(openReaderSession({ ...request, time: TIME + 5 }), {
      message: /^while reading snapshot '/,
    })
  })

  function pick(answer: { status: number; body: string }): [number, string] {
    return [answer.status, answer.body]
  }
})

suite('the end of the server', () => {
  test('lets sessions finish within their grace, aborts the rest and cleans up', async (context) => {
    const place = await makeTemporaryFolder(context)
    const other = await openSessionServer({ folder: place })
    const { target, authorization } = other
    const [quick, slow] = await Promise.all(
      ['host/quick', 'host/slow'].map(
        async (group) => await openBackupSession({ target, authorization, group, time: TIME }),
      ),
    )
    assert.ok(quick && slow)
    const closing = other.close(300)
    await finish(quick, 'host/quick')
    await quick.close()
    await closing
    await slow.session.closed
    assert.ok(existsSync(join(other.storePath('store1'), 'host/quick')))
    assert.ok(!existsSync(join(other.storePath('store1'), 'host/slow')))
    const log = await latestTask(other.paths.tasks, 'host-slow')
    assert.match(log, /backup failed: task aborted\n/)
    assert.match(log, /TASK ERROR: task aborted$/)
    await assert.rejects(openTlsSocket(target), { code: 'CONNECT_FAILED' })
  })
})

suite('a request that is no upgrade', () => {
  test('leaves its connection usable', async () => {
    const { socket } = await openTlsSocket(server.target)
    const auth = `authorization: ${server.authorization}\r\n`
    const query = `backup-type=host&backup-id=c9&backup-time=${TIME}&store=store1`
    socket.write(`GET /api2/json/backup?${query} HTTP/1.1\r\nhost: h\r\n${auth}\r\n`)
    socket.write(`GET /api2/json/version HTTP/1.1\r\nhost: h\r\n${auth}connection: close\r\n\r\n`)
    const answer = await text(socket)
    assert.match(answer, /missing Upgrade header/)
    assert.match(answer, /"repoid"/)
  })
})
