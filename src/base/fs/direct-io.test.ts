import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { BufferPool } from '../buffer-pool.ts'
import { readDirect, writeDirect } from './direct-io.ts'
import { DIRECT_ALIGNMENT } from './native-address.ts'
import { writeUncached, writeUncachedSync } from './native-uncached.ts'
import { nodeFileSystem as fs } from './node-file-system.ts'

const MIB = 1024 * 1024
const pool = new BufferPool({ size: 8 * MIB, sizeMin: 1, countMax: 4, isAligned: true })

/** Random bytes that begin with a page of memory. */
function aligned(size: number): Uint8Array<ArrayBuffer> {
  const { bytes } = pool.take(size)
  bytes.set(randomBytes(size))
  return bytes
}

async function openNew(context: TestContext): Promise<{ path: string; handle: FileHandle }> {
  const path = join(await makeTemporaryFolder(context, { onDisk: true }), 'file')
  const handle = await open(path, 'w+')
  context.after(async () => await handle.close())
  return { path, handle }
}

suite('writeDirect()', () => {
  test('writes whole pages, or leaves all to the cache', async (context) => {
    const { path, handle } = await openNew(context)
    const bytes = aligned(2 * MIB + 100)
    const count = await writeDirect(handle, bytes, 0)
    context.diagnostic(`${count} bytes were written directly`)
    assert.ok(count === 0 || count === 2 * MIB)
    assert.deepEqual(readFileSync(path), Buffer.from(bytes.subarray(0, count)))
    // What follows goes through the cache again: a length that no direct write takes.
    assert.equal((await handle.write(bytes, count, 100, count)).bytesWritten, 100)
  })

  test('leaves what is short, at an odd place or at an odd address', async (context) => {
    const { handle } = await openNew(context)
    const bytes = aligned(2 * MIB)
    assert.equal(await writeDirect(handle, bytes.subarray(0, MIB - 1), 0), 0)
    assert.equal(await writeDirect(handle, bytes, 100), 0)
    assert.equal(await writeDirect(handle, bytes.subarray(16), 0), 0)
    assert.equal((await handle.stat()).size, 0)
  })

  test('more at a time than a disk is kept busy with go through the cache', async (context) => {
    const opened = [await openNew(context), await openNew(context), await openNew(context)]
    const bytes = aligned(4 * MIB)
    const counts = await Promise.all(opened.map(({ handle }) => writeDirect(handle, bytes, 0)))
    assert.equal(counts[2], 0)
    // Afterwards there is room again.
    const first = opened[0]?.handle as FileHandle
    assert.equal(await writeDirect(first, bytes, 0), counts[0])
  })
})

suite('readDirect()', () => {
  test('reads what is not in the cache up to the end of the file', async (context) => {
    const { path, handle } = await openNew(context)
    const content = aligned(MIB)
    const written = await writeDirect(handle, content, 0)
    if (written === 0) return context.skip('no direct writes here')
    await handle.write(Buffer.from('tail!'), 0, 5, MIB)
    const bytes = aligned(MIB + DIRECT_ALIGNMENT)
    const count = await readDirect(handle, bytes)
    context.diagnostic(`${count} bytes were read directly`)
    assert.ok(count === 0 || count === MIB + 5)
    const expected = Buffer.concat([content, Buffer.from('tail!')])
    assert.deepEqual(Buffer.from(bytes.subarray(0, count)), expected.subarray(0, count))
    // The handle reads as always afterwards.
    const odd = new Uint8Array(6)
    assert.equal((await handle.read(odd, 0, 6, MIB - 1)).bytesRead, 6)
    assert.deepEqual(Buffer.from(odd), readFileSync(path).subarray(MIB - 1))
  })

  test('leaves what is in the cache, and buffers that do not fit', async (context) => {
    const { path, handle } = await openNew(context)
    writeFileSync(path, randomBytes(2 * MIB))
    assert.equal(await readDirect(handle, aligned(2 * MIB)), 0)
    assert.equal(await readDirect(handle, aligned(2 * MIB + 1)), 0)
    assert.equal(await readDirect(handle, aligned(4096)), 0)
  })
})

for (const write of [writeUncached, writeUncachedSync]) {
  suite(`${write.name}()`, () => {
    test('writes, or says that it cannot', async (context) => {
      const { path, handle } = await openNew(context)
      const bytes = randomBytes(MIB)
      const count = await write(handle.fd, bytes, 7)
      context.diagnostic(count === null ? 'not possible here' : `${count} bytes`)
      if (count === null) return
      assert.deepEqual(readFileSync(path).subarray(7, 7 + count), bytes.subarray(0, count))
    })

    test('leaves errors to an ordinary write', async (context) => {
      const { path } = await openNew(context)
      await using reader = await open(path, 'r')
      assert.equal(await write(reader.fd, randomBytes(MIB), 0), null)
    })
  })
}

suite('nodeFileSystem with bulk data', () => {
  const sizes = [MIB - 1, MIB, MIB + 1, 2 * MIB + 4095, 2 * MIB + 4096, 5 * MIB + 77]
  for (const size of sizes) {
    test(`writes and reads ${size} bytes, cached or not`, async (context) => {
      const path = join(await makeTemporaryFolder(context, { onDisk: true }), 'file')
      const content = aligned(size)
      {
        await using file = await fs.open(path, 'create-new')
        await file.write(content, 0)
      }
      assert.deepEqual(readFileSync(path), Buffer.from(content))
      const read = await fs.readFile(path, 16 * MIB, (length) => aligned(length))
      assert.deepEqual(Buffer.from(read), Buffer.from(content))
      await assert.rejects(fs.readFile(path, size - 1), { code: 'EFBIG' })
    })
  }
})
