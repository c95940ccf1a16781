import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { FaultFileSystem } from '../../../test/support/fault-file-system.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { Log } from '../../base/log.ts'
import { encodeChunk } from '../../formats/chunk.ts'
import type { Digest } from '../../formats/digest.ts'
import { ChunkCache } from './chunk-cache.ts'

/** Bytes of each test chunk. */
const SIZE = 1000

async function makeRig(context: TestContext, options: { readonly fs?: FileSystem } = {}) {
  const folder = `${await makeTemporaryFolder(context)}/cache`
  const clock = new FakeClock()
  const lines: string[] = []
  const warn = (message: string): void => void lines.push(message)
  const log: Log = { debug() {}, info() {}, warn, error: warn }
  const open = async (bytesMax: number | null = 3 * SIZE): Promise<ChunkCache> => {
    const fs = options.fs ?? nodeFileSystem
    return await ChunkCache.open(fs, { folder, bytesMax, clock, log })
  }
  return { folder, clock, lines, open }
}

/** A chunk of SIZE bytes, encoded. */
async function makeChunk(number: number) {
  const plain = Buffer.alloc(SIZE - 12, `${number} `)
  return await encodeChunk(plain, { compress: false })
}

async function keep(cache: ChunkCache, { digest, blob }: { digest: Digest; blob: Uint8Array }) {
  await using copy = cache.stage(digest, blob)
  await copy?.publish()
}

async function readCopy(cache: ChunkCache, digest: Digest): Promise<Buffer | null> {
  const copy = await cache.read(digest)
  return copy === null ? null : Buffer.from(copy)
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .toSorted()
}

suite('ChunkCache', () => {
  test('keeps the copies that were used last, within its bytes', async (context) => {
    const { folder, open } = await makeRig(context)
    const cache = await open()
    const chunks = await Promise.all([1, 2, 3, 4].map(makeChunk))
    const [one, two, three, four] = chunks
    assert.ok(one && two && three && four)
    for (const chunk of [one, two, three]) await keep(cache, chunk)
    assert.equal(cache.size, 3 * SIZE)
    assert.deepEqual(await readCopy(cache, one.digest), Buffer.from(one.blob))
    await keep(cache, four)
    assert.equal(cache.size, 3 * SIZE)
    assert.equal(await cache.read(two.digest), null)
    assert.deepEqual(filesOf(folder), [one, three, four].map(({ digest }) => digest).toSorted())
    await cache.close()
  })

  test('the order of use survives a restart', async (context) => {
    const { open } = await makeRig(context)
    const first = await open()
    const [one, two, three, four] = await Promise.all([1, 2, 3, 4].map(makeChunk))
    assert.ok(one && two && three && four)
    for (const chunk of [one, two, three]) await keep(first, chunk)
    await first.read(one.digest)
    await first.close()
    const second = await open()
    assert.equal(second.size, 3 * SIZE)
    await keep(second, four)
    assert.equal(second.has(one.digest), true)
    assert.equal(second.has(two.digest), false)
    await second.close()
  })

  test('what a crash left is found without an order, and temporaries go', async (context) => {
    const { folder, open } = await makeRig(context)
    const first = await open()
    const [one, two] = await Promise.all([1, 2].map(makeChunk))
    assert.ok(one && two)
    await keep(first, one)
    writeFileSync(`${folder}/${one.digest.slice(0, 2)}/${two.digest}.tmp_abcdef`, 'half')
    writeFileSync(`${folder}/order.tmp_abcdef`, 'half')
    writeFileSync(`${folder}/order`, 'nonsense')
    const second = await open()
    assert.equal(second.size, SIZE)
    assert.deepEqual(await readCopy(second, one.digest), Buffer.from(one.blob))
    assert.deepEqual(filesOf(folder), [one.digest, 'order'].toSorted())
    await first.close()
    await second.close()
  })

  // races.md R-33: evicted between open and read.
  test('a reader that has the copy open reads it whole', async (context) => {
    const { folder, open } = await makeRig(context)
    const cache = await open(SIZE)
    const [one, two] = await Promise.all([1, 2].map(makeChunk))
    assert.ok(one && two)
    await keep(cache, one)
    const path = `${folder}/${one.digest.slice(0, 2)}/${one.digest}`
    await using handle = await nodeFileSystem.open(path, 'read')
    await keep(cache, two)
    assert.equal(existsSync(path), false)
    const bytes = new Uint8Array(SIZE)
    assert.equal(await handle.read(bytes, 0), SIZE)
    assert.deepEqual(Buffer.from(bytes), Buffer.from(one.blob))
    await cache.close()
  })

  test('room for one, two readers in turn: each gets a whole chunk or none', async (context) => {
    const { open } = await makeRig(context)
    const cache = await open(SIZE)
    const chunks = await Promise.all([1, 2].map(makeChunk))
    const turns = Array.from({ length: 200 }, async (_, turn) => {
      const chunk = chunks[turn % 2]
      assert.ok(chunk)
      const copy = await cache.read(chunk.digest)
      if (copy === null) await keep(cache, chunk)
      else assert.deepEqual(Buffer.from(copy), Buffer.from(chunk.blob))
    })
    await Promise.all(turns)
    await cache.close()
    assert.ok(cache.size <= SIZE)
  })

  for (const errno of ['ENOSPC', 'EDQUOT', 'EIO']) {
    test(`${errno}: no copies for a while, one line in the log, no error`, async (context) => {
      const faulty = new FaultFileSystem(nodeFileSystem)
      const { folder, clock, lines, open } = await makeRig(context, { fs: faulty.fs })
      const cache = await open()
      const [one, two] = await Promise.all([1, 2].map(makeChunk))
      assert.ok(one && two)
      faulty.plan({ at: 1, name: 'handle.write', errno })
      await keep(cache, one)
      await keep(cache, two)
      assert.equal(cache.count, 0)
      assert.deepEqual(lines, ['cannot write a copy of a chunk: none is kept for a while'])
      assert.deepEqual(filesOf(folder), [])
      await clock.advance(60_000)
      await keep(cache, two)
      assert.equal(cache.count, 1)
      await cache.close()
    })
  }

  test('leaves what other files need of the disk', async (context) => {
    const state = { available: 10 * 1024 ** 3 }
    const usage = async () => ({ total: 100 * 1024 ** 3, used: 0, available: state.available })
    const fs: FileSystem = { ...nodeFileSystem, usage }
    const { open } = await makeRig(context, { fs })
    const cache = await open(null)
    const [one, two] = await Promise.all([1, 2].map(makeChunk))
    assert.ok(one && two)
    await keep(cache, one)
    assert.equal(cache.count, 1)
    await cache.close()
    state.available = 1024 ** 3 - 1
    const later = await open(null)
    await keep(later, two)
    assert.equal(later.has(one.digest), false, 'evicted for room')
    await later.close()
  })

  test('a smaller bound takes effect at once', async (context) => {
    const { open } = await makeRig(context)
    const cache = await open()
    for (const chunk of await Promise.all([1, 2, 3].map(makeChunk))) await keep(cache, chunk)
    cache.resize(SIZE)
    await cache.idle()
    assert.equal(cache.size, SIZE)
    cache.resize(SIZE - 1)
    await cache.idle()
    assert.equal(cache.size, 0)
    await keep(cache, await makeChunk(4))
    assert.equal(cache.size, 0)
    await cache.close()
  })

  test('a copy that is not published leaves nothing', async (context) => {
    const { folder, open } = await makeRig(context)
    const cache = await open()
    const { digest, blob } = await makeChunk(1)
    const copy = cache.stage(digest, blob)
    await copy?.[Symbol.asyncDispose]()
    await copy?.publish()
    assert.equal(cache.count, 0)
    assert.deepEqual(filesOf(folder), [])
    await cache.close()
  })

  test('fill() keeps all that a reader has ahead, each once, and its bytes are the caller’s again', async (context) => {
    const { folder, open } = await makeRig(context)
    const cache = await open(20 * SIZE)
    const chunks = await Promise.all(
      Array.from({ length: 8 }, (_none, number) => makeChunk(number)),
    )
    for (const { digest, blob } of [...chunks, ...chunks]) {
      const given = new Uint8Array(blob)
      cache.fill(digest, given)
      given.fill(0)
    }
    await cache.idle()
    assert.equal(cache.count, 8)
    for (const { digest, blob } of chunks) {
      assert.deepEqual(await readCopy(cache, digest), Buffer.from(blob))
    }
    assert.equal(filesOf(folder).length, 8)
  })

  test('fill() leaves what would wait in too much memory', async (context) => {
    const { open } = await makeRig(context)
    const cache = await open(null)
    const blob = new Uint8Array(12 << 20)
    const { digest } = await makeChunk(0)
    const others = Array.from(
      { length: 7 },
      (_none, index) => `${index}${digest.slice(1)}` as Digest,
    )
    for (const other of others) cache.fill(other, blob)
    await cache.idle()
    assert.equal(cache.count, 5)
  })

  test('a nameless file is there for its holder alone', async (context) => {
    const { folder, open } = await makeRig(context)
    const cache = await open()
    await using handle = await cache.openNameless()
    assert.deepEqual(filesOf(folder), [])
    await handle.write(Uint8Array.of(1, 2, 3), 0)
    const bytes = new Uint8Array(3)
    assert.equal(await handle.read(bytes, 0), 3)
    await cache.close()
  })
})
