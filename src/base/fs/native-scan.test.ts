import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { isSystemError } from '../errors.ts'
import { canScan, FolderScanner } from './native-scan.ts'

suite('FolderScanner', { skip: !canScan() && 'needs the native seam' }, () => {
  test('gives the names and states that Node gives, in folders of any size', async (context) => {
    const base = await makeTemporaryFolder(context)
    mkdirSync(join(base, 'small'))
    mkdirSync(join(base, 'large'))
    writeFileSync(join(base, 'small', 'file'), 'four')
    mkdirSync(join(base, 'small', 'folder'))
    symlinkSync('file', join(base, 'small', 'link'))
    for (let index = 0; index < 5_000; index += 1) {
      writeFileSync(join(base, 'large', `${index}`.padStart(100, 'x')), '')
    }
    using scanner = new FolderScanner(base)
    for (const folder of ['large', 'small', 'large']) {
      assert.equal(scanner.read(folder), true)
      assert.equal(scanner.ctimeMs, lstatSync(join(base, folder)).ctimeMs)
      assert.equal(scanner.changeTime(folder), scanner.ctimeMs)
      const names: string[] = []
      scanner.forEachName((start) => {
        const name = scanner.nameAt(start)
        if (name === '.' || name === '..') return
        names.push(name)
        const { size, mtimeMs, ctimeMs, ...stat } = lstatSync(join(base, folder, name))
        const wanted = { isFile: stat.mode >> 12 === 8, size, mtimeMs, ctimeMs }
        assert.deepEqual(scanner.stat(start), wanted)
      })
      assert.deepEqual(names.toSorted(), readdirSync(join(base, folder)).toSorted())
    }
  })

  test('says what is gone, and throws what else goes wrong', async (context) => {
    const base = await makeTemporaryFolder(context)
    mkdirSync(join(base, 'folder'))
    writeFileSync(join(base, 'folder', 'file'), '')
    writeFileSync(join(base, 'plain'), '')
    using scanner = new FolderScanner(base)
    assert.equal(scanner.read('none'), false)
    assert.equal(scanner.changeTime('none'), null)
    assert.throws(
      () => scanner.read('plain'),
      (error) => isSystemError(error, 'ENOTDIR') && `${error}`.includes(`${base}/plain`),
    )
    assert.equal(scanner.read('folder'), true)
    unlinkSync(join(base, 'folder', 'file'))
    let found = 0
    scanner.forEachName((start) => {
      if (scanner.nameAt(start) !== 'file') return
      found += 1
      assert.equal(scanner.stat(start), null)
    })
    assert.equal(found, 1)
    assert.throws(
      () => new FolderScanner(join(base, 'none')),
      (error) => isSystemError(error, 'ENOENT'),
    )
  })
})
