import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { silentProgress } from '../base/progress.ts'
import { addDatastore, findDatastore } from '../config/datastores.ts'
import { resolvePaths } from '../config/paths.ts'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { type Composition, compose } from './compose.ts'
import { removeDatastore } from './remove-datastore.ts'
import { runCreation } from './create-datastore.ts'

const folder = await makeTemporaryFolder()

suite('removeDatastore()', () => {
  let composition: Composition
  const removal = { name: 'store', destroyData: true, keepJobs: false }

  before(async () => {
    const paths = resolvePaths({ data: folder })
    composition = await compose({ paths, fingerprint: '' }, () => {})
  })

  after(async () => {
    await composition.close()
  })

  /** A datastore as far as its removal looks at it. */
  async function addStore(): Promise<string> {
    const path = join(folder, 'store')
    mkdirSync(join(path, '.chunks', '0000'), { recursive: true })
    mkdirSync(join(path, 'host', 'x'), { recursive: true })
    writeFileSync(join(path, '.lock'), '')
    const properties = new Map([['maintenance-mode', 'read-only,message=slow']])
    await addDatastore(composition.context.files, { name: 'store', path, properties })
    return path
  }

  test('leaves a datastore in use as it was, maintenance mode included', async () => {
    const { context } = composition
    const path = await addStore()
    {
      using _operation = context.operations.begin('store', 'write')
      await assert.rejects(removeDatastore(context, removal, silentProgress()), {
        message: 'datastore is currently in use',
      })
    }
    const config = await findDatastore(context.files, 'store')
    assert.equal(config?.raw.get('maintenance-mode'), 'read-only,message=slow')
    assert.equal(config?.path, path)
    assert.ok(existsSync(join(path, 'host', 'x')))
  })

  test('keeps what is not ours in the folder', async () => {
    const { context } = composition
    const path = join(folder, 'store')
    writeFileSync(join(path, 'letter.txt'), 'mine')
    await removeDatastore(context, removal, silentProgress())
    assert.equal(await findDatastore(context.files, 'store'), null)
    assert.ok(!existsSync(join(path, 'host')))
    assert.ok(existsSync(join(path, 'letter.txt')))
  })

  test('a creation in a folder that is not empty adds nothing to the configuration', async () => {
    const { context } = composition
    const path = join(folder, 'store')
    const properties = new Map<string, string>()
    const datastore = { name: 'store', path, reuse: false, overwriteInUse: false, properties }
    await assert.rejects(runCreation(context, datastore, silentProgress()), {
      message: 'datastore path not empty',
    })
    assert.equal(await findDatastore(context.files, 'store'), null)
  })
})
