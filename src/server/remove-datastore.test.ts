/** The order in which a datastore goes, and what a removal that failed leaves (datastore-semantics.md 9.4). */
import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { silentProgress } from '../base/progress.ts'
import { addDatastore, findDatastore } from '../config/datastores.ts'
import { type Paths, resolvePaths } from '../config/paths.ts'
import { compose } from './compose.ts'
import { removeDatastore } from './remove-datastore.ts'

const REMOVAL = { name: 'store', destroyData: true, keepJobs: false }

async function makeServer(context: TestContext) {
  const folder = await makeTemporaryFolder(context)
  const paths = resolvePaths({ data: folder })
  const fs = { ...nodeFileSystem }
  const composition = await compose({ paths, fs, fingerprint: '' }, () => {})
  let closed: Promise<void> | null = null
  const close = async (): Promise<void> => await (closed ??= composition.close())
  context.after(close)
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
  return { close, context: composition.context, fs, path, paths, lines, progress }
}

/** A start on what is there; ends when nothing is left to do. */
async function restart(context: TestContext, paths: Paths) {
  const lines: string[] = []
  const report = (line: string): void => void lines.push(line)
  const composition = await compose({ paths, fingerprint: '' }, report)
  context.after(async () => await composition.close())
  await composition.context.tasks.idle()
  return { lines, files: composition.context.files }
}

suite('removeDatastore()', () => {
  test('referrers, status, chunks, jobs and configuration, lock file, folder', async (context) => {
    const { context: server, fs, path, paths, lines, progress } = await makeServer(context)
    mkdirSync(join(paths.state, 'datastores/store'), { recursive: true })
    mkdirSync(join(paths.state, 'jobstates'))
    const run = join(paths.state, 'jobstates/garbage_collection-store.json')
    writeFileSync(run, '{}')
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
    assert.equal(existsSync(run), false)
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

  test('at every step: the next start finishes it', async (context) => {
    const steps = ['ns', 'ct', 'vm', 'host', '.gc-status', '.chunks', '.lock']
    for (const step of steps) {
      const { context: server, fs, path, paths, close, progress } = await makeServer(context)
      const removeTree = fs.removeTree.bind(fs)
      fs.removeTree = async (target) => {
        if (target.endsWith(`/${step}`)) throw new Error('EIO')
        await removeTree(target)
      }
      await assert.rejects(removeDatastore(server, REMOVAL, progress), { message: 'EIO' }, step)
      await close()
      assert.ok(existsSync(path))
      const again = await restart(context, paths)
      assert.deepEqual(again.lines, ["datastore 'store': its removal did not end; it goes on"])
      assert.equal(existsSync(path), false, step)
      assert.equal(await findDatastore(again.files, 'store'), null)
      assert.deepEqual(readdirSync(join(paths.state, 'removals')), [])
      assert.deepEqual((await restart(context, paths)).lines, [])
    }
  })

  test('what is not the datastore that was to go stays', async (context) => {
    const changes: Record<string, (path: string, paths: Paths) => void> = {
      'its disk is not mounted': (path) => renameSync(path, `${path}-elsewhere`),
      'another folder is there': (path) => {
        renameSync(join(path, '.lock'), join(path, 'old'))
        writeFileSync(join(path, '.lock'), '')
      },
      'it was taken out of the mode by hand': (_path, { config }) => {
        const file = join(config, 'datastore.cfg')
        const text = readFileSync(file, 'utf8').replace('maintenance-mode delete', 'comment x')
        writeFileSync(file, text)
      },
      'it was removed without its data': (_path, { config }) => {
        writeFileSync(join(config, 'datastore.cfg'), '')
      },
    }
    for (const [what, change] of Object.entries(changes)) {
      const { context: server, fs, path, paths, close, progress } = await makeServer(context)
      fs.removeTree = () => Promise.reject(new Error('EIO'))
      writeFileSync(join(path, 'host/x/owner'), 'root@pam\n')
      await assert.rejects(removeDatastore(server, REMOVAL, progress), { message: 'EIO' })
      await close()
      change(path, paths)
      await restart(context, paths)
      const place = existsSync(path) ? path : `${path}-elsewhere`
      for (const name of ['.chunks/0000', 'host/x/owner', '.lock']) {
        assert.ok(existsSync(join(place, name)), `${what}: ${name}`)
      }
    }
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
