/** Calls of both session protocols beyond what was recorded: the page's errors, orders and limits. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { decodeBlob, encodeBlob } from '../../src/formats/data-blob.ts'
import {
  type Answer,
  type BackupClient,
  chunkOf,
  dynamicCsum,
  fixedCsum,
  manifestBlob,
  openBackupSession,
  openReaderSession,
  type TestChunk,
} from '../support/protocol-client.ts'
import { openSessionServer, type SessionServer } from '../support/session-server.ts'
import { latestTask } from '../support/task-logs.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const MIB = 1024 * 1024
const PIECE = 4 * MIB

after(async () => await server.close())
const folder = await makeTemporaryFolder()
let server: SessionServer
let groupCount = 0

before(async () => {
  server = await openSessionServer({ folder })
})

/** A session of a group of its own. */
async function openNew(time = 1_700_000_000, group = `host/g${(groupCount += 1)}`) {
  const { target, authorization } = server
  const client = await openBackupSession({ target, authorization, group, time, debug: true })
  return { client, group, time }
}

function expectError(answer: Answer, text: string, status = 400): void {
  assert.equal(answer.text, text)
  assert.equal(answer.status, status)
}

function expectOk(answer: Answer, data: unknown = null): void {
  assert.equal(answer.status, 200, answer.text)
  assert.deepEqual(answer.data, data)
}

async function finishWith(
  { client, group, time }: { client: BackupClient; group: string; time: number },
  files: Parameters<typeof manifestBlob>[1],
): Promise<void> {
  expectOk(await client.uploadBlob('index.json.blob', await manifestBlob({ group, time }, files)))
  expectOk(await client.finish())
  await client.close()
}

/** A finished backup of one fixed archive `disk.img.fidx`. */
async function backUpImage(
  chunks: readonly TestChunk[],
  session: Awaited<ReturnType<typeof openNew>>,
): Promise<void> {
  const { client } = session
  const size = chunks.reduce((sum, chunk) => sum + chunk.size, 0)
  expectOk(await client.createFixed('disk.img.fidx', size), 1)
  for (const chunk of chunks) await client.uploadChunk('fixed', 1, chunk)
  const entries = chunks.map(({ digest }, index) => ({ digest, offset: index * PIECE }))
  expectOk(await client.append('fixed', 1, entries))
  const csum = fixedCsum(chunks)
  expectOk(await client.closeIndex('fixed', { wid: 1, chunkCount: chunks.length, size, csum }))
  await finishWith(session, [{ filename: 'disk.img.fidx', size, csum }])
}

suite('chunk uploads', () => {
  test('check length, header, content and writer in the order of the page', async () => {
    const { client } = await openNew()
    await using _client = client
    expectOk(await client.createDynamic('a.didx'), 1)
    const chunk = await chunkOf(Buffer.from('hello world, hello world'))
    const upload = (change: object = {}, wid = 1, kind: 'fixed' | 'dynamic' = 'dynamic') =>
      client.uploadChunk(kind, wid, chunk, change)
    const { length } = chunk.blob
    expectError(
      await upload({ encodedSize: length - 1 }),
      'uploaded chunk is larger than announced.',
    )
    expectError(await upload({ encodedSize: length + 1 }), 'uploaded chunk has unexpected size.')
    expectError(await upload({ digest: '00'.repeat(32) }), 'detected chunk with wrong digest.')
    expectError(
      await upload({ size: 23, digest: '00'.repeat(32) }),
      'detected chunk with wrong digest.',
    )
    expectError(await upload({ size: 23 }), 'detected chunk with wrong length (23 != 24)')
    expectError(await upload({}, 7), "dynamic writer '7' not registered")
    expectError(await upload({}, 1, 'fixed'), "fixed writer '1' not registered")
    const append = { digest: chunk.digest, offset: 0 }
    expectError(await client.append('dynamic', 1, [append]), `no such chunk ${chunk.digest}`)
    expectOk(await upload(), chunk.digest)
    expectOk(await client.append('dynamic', 1, [append]))
  })

  test('refuse what is no blob and broken compression', async () => {
    const { client } = await openNew()
    await using _client = client
    expectOk(await client.createDynamic('a.didx'), 1)
    const junk = { digest: '11'.repeat(32), size: 5, blob: Buffer.alloc(40, 7) }
    expectError(
      await client.uploadChunk('dynamic', 1, junk),
      'unable to parse raw blob - wrong magic',
    )
    const packed = await chunkOf(Buffer.alloc(100_000, 'abc'), true)
    const broken = Buffer.from(packed.blob)
    broken.fill(0xff, 12, 16)
    const answer = await client.uploadChunk('dynamic', 1, { ...packed, blob: broken })
    expectError(answer, 'Unknown frame descriptor')
  })

  test('write the CRC themselves', async () => {
    const { client } = await openNew()
    await using _client = client
    expectOk(await client.createDynamic('a.didx'), 1)
    const chunk = await chunkOf(Buffer.from('without a checksum'))
    const bare = Buffer.from(chunk.blob)
    bare.fill(0, 8, 12)
    expectOk(await client.uploadChunk('dynamic', 1, { ...chunk, blob: bare }), chunk.digest)
    const { digest } = chunk
    const stored = readFileSync(
      join(server.storePath('store1'), '.chunks', digest.slice(0, 4), digest),
    )
    assert.ok(stored.equals(chunk.blob))
  })

  test('of a fixed writer allow one short chunk and none above 4 MiB', async () => {
    const { client } = await openNew()
    await using _client = client
    expectOk(await client.createFixed('a.fidx', PIECE + 2), 1)
    const large = await chunkOf(Buffer.alloc(PIECE + 1), true)
    expectError(
      await client.uploadChunk('fixed', 1, large),
      `fixed writer 'a.fidx' - got large chunk (${PIECE + 1} > ${PIECE}`,
    )
    const short = await chunkOf(Buffer.from('xy'))
    expectOk(await client.uploadChunk('fixed', 1, short), short.digest)
    expectError(
      await client.uploadChunk('fixed', 1, short),
      "fixed writer '1' - detected multiple end chunks (chunk size too small)",
    )
  })

  test('that end early or late do not disturb those beside them', async () => {
    const session = await openNew()
    const { client } = session
    const chunks = await Promise.all(
      Array.from({ length: 40 }, (_, index) => chunkOf(Buffer.alloc(300_000, index + 1))),
    )
    expectOk(await client.createDynamic('a.didx'), 1)
    const answers = await Promise.all(
      chunks.flatMap((chunk) => [
        client.uploadChunk('dynamic', 1, chunk),
        client.uploadChunk('dynamic', 1, chunk, { encodedSize: 20 }),
        client.uploadChunk('dynamic', 1, chunk, { encodedSize: 400_000 }),
      ]),
    )
    for (const [index, answer] of answers.entries()) {
      assert.equal(answer.status, index % 3 === 0 ? 200 : 400, answer.text)
    }
    const entries = chunks.map(({ digest }, index) => ({ digest, offset: index * 300_000 }))
    expectOk(await client.append('dynamic', 1, entries))
    const size = 40 * 300_000
    const csum = dynamicCsum(chunks)
    expectOk(await client.closeIndex('dynamic', { wid: 1, chunkCount: 40, size, csum }))
    await finishWith(session, [{ filename: 'a.didx', size, csum }])
  })
})

suite('indexes', () => {
  test('of several writers may be written at the same time', async () => {
    const session = await openNew()
    const { client } = session
    const names = ['a.didx', 'b.didx', 'c.didx']
    for (const [index, name] of names.entries()) {
      expectOk(await client.createDynamic(name), index + 1)
    }
    const files = await Promise.all(
      names.map(async (filename, index) => {
        const wid = index + 1
        const chunks = await Promise.all(
          Array.from({ length: 10 }, (_, at) => chunkOf(Buffer.from(`${filename}-${at}-${wid}`))),
        )
        await Promise.all(chunks.map((chunk) => client.uploadChunk('dynamic', wid, chunk)))
        let offset = 0
        for (const { digest, size } of chunks) {
          expectOk(await client.append('dynamic', wid, [{ digest, offset }]))
          offset += size
        }
        const csum = dynamicCsum(chunks)
        expectOk(await client.closeIndex('dynamic', { wid, chunkCount: 10, size: offset, csum }))
        return { filename, size: offset, csum }
      }),
    )
    await finishWith(session, files)
  })

  test('compare count, size and checksum at close, in this order', async () => {
    const { client } = await openNew()
    await using _client = client
    expectOk(await client.createDynamic('a.didx'), 1)
    const chunk = await chunkOf(Buffer.from('12345'))
    await client.uploadChunk('dynamic', 1, chunk)
    expectOk(await client.append('dynamic', 1, [{ digest: chunk.digest, offset: 0 }]))
    const close = (change: object) =>
      client.closeIndex('dynamic', {
        wid: 1,
        chunkCount: 1,
        size: 5,
        csum: dynamicCsum([chunk]),
        ...change,
      })
    const failed = "dynamic writer 'a.didx' close failed -"
    expectError(
      await close({ chunkCount: 2, size: 9 }),
      `${failed} unexpected chunk count (1 != 2)`,
    )
    expectError(await close({ size: 9 }), `${failed} unexpected file size (5 != 9)`)
    expectError(await close({ csum: 'zz' }), 'Invalid string length')
    expectError(await client.finish(), 'found open index writer - unable to finish backup')
    expectOk(await close({ csum: dynamicCsum([chunk]).toUpperCase() }))
    expectError(await close({}), "dynamic writer '1' not registered")
  })

  test('say what is wrong with an append', async () => {
    const { client } = await openNew()
    await using _client = client
    expectOk(await client.createDynamic('a.didx'), 1)
    expectOk(await client.createFixed('b.fidx', 2 * PIECE), 2)
    const chunk = await chunkOf(Buffer.alloc(PIECE), true)
    await client.uploadChunk('fixed', 2, chunk)
    const { digest } = chunk
    const unknown = 'ab'.repeat(32)
    const append = (kind: 'fixed' | 'dynamic', wid: number, offset: number, of = digest) =>
      client.append(kind, wid, [{ digest: of, offset }])
    expectError(await append('dynamic', 1, 0, unknown), `no such chunk ${unknown}`)
    expectError(await append('dynamic', 9, 0, unknown), `no such chunk ${unknown}`)
    expectError(await append('dynamic', 9, 0), "dynamic writer '9' not registered")
    expectError(
      await append('dynamic', 1, 1),
      "dynamic writer 'a.didx' append chunk failed - got strange chunk offset (0 != 1)",
    )
    expectError(await append('fixed', 2, 1), `got unaligned chunk (pos = 1)`)
    expectError(
      await append('fixed', 2, 2 * PIECE),
      `refusing to resize from ${2 * PIECE} to ${3 * PIECE}`,
    )
    expectOk(await client.append('dynamic', 9, []))
    const lists = { 'digest-list': [digest], 'offset-list': [], wid: 1 }
    expectError(
      await client.call('PUT', '/dynamic_index', { json: lists }),
      'offset list has wrong length (0 != 1)',
    )
  })

  test('take parameters from query, form and JSON alike', async () => {
    const { client } = await openNew()
    await using _client = client
    const json = { 'archive-name': 'a.didx' }
    expectOk(await client.call('POST', '/dynamic_index', { json }), 1)
    const form = Buffer.from('archive-name=b.didx')
    expectOk(await client.call('POST', '/dynamic_index', { body: form }), 2)
    expectOk(
      await client.call('POST', '//dynamic_index/', { query: { 'archive-name': 'c.didx' } }),
      3,
    )
    const chunk = await chunkOf(Buffer.from('by query'))
    await client.uploadChunk('dynamic', 1, chunk)
    const query = { 'digest-list': [chunk.digest], 'offset-list': ['0'], wid: 1 }
    expectOk(await client.call('PUT', '/dynamic_index', { query }))
  })

  test('are refused by name', async () => {
    const { client } = await openNew()
    await using _client = client
    expectError(await client.createDynamic('a.fidx'), "wrong archive extension: 'a.fidx'")
    expectError(await client.createFixed('a.didx', 1), "wrong archive extension: 'a.didx'")
    const answer = await client.createDynamic('../x.didx')
    expectError(
      answer,
      "parameter verification failed - 'archive-name': value does not match the regex pattern",
    )
    assert.equal(answer.contentType, undefined)
    expectOk(await client.createDynamic('a.didx'), 1)
    assert.equal((await client.createDynamic('a.didx')).status, 400)
  })
})

suite('incremental backups', () => {
  const group = 'vm/900'
  let chunks: TestChunk[]

  before(async () => {
    chunks = await Promise.all([1, 2, 3].map((byte) => chunkOf(Buffer.alloc(PIECE, byte), true)))
    await backUpImage(chunks, await openNew(1_700_000_000, group))
  })

  test('use chunks of the previous snapshot after its index was fetched', async () => {
    const { client } = await openNew(1_700_000_100, group)
    await using _client = client
    expectOk(await client.call('GET', '/previous_backup_time'), 1_700_000_000)
    expectOk(await client.createFixed('disk.img.fidx', 3 * PIECE), 1)
    const [first] = chunks
    const entry = { digest: first!.digest, offset: 0 }
    expectError(await client.append('fixed', 1, [entry]), `no such chunk ${first!.digest}`)
    const query = { 'archive-name': 'disk.img.fidx' }
    const previous = await client.call('GET', '/previous', { query })
    assert.equal(previous.body.length, 4096 + 3 * 32)
    assert.equal(previous.contentType, 'application/octet-stream')
    expectOk(await client.append('fixed', 1, [entry]))
    const missing = await client.call('GET', '/previous', { query: { 'archive-name': 'x.blob' } })
    assert.equal(missing.status, 404)
    assert.match(missing.text, /^open file "[^"]*\/x\.blob" failed - not found$/)
    expectError(
      await client.call('GET', '/previous', { query: { 'archive-name': 'x.txt' } }),
      'unknown archive type: "x.txt"',
    )
  })

  test('clone the previous index when its checksum is known', async () => {
    await latestTask(server.paths.tasks, 'vm-900')
    const session = await openNew(1_700_000_200, group)
    const { client } = session
    const csum = fixedCsum(chunks)
    const wrong = '0'.repeat(64)
    expectError(
      await client.createFixed('disk.img.fidx', 3 * PIECE, wrong),
      `expected csum (${wrong}) doesn't match last backup's (${csum}), cannot do incremental backup`,
    )
    expectError(
      await client.createFixed('other.img.fidx', 3 * PIECE, csum),
      'cannot reuse index - no previous backup exists for archive',
    )
    expectOk(await client.createFixed('disk.img.fidx', 3 * PIECE, csum), 1)
    const changed = await chunkOf(Buffer.alloc(PIECE, 9), true)
    expectOk(await client.uploadChunk('fixed', 1, changed), changed.digest)
    expectOk(await client.append('fixed', 1, [{ digest: changed.digest, offset: PIECE }]))
    const merged = fixedCsum([chunks[0]!, changed, chunks[2]!])
    const close = { wid: 1, chunkCount: 1, size: PIECE, csum: merged }
    expectOk(await client.closeIndex('fixed', close))
    await finishWith(session, [{ filename: 'disk.img.fidx', size: 3 * PIECE, csum: merged }])
  })

  test('start anew where there is no previous snapshot', async () => {
    const { client } = await openNew()
    await using _client = client
    expectOk(await client.call('GET', '/previous_backup_time'), null)
    const query = { 'archive-name': 'index.json.blob' }
    expectError(await client.call('GET', '/previous', { query }), 'no valid previous backup')
    expectError(
      await client.createFixed('a.fidx', PIECE, '0'.repeat(64)),
      'cannot reuse index - no valid previous backup exists',
    )
  })

  test('of a missing known chunk fail, flag the base, and the next one sends everything', async () => {
    const group = 'host/damaged'
    const chunk = await chunkOf(Buffer.alloc(PIECE, 77), true)
    await backUpImage([chunk], await openNew(1_700_000_000, group))
    const { rm } = await import('node:fs/promises')
    const { digest } = chunk
    await rm(join(server.storePath('store1'), '.chunks', digest.slice(0, 4), digest))
    const second = await openNew(1_700_000_100, group)
    const query = { 'archive-name': 'disk.img.fidx' }
    assert.equal((await second.client.call('GET', '/previous', { query })).status, 400)
    await second.client.close()
    await latestTask(server.paths.tasks, 'host-damaged')
    const third = await openNew(1_700_000_200, group)
    await using _client = third.client
    expectOk(await third.client.call('GET', '/previous_backup_time'), null)
  })
})

suite('blobs and finish', () => {
  test('compare the length of the whole body, the header and the CRC', async () => {
    const { client } = await openNew()
    await using _client = client
    const blob = await encodeBlob(Buffer.from('content'), { compress: false })
    const upload = (bytes: Uint8Array, size = bytes.length, name = 'x.blob') =>
      client.call('POST', '/blob', {
        query: { 'file-name': name, 'encoded-size': size },
        body: bytes,
      })
    expectError(await upload(blob, 12), `got blob with unexpected length (12 != ${blob.length})`)
    expectError(await upload(blob, 100), `got blob with unexpected length (100 != ${blob.length})`)
    expectError(await upload(blob, blob.length, 'x.txt'), "wrong blob file extension: 'x.txt'")
    const bad = Buffer.from(blob)
    bad.writeUInt8(bad.readUInt8(13) ^ 1, 13)
    expectError(await upload(bad), 'Data blob has wrong CRC checksum.')
    expectError(await upload(Buffer.alloc(20)), 'unable to parse raw blob - wrong magic')
    expectOk(await upload(blob))
    expectOk(await upload(blob))
  })

  test('refuse to finish without files, and anything after finish', async () => {
    const session = await openNew()
    const { client } = session
    expectError(await client.finish(), 'backup does not contain valid files (file count == 0)')
    const blob = await encodeBlob(Buffer.from('content'), { compress: false })
    const { group, time } = session
    expectOk(await client.uploadBlob('index.json.blob', await manifestBlob({ group, time }, [])))
    expectOk(await client.finish())
    const text = 'backup already marked as finished.'
    expectError(await client.finish(), text)
    expectError(await client.createDynamic('a.didx'), text)
    expectError(await client.uploadBlob('late.blob', blob), text)
    expectError(await client.uploadChunk('dynamic', 1, await chunkOf(Buffer.from('late'))), text)
    expectOk(await client.call('GET', '/previous_backup_time'), null)
    expectOk(await client.call('POST', '/speedtest', { body: Buffer.alloc(MIB) }))
    await client.close()
    const log = await latestTask(server.paths.tasks, group.replace('/', '-'))
    assert.match(log, /backup finished successfully\n.*TASK OK$/)
  })

  test('count blobs and chunks into the manifest', async () => {
    const session = await openNew()
    const { client, group, time } = session
    const note = await encodeBlob(Buffer.from('a note'), { compress: false })
    expectOk(await client.uploadBlob('note.conf.blob', note))
    const chunk = await chunkOf(Buffer.from(`once ${group}`))
    expectOk(await client.createDynamic('a.didx'), 1)
    await client.uploadChunk('dynamic', 1, chunk)
    await client.uploadChunk('dynamic', 1, chunk)
    expectOk(await client.append('dynamic', 1, [{ digest: chunk.digest, offset: 0 }]))
    const csum = dynamicCsum([chunk])
    const { size } = chunk
    expectOk(await client.closeIndex('dynamic', { wid: 1, chunkCount: 1, size, csum }))
    const manifest = await manifestBlob({ group, time }, [{ filename: 'a.didx', size, csum }])
    expectOk(await client.uploadBlob('index.json.blob', manifest))
    expectOk(await client.finish())
    await client.close()
    const path = join(server.storePath('store1'), group, '2023-11-14T22:13:20Z/index.json.blob')
    const plain = await decodeBlob(readFileSync(path), { checkCrc: true })
    const { unprotected } = JSON.parse(Buffer.from(plain).toString()) as { unprotected: unknown }
    assert.deepEqual(unprotected, {
      chunk_upload_stats: {
        count: 2,
        size: 2 * size + note.length + manifest.length,
        compressed_size: 2 * chunk.blob.length,
        duplicates: 1,
      },
    })
  })

  test('of a broken manifest fail with the reason, and nothing stays', async () => {
    const { client, group } = await openNew()
    const bad = await encodeBlob(Buffer.from('no json'), { compress: false })
    expectOk(await client.uploadBlob('index.json.blob', bad))
    const answer = await client.finish()
    assert.equal(answer.status, 400)
    assert.match(
      answer.text,
      /^unable to update manifest blob - unable to parse backup manifest json - /,
    )
    await client.close()
    await latestTask(server.paths.tasks, group.replace('/', '-'))
    assert.ok(!existsSync(join(server.storePath('store1'), group)))
  })
})

suite('requests', () => {
  test('for unknown paths, methods and illegal parts', async () => {
    const { client } = await openNew()
    await using _client = client
    expectError(await client.call('GET', '/foo'), "Path '/foo' not found.", 404)
    expectError(await client.call('GET', '/finish'), "Path '/finish' not found.", 404)
    expectError(await client.call('POST', '//foo//bar'), "Path '/foo/bar' not found.", 404)
    const illegal = await client.call('GET', '/.hidden')
    expectError(illegal, 'path contains illegal components')
    assert.equal(illegal.contentType, undefined)
    const root = await client.call('GET', '/')
    assert.deepEqual(
      (root.data as { subdir: string }[]).map(({ subdir }) => subdir),
      'blob dynamic_chunk dynamic_close dynamic_index finish fixed_chunk fixed_close fixed_index previous previous_backup_time speedtest'.split(
        ' ',
      ),
    )
  })

  test('with wrong parameters get the texts of the page', async () => {
    const { client } = await openNew()
    await using _client = client
    const prefix = 'parameter verification failed'
    expectError(
      await client.call('POST', '/fixed_close', { query: { wid: 0 } }),
      `${prefix} - 'wid': value must have a minimum value of 1 (got 0)`,
    )
    expectError(
      await client.call('POST', '/dynamic_close', { json: { wid: 1 } }),
      ['chunk-count', 'csum', 'size'].reduce(
        (text, name) => `${text}\n- '${name}': property is missing and it is not optional`,
        `${prefix}:`,
      ),
    )
    expectError(
      await client.call('GET', '/previous_backup_time', { query: { x: 1 } }),
      `${prefix} - 'x': schema does not allow additional properties.`,
    )
    const upper = 'AB'.repeat(32)
    const query = { digest: upper, size: 1, 'encoded-size': 13, wid: 1 }
    expectError(
      await client.call('POST', '/dynamic_chunk', { query, body: Buffer.alloc(13) }),
      `${prefix} - 'digest': value does not match the regex pattern`,
    )
    const raw = await client.session.request('POST', '/finish', { contentType: 'text/plain' })
    assert.equal(raw.body.toString(), 'unsupported content type Ok("text/plain")')
  })

  test('with a body of parameters past the limit', async () => {
    const { client } = await openNew()
    await using _client = client
    const body = Buffer.alloc(2 * MIB, 'a')
    expectError(await client.call('POST', '/dynamic_index', { body }), 'Request body too large')
    expectOk(await client.call('GET', '/previous_backup_time'))
  })
})

suite('reader sessions', () => {
  const snapshot = { group: 'vm/901', time: 1_700_000_000 }
  let chunks: TestChunk[]

  before(async () => {
    chunks = await Promise.all(
      Array.from({ length: 12 }, (_, index) => chunkOf(Buffer.alloc(PIECE, `${index} `))),
    )
    await backUpImage(chunks, await openNew(snapshot.time, snapshot.group))
  })

  async function open() {
    const { target, authorization } = server
    return await openReaderSession({ target, authorization, ...snapshot })
  }

  test('give chunks only after their index was fetched on the same connection', async () => {
    await using reader = await open()
    await using other = await open()
    const [{ digest, blob }] = chunks as [TestChunk]
    const get = (client: typeof reader) => client.call('GET', '/chunk', { query: { digest } })
    expectError(await get(reader), `download chunk ${digest} not allowed`, 401)
    const query = { 'file-name': 'disk.img.fidx' }
    assert.equal((await reader.call('GET', '/download', { query })).status, 200)
    assert.ok((await get(reader)).body.equals(blob))
    expectError(await get(other), `download chunk ${digest} not allowed`, 401)
  })

  test('serve many chunks at once, also twice', async () => {
    await using reader = await open()
    await reader.call('GET', '/download', { query: { 'file-name': 'disk.img.fidx' } })
    const wanted = [...chunks, ...chunks, ...chunks]
    const answers = await Promise.all(
      wanted.map(({ digest }) => reader.call('GET', '/chunk', { query: { digest } })),
    )
    for (const [index, answer] of answers.entries()) {
      assert.ok(answer.body.equals(wanted[index]!.blob))
    }
  })

  test('say what is missing', async () => {
    await using reader = await open()
    const download = (name: string) =>
      reader.call('GET', '/download', { query: { 'file-name': name } })
    const missing = await download('x.blob')
    assert.equal(missing.status, 404)
    assert.match(missing.text, /^open file "[^"]*\/x\.blob" failed - not found$/)
    expectError(await download('x.txt'), 'unknown archive type: "x.txt"')
    assert.match((await download('x.fidx')).text, /^Unable to open fixed index "/)
    assert.equal((await reader.call('GET', '/speedtest')).body.length, MIB)
    const root = await reader.call('GET', '/')
    assert.deepEqual(root.data, [
      { subdir: 'chunk' },
      { subdir: 'download' },
      { subdir: 'speedtest' },
    ])
  })
})
