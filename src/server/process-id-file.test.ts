import assert from 'node:assert/strict'
import { chown, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { readProcessId, removeProcessId, writeProcessId } from './process-id-file.ts'

suite('proxy.pid', () => {
  test('names the process until that removes it, and stays if another took over', async () => {
    const run = await makeTemporaryFolder()
    assert.equal(await readProcessId(nodeFileSystem, run), null)
    await writeProcessId(nodeFileSystem, { run, pid: 7 })
    await removeProcessId(nodeFileSystem, { run, pid: 8 })
    assert.equal(await readProcessId(nodeFileSystem, run), 7)
    await removeProcessId(nodeFileSystem, { run, pid: 7 })
    assert.equal(await readProcessId(nodeFileSystem, run), null)
  })

  const skip = process.geteuid?.() === 0 ? false : 'needs root'
  test('belongs to the owner of the folder', { skip }, async () => {
    const run = await makeTemporaryFolder()
    await chown(run, 34, 34)
    await writeProcessId(nodeFileSystem, { run, pid: 7 })
    const { uid, gid } = await stat(join(run, 'proxy.pid'))
    assert.deepEqual([uid, gid], [34, 34])
  })
})
