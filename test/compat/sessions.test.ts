/** The recorded sessions of the stock client, replayed against our server in the order of recording. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { hasCode } from '../../src/base/errors.ts'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { Secret } from '../../src/base/secret.ts'
import { setPassword } from '../../src/config/passwords.ts'
import { connectUpgraded, type H2Session } from '../../src/transport/h2-session.ts'
import { OutgoingClient } from '../../src/transport/outgoing.ts'
import { fixturePath } from '../support/fixture-files.ts'
import { type BackupClient, openBackupSession } from '../support/protocol-client.ts'
import { bodyBytes } from '../support/recorded-server.ts'
import { openSessionServer, type SessionServer } from '../support/session-server.ts'
import { latestTask } from '../support/task-logs.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import {
  compareAnswer,
  type Http1Exchange,
  type Http2Exchange,
  readConnections,
  RECORDING_ORDER,
  type RecordedConnection,
} from './session-recording.ts'

const STORE = 'fxsess'
const PASSWORD = 'a password for the replay'
const MINUTE = 60_000

let server: SessionServer
let rest: OutgoingClient
let slow: BackupClient | null = null
let ticket = ''
let compared = 0

after(async () => {
  await slow?.close()
  await rest.close()
  await server.close()
})

// After the hook above, so that the folder goes when the server has.
const folder = await makeTemporaryFolder()

before(async () => {
  server = await openSessionServer({ folder, stores: [STORE] })
  rest = new OutgoingClient(server.target)
  await setPassword(server.files, 'admin@pbs', new Secret(PASSWORD))
  await storeProbeChunk()
  for (const ns of ['ns/a', 'ns/a/ns/b']) {
    await nodeFileSystem.mkdir(join(server.storePath(STORE), ns), { recursive: true })
  }
})

/** Requests on record: those with an answer, and the chunk in whose middle the client was killed. */
function countRecorded(): number {
  const names = RECORDING_ORDER.filter((name) => name !== 'slow-backup')
  const connections = names.flatMap((name) => readConnections(name))
  const http1 = connections.flatMap((connection) => connection.http1)
  const http2 = connections.flatMap((connection) => connection.http2?.streams ?? [])
  return http1.length + http2.filter(({ response }) => isAnswered(response)).length + 1
}

/** The stock server had made a chunk of zeros when it tried its file system's access times. */
async function storeProbeChunk(): Promise<void> {
  const zeros = 'bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8'
  const streams = readConnections('image-first')[0]?.http2?.streams ?? []
  const upload = streams.find(({ request }) => request.query.some(([, value]) => value === zeros))
  const chunkFolder = join(server.storePath(STORE), '.chunks', zeros.slice(0, 4))
  await nodeFileSystem.mkdir(chunkFolder, { recursive: true })
  await writeFile(join(chunkFolder, zeros), bodyBytes(upload?.request.body))
}

suite('recorded sessions of the stock client', { timeout: 2 * MINUTE }, () => {
  for (const name of RECORDING_ORDER) {
    test(name, async () => await replay(name))
  }

  test('everything recorded was compared', () => {
    assert.equal(compared, countRecorded())
    assert.equal(compared, 218)
  })
})

async function replay(name: string): Promise<void> {
  if (name === 'slow-backup') {
    slow = await openBackupSession({
      target: server.target,
      authorization: server.authorization,
      store: STORE,
      group: 'vm/100',
      time: 1767398400,
    })
    return
  }
  if (name === 'benchmark') return await replayBenchmark()
  if (name === 'aborted') return await replayAborted()
  await replayConnections(name, readConnections(name))
  if (name === 'fail-second-writer') await finishSlow()
  if (name === 'dry-run') {
    await compareTaskLog(
      'host-dry',
      'backup-blobs-backup-ended-but-finished-state-is-not-s-error.log',
    )
  }
}

/** The second connection of a metadata backup lives inside the first one. */
async function replayConnections(
  name: string,
  connections: readonly RecordedConnection[],
): Promise<void> {
  const open = await Promise.all(
    connections.map(async (connection) => await replayHttp1(name, connection)),
  )
  for (const [index, session] of open.entries()) {
    const streams = connections[index]?.http2?.streams ?? []
    if (session !== null) await replayStreams(name, session, streams)
  }
  for (const session of open) await session?.close()
}

async function replayHttp1(
  name: string,
  connection: RecordedConnection,
): Promise<H2Session | null> {
  for (const exchange of connection.http1) {
    const { request } = exchange
    const upgrade = request.headers.find(([key]) => key === 'upgrade')?.[1]
    if (upgrade === undefined) await replayRest(name, exchange)
    else return await replayUpgrade(name, exchange, upgrade)
  }
  return null
}

async function replayUpgrade(
  name: string,
  { request, response }: Http1Exchange,
  protocol: string,
): Promise<H2Session | null> {
  const headers = credentials(name, request.headers)
  compared += 1
  try {
    const upgrade = { path: request.target, protocol, headers }
    const session = await connectUpgraded(server.target, upgrade)
    assert.equal(response.status, 101, name)
    return session
  } catch (error) {
    if (!hasCode(error, 'UPGRADE_REFUSED')) throw error
    assert.equal(error.data['status'], response.status, name)
    assert.equal(error.message, localised(String(response.body?.text)), name)
    return null
  }
}

/** Texts with folders of the recording, with ours in their place. */
function localised(text: string): string {
  return text
    .replaceAll('/run/proxmox-backup/locks', server.paths.locks)
    .replaceAll(`/<work____>/ds/${STORE}`, server.storePath(STORE))
}

function credentials(
  name: string,
  headers: Http1Exchange['request']['headers'],
): Record<string, string> {
  if (headers.some(([key]) => key === 'cookie')) {
    return { cookie: `PBSAuthCookie=${encodeURIComponent(ticket)}` }
  }
  const { authorization } = server
  return { authorization: name === 'fail-bad-secret' ? `${authorization}x` : authorization }
}

async function replayRest(name: string, { request, response }: Http1Exchange): Promise<void> {
  const isLogin = request.target.endsWith('/access/ticket')
  const body = isLogin
    ? Buffer.from(JSON.stringify({ username: 'admin@pbs', password: PASSWORD }))
    : bodyBytes(request.body)
  const type = request.headers.find(([key]) => key === 'content-type')?.[1]
  const answer = await rest.request({
    method: request.method,
    path: request.target,
    ...(body.length > 0 ? { body } : {}),
    headers: {
      ...(isLogin ? {} : credentials(name, request.headers)),
      ...(type === undefined ? {} : { 'content-type': type }),
    },
  })
  compared += 1
  const text = answer.body.toString()
  assert.equal(answer.status, response.status, text)
  if (isLogin) {
    ticket = (JSON.parse(text) as { data: { ticket: string } }).data.ticket
    return
  }
  if (response.body?.json === undefined) assert.equal(text, response.body?.text)
  else
    assert.deepEqual(
      withoutManifestSizes(JSON.parse(text)),
      withoutManifestSizes(response.body.json),
    )
}

/** The rewritten manifest is compressed by another zstd: its size, and so the snapshot's, may differ. */
function withoutManifestSizes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, item: unknown) => {
    if (key === 'size') return 'size'
    return Array.isArray(item) ? item.toSorted(byFilename) : item
  })
}

function byFilename(a: { filename?: string }, b: { filename?: string }): number {
  return (a.filename ?? '') < (b.filename ?? '') ? -1 : 1
}

/** Chunks at once, everything else after the answers of what it may name. */
async function replayStreams(
  name: string,
  session: H2Session,
  streams: readonly Http2Exchange[],
): Promise<void> {
  const writerIds = new Map<unknown, unknown>()
  let pending: Promise<void>[] = []
  for (const exchange of streams) {
    const isChunk = exchange.request.path.endsWith('_chunk') || exchange.request.path === '/chunk'
    if (!isChunk) await Promise.all(pending.splice(0))
    pending.push(replayStream(name, session, exchange, writerIds))
    if (!isChunk) await Promise.all(pending.splice(0))
  }
  await Promise.all(pending)
  pending = []
}

async function replayStream(
  name: string,
  session: H2Session,
  exchange: Http2Exchange,
  writerIds: Map<unknown, unknown>,
): Promise<void> {
  const { request, response } = exchange
  const title = `${name}: ${request.method} ${request.path}`
  const query = Object.fromEntries(
    request.query.map(([key, value]) => [
      key,
      key === 'wid' ? String(writerIds.get(Number(value))) : value,
    ]),
  )
  const contentType = request.headers.find(([key]) => key === 'content-type')?.[1]
  const answer = await session.request(request.method, request.path, {
    query,
    contentType,
    ...(request.body === null ? {} : { body: withWriterId(exchange, writerIds) }),
  })
  const isCreation = request.method === 'POST' && request.path.endsWith('_index')
  const recordedId = (response?.body?.json as { data?: unknown } | undefined)?.data
  // Two indexes created at the same time got their ids in either order.
  if (isCreation && answer.status === 200) {
    const { data } = JSON.parse(answer.body.toString()) as { data: unknown }
    assert.ok(Number.isInteger(data))
    writerIds.set(recordedId, data)
  }
  const asRecorded = Buffer.from(JSON.stringify({ data: recordedId }))
  const body = isCreation ? asRecorded : answer.body
  await compareAnswer(title, exchange, { ...answer, body })
  compared += 1
}

function withWriterId({ request }: Http2Exchange, ids: Map<unknown, unknown>): Buffer {
  const json = request.body?.json
  if (json === undefined) return bodyBytes(request.body)
  const { wid, ...rest } = json as { wid: unknown }
  return Buffer.from(JSON.stringify({ ...rest, wid: ids.get(wid) }))
}

/** Cut after 0.4 s, and its body is not stored: only its structure is replayed. */
async function replayBenchmark(): Promise<void> {
  const [connection] = readConnections('benchmark')
  assert.ok(connection?.http2)
  const session = await replayHttp1('benchmark', connection)
  assert.ok(session !== null)
  const body = Buffer.alloc(4 * 1024 * 1024)
  const answered = connection.http2.streams.filter(({ response }) => isAnswered(response))
  await Promise.all(
    answered.map(async (exchange) => {
      const answer = await session.request('POST', '/speedtest', { body })
      await compareAnswer('benchmark', exchange, answer)
      compared += 1
    }),
  )
  await session.close()
  const log = await latestTask(server.paths.tasks, 'benchmark')
  assert.match(log, /benchmark finished successfully\n.*TASK OK$/)
  assert.ok(!existsSync(join(server.storePath(STORE), 'host/benchmark')))
}

function isAnswered(response: Http2Exchange['response']): boolean {
  return response !== null && response.status !== null && Number(response.status) > 0
}

/** The client was killed inside its first chunk. */
async function replayAborted(): Promise<void> {
  const [connection] = readConnections('aborted')
  const [first, second, third] = connection?.http2?.streams ?? []
  assert.ok(connection && first && second && third)
  const session = await replayHttp1('aborted', connection)
  assert.ok(session !== null)
  await replayStreams('aborted', session, [first, second])
  const { promise: sent, resolve } = Promise.withResolvers<void>()
  async function* part(): AsyncIterable<Uint8Array> {
    yield Buffer.alloc(1000)
    resolve()
    await new Promise(() => {})
  }
  const query = Object.fromEntries(third.request.query)
  const chunk = session.request('POST', '/fixed_chunk', { query, body: part() })
  await sent
  // The first bytes must have left before the connection goes.
  await session.request('GET', '/previous_backup_time')
  session.destroy()
  await assert.rejects(chunk, { code: 'SESSION_LOST' })
  compared += 1
  await compareTaskLog(
    'host-aborted',
    'backup-image-connection-error-bytes-remaining-on-stre-error.log',
  )
  assert.ok(!existsSync(join(server.storePath(STORE), 'host/aborted')))
}

/** Finishes the backup of vm/100 in whose way another writer was. */
async function finishSlow(): Promise<void> {
  assert.ok(slow !== null)
  const [connection] = readConnections('image-first')
  const blobs = connection?.http2?.streams.filter(({ request }) => request.path === '/blob') ?? []
  for (const { request } of blobs) {
    const name = request.query.find(([key]) => key === 'file-name')?.[1] ?? ''
    assert.equal((await slow.uploadBlob(name, bodyBytes(request.body))).status, 200)
  }
  assert.equal((await slow.finish()).status, 200)
  await slow.close()
  slow = null
}

/** The log of the group's last task against the recorded one, line by line without times. */
async function compareTaskLog(group: string, recorded: string): Promise<void> {
  const text = await readFile(fixturePath('tasks/logs', recorded), 'utf8')
  const expected = linesOf(localised(text))
  const actual = linesOf(await latestTask(server.paths.tasks, group))
  // The stock server logs the broken request after the end; ours before. The extra look is the test's.
  const sorted = (lines: readonly string[]) =>
    lines.filter((line) => line !== 'GET /previous_backup_time').toSorted()
  assert.deepEqual(sorted(actual), sorted(expected))
}

function linesOf(log: string): readonly string[] {
  const lines = log.split('\n').filter((line) => line !== '')
  return lines.map((line) => line.slice(line.indexOf(': ') + 2))
}
