import assert from 'node:assert/strict'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { isSystemError } from '../errors.ts'
import { nodeFileSystem as fs } from './node-file-system.ts'

const isMissing = (error: unknown): boolean => isSystemError(error, 'ENOENT')

function notRoot(): string | false {
  return process.geteuid?.() === 0 ? false : 'only root gives files away'
}

suite('nodeFileSystem', () => {
  test('open modes: what must exist, what must not, what is kept', async (t) => {
    const path = join(await makeTemporaryFolder(t), 'file')
    await assert.rejects(fs.open(path, 'read'), isMissing)
    await assert.rejects(fs.open(path, 'write'), isMissing)
    {
      await using file = await fs.open(path, 'create-new')
      await file.write(Buffer.from('hello'), 0)
    }
    await assert.rejects(fs.open(path, 'create-new'), (e) => isSystemError(e, 'EEXIST'))
    {
      await using file = await fs.open(path, 'read-write-create')
      assert.equal((await file.stat()).size, 5)
    }
    {
      await using file = await fs.open(path, 'write')
      assert.equal((await file.stat()).size, 5)
    }
    await using file = await fs.open(path, 'create')
    assert.equal((await file.stat()).size, 0)
  })

  // As root: whoever owns the folder could have put a link to any file of the system in the place of ours.
  test('chown() changes a link, not what it leads to', { skip: notRoot() }, async (t) => {
    const folder = await makeTemporaryFolder(t)
    writeFileSync(join(folder, 'file'), '')
    symlinkSync('file', join(folder, 'link'))
    await fs.chown(join(folder, 'link'), 1234, 1234)
    assert.equal((await fs.stat(join(folder, 'file'))).uid, 0)
    assert.equal((await fs.lstat(join(folder, 'link'))).uid, 1234)
  })

  test('handles read up to the end, write all, cut and close twice', async (t) => {
    const path = join(await makeTemporaryFolder(t), 'file')
    const file = await fs.open(path, 'create')
    await file.writev([Buffer.from('abc'), new Uint8Array(0), Buffer.from('def')], 2)
    await file.writev([], 0)
    const buffer = new Uint8Array(10)
    assert.equal(await file.read(buffer, 1), 7)
    assert.equal(Buffer.from(buffer.subarray(0, 7)).toString(), '\0abcdef')
    assert.equal(await file.read(buffer, 8), 0)
    await file.truncate(3)
    await file.sync()
    assert.equal((await file.stat()).size, 3)
    await file.close()
    await file.close()
  })

  test('writev of more buffers than one call takes', async (t) => {
    const path = join(await makeTemporaryFolder(t), 'file')
    const buffers = Array.from({ length: 3000 }, (_unused, index) => Buffer.from(`${index},`))
    await using file = await fs.open(path, 'create')
    await file.writev(buffers, 0)
    assert.ok(Buffer.concat(buffers).equals(await fs.readFile(path)))
  })

  test('readFile() refuses what is larger than allowed', async (t) => {
    const path = join(await makeTemporaryFolder(t), 'file')
    writeFileSync(path, '12345')
    assert.equal((await fs.readFile(path)).length, 5)
    assert.equal((await fs.readFile(path, 5)).length, 5)
    await assert.rejects(fs.readFile(path, 4), (e) => isSystemError(e, 'EFBIG'))
  })

  test('readFile() with a limit reads files that say they are empty', {
    skip: process.platform !== 'linux' && 'needs /proc',
  }, async () => {
    assert.ok((await fs.readFile('/proc/self/status', 100_000)).length > 100)
    await assert.rejects(fs.readFile('/proc/self/status', 10), (e) => isSystemError(e, 'EFBIG'))
  })

  test('tells files, folders and links apart', async (t) => {
    const folder = await makeTemporaryFolder(t)
    writeFileSync(join(folder, 'file'), 'x')
    symlinkSync('file', join(folder, 'link'))
    await fs.mkdir(join(folder, 'a', 'b'), { recursive: true })
    const entries = (await fs.readDir(folder)).sort((a, b) => (a.name < b.name ? -1 : 1))
    assert.deepEqual(entries, [
      { name: 'a', kind: 'folder' },
      { name: 'file', kind: 'file' },
      { name: 'link', kind: 'link' },
    ])
    assert.equal((await fs.stat(join(folder, 'link'))).kind, 'file')
    assert.equal((await fs.lstat(join(folder, 'link'))).kind, 'link')
    assert.equal(await fs.readLink(join(folder, 'link')), 'file')
    await fs.removeTree(join(folder, 'a'))
    await fs.removeTree(join(folder, 'a'))
    await assert.rejects(fs.readDir(join(folder, 'a')), isMissing)
  })

  test('touch() moves the access time and leaves the modification time to the nanosecond', {
    skip: process.platform !== 'linux' && 'without utimensat nanoseconds are lost',
  }, async (t) => {
    const path = join(await makeTemporaryFolder(t), 'file')
    writeFileSync(path, 'x')
    const fresh = await fs.stat(path)
    await fs.setTimes(path, { atime: 1000, mtime: 2000.123 })
    const before = await fs.stat(path)
    assert.equal(before.atimeNs, 1_000_000_000_000n)
    await fs.touch(path)
    const after = await fs.stat(path)
    assert.equal(after.mtimeNs, before.mtimeNs)
    assert.ok(after.atimeNs >= fresh.atimeNs)
    await assert.rejects(fs.touch(`${path}-not`), isMissing)
  })

  test('hundreds of touches at a time are held in line', async (t) => {
    const path = join(await makeTemporaryFolder(t), 'file')
    writeFileSync(path, 'x')
    await Promise.all(Array.from({ length: 300 }, async () => await fs.touch(path)))
  })

  test('syncs folders and file systems, tells usage', async (t) => {
    const folder = await makeTemporaryFolder(t, { onDisk: true })
    await fs.syncFolder(folder)
    await assert.rejects(fs.syncFolder(`${folder}-not`), isMissing)
    if (process.platform === 'linux') await fs.syncFileSystem(folder)
    const { total, used, available } = await fs.usage(folder)
    assert.ok(total > 0 && used >= 0 && used <= total && available <= total)
  })
})
