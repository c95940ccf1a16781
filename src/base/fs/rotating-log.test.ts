import assert from 'node:assert/strict'
import { readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { FaultFileSystem } from '../../../test/support/fault-file-system.ts'
import { openFilesBelow } from '../../../test/support/power-cut.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { nodeFileSystem } from './node-file-system.ts'
import { RotatingLog } from './rotating-log.ts'

function fail(error: unknown): never {
  throw error
}

suite('RotatingLog', () => {
  test('writes lines in order, goes on with an existing file, and rotates at its size', async () => {
    const folder = await makeTemporaryFolder()
    const path = join(folder, 'x.log')
    const options = { onError: fail, sizeMax: 100, filesMax: 2 }
    let log = new RotatingLog(nodeFileSystem, path, options)
    for (let index = 0; index < 5; index += 1) log.append(`line ${index}\n`)
    await log.flush()
    log = new RotatingLog(nodeFileSystem, path, options)
    log.append('more\n')
    await log.flush()
    assert.equal(await readFile(path, 'utf8'), 'line 0\nline 1\nline 2\nline 3\nline 4\nmore\n')
    assert.equal((await stat(path)).mode & 0o777, 0o640)
    for (const letter of ['a', 'b', 'c']) {
      log.append(`${letter.repeat(99)}\n`)
      await log.flush()
    }
    assert.deepEqual((await readdir(folder)).toSorted(), ['x.log.1.zst', 'x.log.2.zst'])
    const texts = await Promise.all(
      [1, 2].map(async (number) =>
        zstdDecompressSync(await readFile(`${path}.${number}.zst`)).toString(),
      ),
    )
    assert.deepEqual(texts, [`${'c'.repeat(99)}\n`, `${'b'.repeat(99)}\n`])
  })

  test('tells of lines it could not write, and goes on', async () => {
    const folder = await makeTemporaryFolder()
    const failures: unknown[] = []
    const onError = (error: unknown): void => void failures.push(error)
    const log = new RotatingLog(nodeFileSystem, join(folder, 'missing', 'x.log'), { onError })
    log.append('lost\n')
    await log.flush()
    assert.equal(failures.length, 1)
    await nodeFileSystem.mkdir(join(folder, 'missing'))
    log.append('kept\n')
    await log.flush()
    assert.equal(await readFile(join(folder, 'missing', 'x.log'), 'utf8'), 'kept\n')
  })
  test('closes a new file that it cannot give away', {
    skip: process.geteuid?.() === 0 ? false : 'only root gives files away',
  }, async () => {
    const folder = await makeTemporaryFolder()
    const faults = new FaultFileSystem(nodeFileSystem)
    const path = join(folder, 'x.log')
    for (const name of ['stat', 'handle.chown']) {
      const failures: unknown[] = []
      const onError = (error: unknown): void => void failures.push(error)
      const log = new RotatingLog(faults.fs, path, { onError })
      faults.reset()
      faults.plan({ at: 1, name, errno: 'EIO' })
      log.append('lost\n')
      await log.flush()
      faults.assertAllUsed()
      assert.equal(failures.length, 1)
      assert.deepEqual(openFilesBelow(folder), [], name)
      await unlink(path)
    }
  })
})
