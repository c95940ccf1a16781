import assert from 'node:assert/strict'
import { chmod, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { FaultFileSystem } from '../../../test/support/fault-file-system.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { isSystemError } from '../errors.ts'
import { atomicWrite, temporaryPath } from './atomic-write.ts'
import { nodeFileSystem } from './node-file-system.ts'

const NEW = [Buffer.from('new '), Buffer.from('content')]

suite('atomicWrite()', () => {
  test('publishes content and mode, whatever the umask, and leaves nothing else', async (t) => {
    const folder = await makeTemporaryFolder(t)
    const path = join(folder, 'file')
    await writeFile(path, 'old')
    await chmod(path, 0o600)
    const mask = process.umask(0o077)
    t.after(() => process.umask(mask))
    await atomicWrite(nodeFileSystem, path, NEW, { mode: 0o644, durable: true })
    assert.equal(await readFile(path, 'utf8'), 'new content')
    assert.equal((await stat(path)).mode & 0o777, 0o644)
    assert.deepEqual(await readdir(folder), ['file'])
  })

  test('durable: content before name, name before the answer', async (t) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const path = join(await makeTemporaryFolder(t), 'file')
    await atomicWrite(faults.fs, path, NEW, { mode: 0o644, durable: true })
    const order = ['open', 'handle.writev', 'handle.chmod', 'handle.sync', 'rename', 'syncFolder']
    assert.deepEqual(faults.stepNames, order)
  })

  test('not durable: no sync', async (t) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const path = join(await makeTemporaryFolder(t), 'file')
    const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
    await atomicWrite(faults.fs, path, Buffer.from('x'), { mode: 0o600, owner, durable: false })
    const order = ['open', 'handle.writev', 'handle.chmod', 'handle.chown', 'rename']
    assert.deepEqual(faults.stepNames, order)
  })

  for (const at of [1, 2, 3, 4, 5]) {
    test(`a failure of step ${at} leaves the old content and no temporary`, async (t) => {
      const folder = await makeTemporaryFolder(t)
      const path = join(folder, 'file')
      await writeFile(path, 'old')
      const faults = new FaultFileSystem(nodeFileSystem)
      faults.plan({ at, errno: 'ENOSPC' })
      const writing = atomicWrite(faults.fs, path, NEW, { mode: 0o644, durable: true })
      await assert.rejects(writing, (error) => isSystemError(error, 'ENOSPC'))
      faults.assertAllUsed()
      assert.equal(await readFile(path, 'utf8'), 'old')
      assert.deepEqual(await readdir(folder), ['file'])
    })
  }

  test('an error of the folder sync is not hidden', async (t) => {
    const path = join(await makeTemporaryFolder(t), 'file')
    const faults = new FaultFileSystem(nodeFileSystem)
    faults.plan({ at: 1, name: 'syncFolder', errno: 'EIO' })
    const writing = atomicWrite(faults.fs, path, NEW, { mode: 0o644, durable: true })
    await assert.rejects(writing, (error) => isSystemError(error, 'EIO'))
  })

  test('a temporary name that is taken is replaced by another', async (t) => {
    const path = join(await makeTemporaryFolder(t), 'file')
    const faults = new FaultFileSystem(nodeFileSystem)
    faults.plan({ at: 1, name: 'open', errno: 'EEXIST' })
    await atomicWrite(faults.fs, path, NEW, { mode: 0o644, durable: false })
    assert.equal(await readFile(path, 'utf8'), 'new content')
  })
})

suite('temporaryPath()', () => {
  test('is beside the file, with six characters', () => {
    assert.match(temporaryPath('/a/b'), /^\/a\/b\.tmp_[A-Za-z0-9]{6}$/)
  })
})
