/** The order in which a datastore goes, and what a removal that failed leaves (datastore-semantics.md 9.4). */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { silentProgress } from '../base/progress.ts'
import { addDatastore, findDatastore } from '../config/datastores.ts'
import { resolvePaths } from '../config/paths.ts'
import { compose } from './compose.ts'
import { removeDatastore } from './remove-datastore.ts'

const REMOVAL = { name: 'store', destroyData: true, keepJobs: false }

async function makeServer(context: TestContext) {
  const folder = await makeTemporaryFolder(context)
  const paths = resolvePaths({ data: folder })
  const fs = { ...nodeFileSystem }
  const composition = await compose({ paths, fs, fingerprint: '' }, () => {})
  context.after(async () => await composition.close())
  const path = join(folder, 'store')
  mkdirSync(join(path, '.chunks', '0000'), { recursive: true })
  for (const name of ['ns/a', 'ct/1', 'vm/1', 'host/x']) {
    mkdirSync(join(path, name), { recursive: true })
  }
  writeFileSync(join(path, '.lock'), '')
  writeFileSync(join(path, '.gc-status'), '{}')
  await addDatastore(composition.context.files, { name: 'store', path, properties: new Map() })
  const job = 'prune: p1\n\tkeep-last 1\n\tschedule daily\n\tstore store\n'
  writeFileSync(join(paths.config, 'prune.cfg'), job)
  await composition.context.datastores.lookup('store', 'write')
  const lines: string[] = []
  const progress = {
    ...silentProgress(),
    log: (line: string) => void lines.push(line),
    warn: (line: string) => void lines.push(`WARN: ${line}`),
  }
  return { context: composition.context, fs, path, paths, lines, progress }
}

suite('removeDatastore()', () => {
  test('referrers, status, chunks, jobs and configuration, lock file, folder', async (context) => {
    const { context: server, fs, path, paths, lines, progress } = await makeServer(context)
    mkdirSync(join(paths.state, 'datastores/store'), { recursive: true })
    const gone: string[] = []
    const removeTree = fs.removeTree.bind(fs)
    fs.removeTree = async (target) => {
      const config = await findDatastore(server.files, 'store')
      gone.push(`${target.slice(path.length + 1)} ${config?.maintenance?.type ?? 'gone'}`)
      await removeTree(target)
    }
    await removeDatastore(server, REMOVAL, progress)
    const content = ['ns', 'ct', 'vm', 'host', '.gc-status', '.chunks']
    assert.deepEqual(
      gone.slice(0, 6),
      content.map((name) => `${name} delete`),
    )
    assert.deepEqual(gone.slice(-1), ['.lock gone'])
    assert.deepEqual(lines, [
      'Deleting datastore data...',
      'Removing datastore from config...',
      'Finished deleting data.',
      'Removed empty datastore directory.',
    ])
    assert.equal(existsSync(path), false)
    assert.equal(existsSync(join(paths.state, 'datastores/store')), false)
    assert.equal(readFileSync(join(paths.config, 'prune.cfg'), 'utf8').includes('store'), false)
  })

  test('chunks stay as long as anything that may need them, and another removal goes on', async (context) => {
    const { context: server, fs, path, lines, progress } = await makeServer(context)
    const removeTree = fs.removeTree.bind(fs)
    fs.removeTree = async (target) => {
      if (target.endsWith('/vm')) throw new Error('EIO')
      await removeTree(target)
    }
    await assert.rejects(removeDatastore(server, REMOVAL, progress), { message: 'EIO' })
    assert.ok(existsSync(join(path, '.chunks/0000')))
    const config = await findDatastore(server.files, 'store')
    assert.equal(config?.maintenance?.type, 'delete')
    await assert.rejects(server.datastores.lookup('store', 'lookup'), {
      message: "datastore 'store' is unavailable: datastore is being deleted",
    })
    fs.removeTree = removeTree
    writeFileSync(join(path, 'letter.txt'), 'mine')
    await removeDatastore(server, REMOVAL, progress)
    assert.equal(await findDatastore(server.files, 'store'), null)
    assert.equal(existsSync(join(path, '.lock')), false)
    assert.ok(existsSync(join(path, 'letter.txt')))
    assert.equal(lines.at(-1), 'WARN: Datastore directory not empty, not deleting.')
  })

  test('without its data only the configuration goes', async (context) => {
    const { context: server, path, lines, progress } = await makeServer(context)
    await removeDatastore(server, { ...REMOVAL, destroyData: false }, progress)
    assert.deepEqual(lines, ['Removing datastore from config...'])
    assert.equal(await findDatastore(server.files, 'store'), null)
    for (const name of ['.chunks/0000', '.lock', 'host/x']) {
      assert.ok(existsSync(join(path, name)), name)
    }
  })
})
