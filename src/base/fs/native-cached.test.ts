import assert from 'node:assert/strict'
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { nativeCall } from './native.ts'
import { CachedFiles } from './native-cached.ts'

const FADVISE = 'int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)'
const DONT_NEED = 4

suite('CachedFiles', () => {
  test('reads what was just written, or nothing, but never a part', async (context) => {
    const folder = await makeTemporaryFolder(context, { onDisk: true })
    using files = CachedFiles.open(folder)
    if (files === null) return context.skip('needs the native seam')
    mkdirSync(join(folder, 'below'))
    const target = new Uint8Array(64 << 10)
    let readCount = 0
    for (const size of [0, 1, 4095, 4096, 4097, 12_288, 65_535, 65_536, 70_000]) {
      const content = Buffer.alloc(size, `${size} `)
      writeFileSync(join(folder, 'below', `${size}`), content)
      const count = files.read(`below/${size}`, target)
      // A file system may not be able to tell what is in memory, and a machine may need its memory for something else.
      if (count === null) continue
      readCount += 1
      assert.equal(count, Math.min(size, target.length))
      assert.deepEqual(target.subarray(0, count), new Uint8Array(content.subarray(0, count)))
    }
    context.diagnostic(`${readCount} of 9 were in memory`)
  })

  test('reads no part of a file whose rest is on disk alone', async (context) => {
    const folder = await makeTemporaryFolder(context, { onDisk: true })
    using files = CachedFiles.open(folder)
    if (files === null) return context.skip('needs the native seam')
    const half = 2 << 20
    const path = join(folder, 'file')
    writeFileSync(path, Buffer.alloc(2 * half, 'x'), { flush: true })
    const fd = openSync(path, 'r')
    context.after(() => closeSync(fd))
    nativeCall(FADVISE, [fd, half, half, DONT_NEED])
    const count = files.read('file', new Uint8Array(4 * half))
    context.diagnostic(count === null ? 'half of it was forgotten' : 'all of it was kept')
    assert.ok(count === null || count === 2 * half, `${count} bytes`)
  })

  test('takes another buffer, and leaves what it cannot read to others', async (context) => {
    const folder = await makeTemporaryFolder(context)
    using files = CachedFiles.open(folder)
    if (files === null) return context.skip('needs the native seam')
    writeFileSync(join(folder, 'file'), 'content')
    const buffers = [new Uint8Array(128), new Uint8Array(4096), new Uint8Array(256)]
    for (const target of buffers) {
      const count = files.read('file', target)
      if (count !== null) assert.equal(Buffer.from(target.subarray(0, count)).toString(), 'content')
    }
    assert.equal(files.read('none', new Uint8Array(128)), null)
    assert.equal(files.read('x'.repeat(300), new Uint8Array(128)), null)
    assert.equal(CachedFiles.open(join(folder, 'none')), null)
  })
})
