import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { silentProgress } from '../base/progress.ts'
import { createDatastore, type CreateDatastoreOptions } from './create.ts'

suite('createDatastore()', () => {
  test('makes all folders with stock modes and lines, and takes them over again', async (context) => {
    const path = `${await makeTemporaryFolder(context)}/deep/store`
    const lines: string[] = []
    const progress = { ...silentProgress(), log: (line: string) => void lines.push(line) }
    await createDatastore(nodeFileSystem, { name: 'store1', path, progress })
    const names = readdirSync(`${path}/.chunks`)
    assert.equal(names.length, 65_536)
    assert.ok(names.includes('0000') && names.includes('ffff'))
    const modes = ['', '/.chunks', '/.chunks/ab12', '/.lock'].map(
      (name) => statSync(path + name).mode & 0o7777,
    )
    assert.deepEqual(modes, [0o755, 0o750, 0o750, 0o644])
    assert.deepEqual(lines.slice(0, 2), ['Chunkstore create: 1%', 'Chunkstore create: 2%'])
    assert.equal(lines.filter((line) => line.startsWith('Chunkstore create')).length, 99)

    const reuse = { name: 'store1', path, progress: silentProgress(), reuse: true }
    await createDatastore(nodeFileSystem, reuse)
    chmodSync(`${path}/.chunks/00ff`, 0o700)
    await assert.rejects(createDatastore(nodeFileSystem, reuse), {
      message: `unable to open existing chunk store path "${path}/.chunks/00ff" - permissions or owner not correct`,
    })
    chmodSync(`${path}/.chunks/00ff`, 0o750)
    rmdirSync(`${path}/.chunks/8000`)
    await assert.rejects(createDatastore(nodeFileSystem, reuse), {
      message: `unable to open existing chunk store path "${path}/.chunks/8000" - ENOENT: No such file or directory`,
    })
  })

  test('refuses with stock texts', async (context) => {
    const path = await makeTemporaryFolder(context)
    const create = async (options: Partial<CreateDatastoreOptions>): Promise<void> =>
      await createDatastore(nodeFileSystem, {
        name: 'store1',
        path,
        progress: silentProgress(),
        chunkFolders: false,
        ...options,
      })
    await assert.rejects(create({ path: 'relative' }), {
      message: 'expected absolute path - got "relative"',
    })
    const otherPaths = [{ name: 'other', path }]
    for (const nested of [path, `${path}/inside`, path.slice(0, path.lastIndexOf('/'))]) {
      await assert.rejects(create({ path: nested, otherPaths }), {
        message: `parameter verification failed - 'path': nested datastores not allowed: 'other' already in "${path}"`,
      })
    }
    await assert.rejects(create({ reuse: true, path: `${path}/none` }), {
      message: `unable to open existing chunk store path "${path}/none" - ENOENT: No such file or directory`,
    })
    mkdirSync(`${path}/lost+found`)
    mkdirSync(`${path}/.chunks`)
    await assert.rejects(create({}), {
      message: `unable to create chunk store 'store1' subdir "${path}/.chunks" - unable to create directory "${path}/.chunks" - EEXIST: File exists`,
    })
    writeFileSync(`${path}/file`, '')
    await assert.rejects(create({}), { message: 'datastore path not empty' })
  })
})
