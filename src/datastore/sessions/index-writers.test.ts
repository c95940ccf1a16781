/** The two index writers: texts and orders of backup-protocol.md 4.5–4.10, bytes of the files. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { backUp, begin, makeTestStore, writeManifest } from '../../../test/support/test-store.ts'
import type { Digest } from '../../formats/digest.ts'
import { decodeDynamicIndex } from '../../formats/dynamic-index.ts'
import { decodeFixedIndex } from '../../formats/fixed-index.ts'
import type { BackupWriter } from './backup-writer.ts'

const DAY_1 = 1_767_225_600
const DAY_2 = DAY_1 + 86_400
const MIB4 = 4 << 20
const NO_STATS = { count: 0, size: 0, compressed_size: 0, duplicates: 0 }

/** A digest that the session is told it has, without a chunk behind it. */
function know(writer: BackupWriter, number: number, size: number): Digest {
  const digest = createHash('sha256').update(String(number)).digest('hex') as Digest
  writer.digests.register(digest, { size, origin: 'written' })
  writer.digests.allow(digest, size)
  return digest
}

function csumOf(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(typeof part === 'string' ? Buffer.from(part, 'hex') : part)
  return hash.digest('hex')
}

async function session(context: TestContext): Promise<BackupWriter> {
  const { store } = await makeTestStore(context)
  const writer = await begin(store, DAY_1)
  context.after(async () => await writer.abort())
  return writer
}

suite('DynamicIndexWriter', () => {
  test('appends in order, closes with the right values, and is what it says', async (context) => {
    const writer = await session(context)
    const index = await writer.createDynamicIndex('root.pxar.didx')
    assert.equal(index.relativePath, 'host/web1/2026-01-01T00:00:00Z/root.pxar.tmp_didx')
    const [a, b] = [know(writer, 1, 10), know(writer, 2, 20)]
    const name = "dynamic writer 'root.pxar.didx'"
    await assert.rejects(index.append([a], []), {
      message: 'offset list has wrong length (0 != 1)',
    })
    const seen: unknown[] = []
    await index.append([a, b], [0, 10], (...pair) => void seen.push(pair))
    assert.deepEqual(seen, [
      [a, 0, 10],
      [b, 10, 20],
    ])
    await assert.rejects(index.append([a, 'ff'.repeat(32) as Digest], [30, 40]), {
      message: `no such chunk ${'ff'.repeat(32)}`,
    })
    assert.equal(index.count, 3, 'pairs before a failing one stay')
    await assert.rejects(index.append([a], [0]), {
      message: `${name} append chunk failed - got strange chunk offset (40 != 0)`,
    })
    const end = (value: number): Uint8Array => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64LE(BigInt(value))
      return bytes
    }
    const csum = csumOf(end(10), a, end(30), b, end(40), a)
    const close = async (chunkCount: number, size: number, text: string) =>
      await index.close({ chunkCount, size, csum: text })
    await assert.rejects(close(2, 40, csum), {
      message: `${name} close failed - unexpected chunk count (3 != 2)`,
    })
    await assert.rejects(close(3, 41, csum), {
      message: `${name} close failed - unexpected file size (40 != 41)`,
    })
    await assert.rejects(close(3, 40, 'abcd'), { message: 'Invalid string length' })
    const closed = await close(3, 40, csum.toUpperCase())
    assert.equal(closed.csum, csum)
    const decoded = decodeDynamicIndex(readFileSync(`${writer.path}/root.pxar.didx`))
    assert.deepEqual([...decoded.digests()], [a, b, a])
    assert.equal(decoded.size, 40)
    assert.equal(Buffer.from(decoded.headerCsum).toString('hex'), csum)
    assert.equal(Buffer.from(decoded.uuid).toString('hex'), closed.uuid)
    assert.equal(existsSync(`${writer.path}/root.pxar.tmp_didx`), false)
  })

  test('a wrong checksum publishes nothing, and the session cannot finish', async (context) => {
    const writer = await session(context)
    const index = await writer.createDynamicIndex('root.pxar.didx')
    const a = know(writer, 1, 10)
    await index.append([a], [0])
    const name = "dynamic writer 'root.pxar.didx'"
    const request = { chunkCount: 1, size: 10, csum: '00'.repeat(32) }
    await assert.rejects(index.close(request), {
      message: `${name} close failed - got unexpected checksum`,
    })
    await assert.rejects(index.close(request), { message: `${name} close failed - already closed` })
    await assert.rejects(index.append([a], [10]), {
      message: `${name} append chunk failed - already closed`,
    })
    assert.throws(() => index.noteUpload(), {
      message: `${name} register chunk failed - already closed`,
    })
    assert.equal(existsSync(`${writer.path}/root.pxar.didx`), false)
    await writeManifest(writer)
    await assert.rejects(writer.finish(NO_STATS), {
      message: 'found open index writer - unable to finish backup',
    })
  })

  test('many entries are written as they come, in order', async (context) => {
    const writer = await session(context)
    const index = await writer.createDynamicIndex('root.pxar.didx')
    const digests = Array.from({ length: 50 }, (_, number) => know(writer, number, 3))
    const hash = createHash('sha256')
    const appends: Promise<void>[] = []
    let end = 0
    for (let round = 0; round < 2_000; round += 1) {
      const offsets = digests.map((_, number) => end + 3 * number)
      for (const digest of digests) {
        end += 3
        const bytes = Buffer.alloc(8)
        bytes.writeBigUInt64LE(BigInt(end))
        hash.update(bytes).update(Buffer.from(digest, 'hex'))
      }
      // Not awaited one by one: calls take effect in the order they are made.
      appends.push(index.append(digests, offsets))
    }
    await Promise.all(appends)
    await index.close({ chunkCount: 100_000, size: end, csum: hash.digest('hex') })
    const file = readFileSync(`${writer.path}/root.pxar.didx`)
    assert.equal(file.length, 4096 + 40 * 100_000)
    const decoded = decodeDynamicIndex(file)
    assert.deepEqual(Buffer.from(decoded.computeCsum()), Buffer.from(decoded.headerCsum))
  })

  test('other extensions and unsafe names are refused', async (context) => {
    const writer = await session(context)
    await assert.rejects(writer.createDynamicIndex('a.fidx'), {
      message: "wrong archive extension: 'a.fidx'",
    })
    await assert.rejects(writer.createDynamicIndex('../a.didx'), { code: 'FILE_NAME_INVALID' })
  })
})

suite('FixedIndexWriter', () => {
  test('any order; checks of each pair in stock order', async (context) => {
    const writer = await session(context)
    const size = 2 * MIB4 + 100
    const index = await writer.createFixedIndex('d.img.fidx', { size, reuseCsum: null })
    assert.equal(statSync(`${writer.path}/d.img.tmp_fidx`).size, 4096 + 3 * 32)
    const [a, b, tail] = [know(writer, 1, MIB4), know(writer, 2, MIB4), know(writer, 3, 100)]
    const fails = async (digest: Digest, offset: number, message: string): Promise<void> =>
      await assert.rejects(index.append([digest], [offset]), { message })
    await fails('ee'.repeat(32) as Digest, 0, `no such chunk ${'ee'.repeat(32)}`)
    await fails(a, 2 * MIB4, `refusing to resize from ${size} to ${3 * MIB4}`)
    await fails(tail, 0, 'chunk with unexpected length (100 != 4194304')
    await fails(a, 7, 'got unaligned chunk (pos = 7)')
    await index.append([tail, b, a], [2 * MIB4, MIB4, 0])
    const name = "fixed writer 'd.img.fidx'"
    const csum = csumOf(a, b, tail)
    const closeFails = async (chunkCount: number, given: number, message: string): Promise<void> =>
      await assert.rejects(index.close({ chunkCount, size: given, csum }), { message })
    await closeFails(2, size, `${name} close failed - received wrong number of chunk (3 != 2)`)
    await closeFails(
      3,
      size - 1,
      `${name} close failed - unexpected file size (${size} != ${size - 1})`,
    )
    await index.close({ chunkCount: 3, size, csum })
    const decoded = decodeFixedIndex(readFileSync(`${writer.path}/d.img.fidx`))
    assert.deepEqual([...decoded.digests()], [a, b, tail])
    assert.equal(decoded.size, size)
    assert.deepEqual(Buffer.from(decoded.computeCsum()), Buffer.from(decoded.headerCsum))
  })

  test('uploads of wrong sizes have stock texts', async (context) => {
    const writer = await session(context)
    const index = await writer.createFixedIndex('d.img.fidx', { size: MIB4, reuseCsum: null })
    index.noteUpload({ wid: 1, size: MIB4 })
    index.noteUpload({ wid: 1, size: 5 })
    assert.throws(() => index.noteUpload({ wid: 1, size: 6 }), {
      message: "fixed writer '1' - detected multiple end chunks (chunk size too small)",
    })
    assert.throws(() => index.noteUpload({ wid: 1, size: MIB4 + 1 }), {
      message: "fixed writer 'd.img.fidx' - got large chunk (4194305 > 4194304",
    })
  })

  test('a repeated position counts twice, and a slot left empty fails finish', async (context) => {
    const writer = await session(context)
    const index = await writer.createFixedIndex('d.img.fidx', { size: 2 * MIB4, reuseCsum: null })
    const a = know(writer, 1, MIB4)
    await index.append([a, a], [0, 0])
    const csum = csumOf(a, new Uint8Array(32))
    await index.close({ chunkCount: 2, size: 2 * MIB4, csum })
    await writeManifest(writer)
    await assert.rejects(writer.finish(NO_STATS), /names no chunk for a part of its size/)
  })

  test('unknown size: grows by whole chunks until the first short one', async (context) => {
    const writer = await session(context)
    const index = await writer.createFixedIndex('d.img.fidx', { size: null, reuseCsum: null })
    assert.equal(statSync(`${writer.path}/d.img.tmp_fidx`).size, 8192)
    const [a, tail] = [know(writer, 1, MIB4), know(writer, 2, 9)]
    await index.append([a, a, tail], [0, MIB4, 2 * MIB4])
    const size = 2 * MIB4 + 9
    await assert.rejects(index.append([a], [2 * MIB4]), {
      message: `refusing to resize from ${size} to ${3 * MIB4}`,
    })
    const csum = csumOf(a, a, tail)
    await assert.rejects(index.close({ chunkCount: 3, size: 5, csum }), {
      message: `fixed writer 'd.img.fidx' close failed - unexpected size (5 != ${size})`,
    })
    await index.close({ chunkCount: 3, size, csum })
    assert.equal(decodeFixedIndex(readFileSync(`${writer.path}/d.img.fidx`)).size, size)
    const empty = await writer.createFixedIndex('e.img.fidx', { size: null, reuseCsum: null })
    await assert.rejects(empty.close({ chunkCount: 0, size: 0, csum: csumOf() }), {
      message: 'fidx file must have at least one chunk',
    })
    await assert.rejects(empty.append([a], [0]), { message: 'cannot write to closed index file.' })
  })

  test('sizes beyond all bounds are refused', async (context) => {
    const writer = await session(context)
    const created = writer.createFixedIndex('d.img.fidx', { size: 2 ** 50, reuseCsum: null })
    await assert.rejects(created, { message: 'EFBIG: File too large' })
    assert.equal(existsSync(`${writer.path}/d.img.tmp_fidx`), false)
  })

  test('reuse-csum: the texts, and the clone counts as relied on', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const first = await begin(store, DAY_2)
    await assert.rejects(first.createFixedIndex('d.img.fidx', { size: 1, reuseCsum: 'x' }), {
      message: 'cannot reuse index - no previous backup exists for archive',
    })
    await assert.rejects(first.createFixedIndex('d.img.fidx', { size: null, reuseCsum: 'x' }), {
      message: 'size is required for incremental backups',
    })
    const plain = Buffer.alloc(MIB4, 1)
    const { encodeChunk } = await import('../../formats/chunk.ts')
    const { digest, blob } = await encodeChunk(plain, { compress: true })
    await first.insertChunk(digest, blob, MIB4)
    const image = await first.createFixedIndex('d.img.fidx', { size: 2 * MIB4, reuseCsum: null })
    await image.append([digest, digest], [0, MIB4])
    const { csum } = await image.close({
      chunkCount: 2,
      size: 2 * MIB4,
      csum: csumOf(digest, digest),
    })
    await writeManifest(first)
    await first.finish(NO_STATS)

    const second = await begin(store, DAY_2 + 60)
    context.after(async () => await second.abort())
    const options = { size: 2 * MIB4, reuseCsum: csum }
    await assert.rejects(
      second.createFixedIndex('d.img.fidx', { ...options, reuseCsum: csum.toUpperCase() }),
      {
        message: `expected csum (${csum.toUpperCase()}) doesn't match last backup's (${csum}), cannot do incremental backup`,
      },
    )
    await assert.rejects(second.createFixedIndex('d.img.fidx', { ...options, size: MIB4 }), {
      message: 'cannot reuse index - index sizes not equal (1 != 2)',
    })
    const clone = await second.createFixedIndex('d.img.fidx', options)
    assert.ok(clone.incremental)
    assert.ok(second.digests.has(digest))
    await assert.rejects(clone.append([digest], [0]), { message: `no such chunk ${digest}` })
    await clone.close({ chunkCount: 0, size: 0, csum })
    await writeManifest(second)
    // R-11 for clones: no upload and no download ever named the chunk.
    const { rm } = await import('node:fs/promises')
    await rm(store.chunks.pathOf(digest))
    await assert.rejects(second.finish(NO_STATS), /stat known chunks failed/)
  })
})
