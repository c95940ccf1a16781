import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { BufferPool } from './buffer-pool.ts'
import { deviceSize, openImage } from './image-source.ts'

const KIB = 1024

async function readAll(path: string, chunkSize: number) {
  await using image = await openImage(path)
  const pool = new BufferPool({ size: chunkSize, countMax: 2 })
  const pieces: Buffer[] = []
  let holeCount = 0
  for await (const chunk of image.chunks(pool, chunkSize)) {
    pieces.push(Buffer.from(chunk.bytes))
    if (chunk.isZero === true) holeCount += 1
    chunk.release()
  }
  return { size: image.size, pieces, bytes: Buffer.concat(pieces), holeCount }
}

suite('openImage()', () => {
  test('cuts a file into chunks, the last one short', async (context) => {
    const path = join(await makeTemporaryFolder(context), 'image')
    const content = Buffer.alloc(10 * KIB + 7, 'abcdefg')
    await writeFile(path, content)
    const { size, pieces, bytes } = await readAll(path, 4 * KIB)
    assert.equal(size, content.length)
    assert.deepEqual(
      pieces.map((piece) => piece.length),
      [4 * KIB, 4 * KIB, 2 * KIB + 7],
    )
    assert.deepEqual(bytes, content)
  })

  test('gives the same bytes of a sparse file without reading its holes', async (context) => {
    const folder = await makeTemporaryFolder(context, { onDisk: true })
    const path = join(folder, 'sparse')
    await using file = await open(path, 'w')
    await file.truncate(1024 * KIB)
    await file.write(Buffer.from('data'), 0, 4, 300 * KIB)
    await file.write(Buffer.from('more'), 0, 4, 1000 * KIB)
    const { bytes, holeCount } = await readAll(path, 64 * KIB)
    const expected = Buffer.alloc(1024 * KIB)
    expected.write('data', 300 * KIB)
    expected.write('more', 1000 * KIB)
    assert.deepEqual(bytes, expected)
    assert.equal(holeCount, 14)
  })

  // A read in libuv's pool cannot be taken back: Ctrl-C and a lost server left the client hanging.
  test('lets go of a pipe whose writer is silent, or never came', async (context) => {
    const path = join(await makeTemporaryFolder(context), 'pipe')
    spawnSync('mkfifo', [path])
    const pool = new BufferPool({ size: 4 * KIB, countMax: 2 })
    for (const writes of [false, true]) {
      const image = await openImage(path)
      await using writer = writes ? await open(path, 'r+') : null
      await writer?.write(Buffer.alloc(5 * KIB))
      const chunks = image.chunks(pool, 4 * KIB)
      if (writes) assert.equal((await chunks.next()).value?.bytes.length, 4 * KIB)
      const silent = assert.rejects(chunks.next(), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
      await image[Symbol.asyncDispose]()
      await silent
    }
  })

  test('reads a pipe to its end, its size unknown', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const path = join(folder, 'pipe')
    spawnSync('mkfifo', [path])
    const writing = writeFile(path, Buffer.alloc(9 * KIB, 'x'))
    const { size, pieces } = await readAll(path, 4 * KIB)
    await writing
    assert.equal(size, null)
    assert.deepEqual(
      pieces.map((piece) => piece.length),
      [4 * KIB, 4 * KIB, KIB],
    )
  })

  test('refuses what is missing or empty', async (context) => {
    const folder = await makeTemporaryFolder(context)
    await writeFile(join(folder, 'empty'), '')
    await assert.rejects(openImage(join(folder, 'empty')), { code: 'SOURCE_EMPTY' })
    await assert.rejects(openImage(join(folder, 'nothere')), {
      message: /^unable to access '.*' - No such file or directory \(os error 2\)$/,
    })
  })

  test('notices that a file became shorter', async (context) => {
    const path = join(await makeTemporaryFolder(context), 'image')
    await writeFile(path, Buffer.alloc(8 * KIB, 1))
    await using image = await openImage(path)
    await using file = await open(path, 'r+')
    await file.truncate(5 * KIB)
    const pool = new BufferPool({ size: 4 * KIB, countMax: 2 })
    const chunks = image.chunks(pool, 4 * KIB)
    await chunks.next()
    await assert.rejects(chunks.next(), { code: 'SOURCE_SIZE_CHANGED' })
  })
})

suite('deviceSize()', () => {
  const SIZE = 10 * 2 ** 30 + 512

  /** Reads as a device does, without a descriptor to seek on. */
  function device(failsAt: (position: number) => string | null) {
    const read = async (_buffer: unknown, _offset: unknown, _length: unknown, position: number) => {
      const code = failsAt(position)
      if (code !== null) throw Object.assign(new Error(`${code}: failed`), { code, errno: -1 })
      return await Promise.resolve({ bytesRead: position < SIZE ? 1 : 0 })
    }
    return { fd: -1, read } as never
  }

  test('finds the last byte where seeking is not to be had', async () => {
    const isBeyond = (position: number) => position > 2 ** 50
    const size = await deviceSize(device((position) => (isBeyond(position) ? 'EINVAL' : null)))
    assert.equal(size, SIZE)
  })

  test('takes no bad sector for the end', async () => {
    const bad = device((position) => (position < SIZE && position > 2 ** 30 ? 'EIO' : null))
    await assert.rejects(deviceSize(bad), { code: 'EIO' })
  })
})
