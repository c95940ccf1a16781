import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { SparseFile } from './sparse-file.ts'

const KIB = 1024

suite('SparseFile', () => {
  test('writes long and short pieces in order, on a disk past its cache', async (context) => {
    const path = join(await makeTemporaryFolder(context, { onDisk: true }), 'file')
    const content = Buffer.concat([
      randomBytes(300 * KIB + 1),
      Buffer.alloc(200 * KIB),
      randomBytes(100),
      Buffer.alloc(400 * KIB),
    ])
    const fd = openSync(path, 'wx')
    context.after(() => closeSync(fd))
    const file = new SparseFile(fd)
    let start = 0
    for (const end of [100 * KIB, 100 * KIB + 7, 250 * KIB, content.length]) {
      file.write(content.subarray(start, end))
      start = end
    }
    file.finish()
    assert.ok(readFileSync(path).equals(content))
    assert.ok(statSync(path).blocks * 512 < 400 * KIB)
  })
})
