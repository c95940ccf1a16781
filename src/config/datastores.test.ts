import assert from 'node:assert/strict'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { Secret } from '../base/secret.ts'
import { systemClock } from '../base/time/clock.ts'
import { permissionsOf } from './acl.ts'
import { ConfigFiles } from './config-files.ts'
import { removeDatastoreConfig } from './datastore-removal.ts'
import { addDatastore, changeDatastore, findDatastore, listDatastores } from './datastores.ts'
import { FIRST_USER, firstStart } from './first-start.ts'
import { checkPassword } from './passwords.ts'
import { ensurePlaces, resolvePaths } from './paths.ts'
import { formatPropertyString, parsePropertyString } from './property-string.ts'

const CONFIG = fileURLToPath(new URL('../../test/fixtures/config', import.meta.url))

async function open(options: { readonly isEmpty?: boolean } = {}): Promise<ConfigFiles> {
  const paths = resolvePaths({ data: await makeTemporaryFolder() })
  await ensurePlaces(nodeFileSystem, paths)
  if (options.isEmpty !== true) await cp(CONFIG, paths.config, { recursive: true })
  return new ConfigFiles({ fs: nodeFileSystem, clock: systemClock, paths })
}

async function textOf(files: ConfigFiles, name: string): Promise<string> {
  return await readFile(files.pathOf({ name }), 'utf8')
}

suite('options that a stock server could not read', () => {
  const wrong = [
    ['maintenance-mode', 'bogus', /^unknown variant `bogus`, expected one of `read-only`, /],
    ['maintenance-mode', `offline,message=${'x'.repeat(65)}`, /may only be 64 characters long$/],
    ['notify', 'gc=xyz', /^unknown variant `xyz`, expected one of `never`, `always`, `error`$/],
    ['notification-mode', 'x', /expected `legacy-sendmail` or `notification-system`$/],
    ['notify-user', 'nobody', /'notify-user': value does not match the regex pattern$/],
    ['gc-schedule', 'foo', /'gc-schedule': unable to parse calendar event at 'foo'/],
    ['tuning', 'gc-cache-capacity=9999999999', /gc-cache-capacity/],
    ['tuning', 'gc-atime-safety-check=maybe', /gc-atime-safety-check/],
    ['tuning', 'foo=1', /'foo': schema does not allow additional properties$/],
  ] as const
  for (const [key, text, message] of wrong) {
    test(`are not stored: ${key} ${text.slice(0, 30)}`, async () => {
      const files = await open()
      const before = await textOf(files, 'datastore.cfg')
      await assert.rejects(changeDatastore(files, 'fxgold', { set: new Map([[key, text]]) }), {
        message,
      })
      assert.equal(await textOf(files, 'datastore.cfg'), before)
    })
  }

  test('are not stored: paths that a line cannot hold', async () => {
    for (const path of ['/a\nb', '/a ']) {
      const adding = addDatastore(await open(), { name: 'added', path })
      await assert.rejects(adding, { code: 'DATASTORE_PATH_UNSTORABLE' })
    }
  })

  test('are not those that it can', async () => {
    const set = new Map([
      ['maintenance-mode', 'type=offline,message="a, b"'],
      ['notify', 'gc=never,verify=error'],
      ['tuning', 'gc-cache-capacity=8388608,gc-atime-safety-check=no,sync-level=file'],
      ['gc-schedule', 'mon..fri 02:30'],
      ['notification-thresholds', 's3-get=5,s3-upload=10GiB'],
    ])
    await changeDatastore(await open(), 'fxgold', { set })
  })
})

suite('listDatastores()', () => {
  test('reads the options of a stock server', async () => {
    const { datastores } = await listDatastores(await open())
    const byName = new Map(datastores.map((datastore) => [datastore.name, datastore]))
    assert.deepEqual([...byName.keys()], ['fxgold', 'fxsess', 'fxrest', 'fxempty', 'fxs3'])
    const rest = byName.get('fxrest')
    assert.equal(rest?.tuning.syncLevel, 'file')
    assert.equal(rest?.tuning.chunkOrder, 'none')
    assert.equal(rest?.verifyNew, false)
    assert.deepEqual(byName.get('fxempty')?.maintenance, {
      type: 'offline',
      message: 'being moved',
    })
    assert.deepEqual(byName.get('fxs3')?.backend, {
      kind: 's3',
      endpointId: 'fxs3ep',
      bucket: 'fxbucket',
      maxCacheBytes: 2 ** 30,
    })
    assert.equal(byName.get('fxgold')?.maintenance, null)
    assert.equal(byName.get('fxgold')?.tuning.syncLevel, 'filesystem')
  })

  test('gives the message of a maintenance mode without the escapes of the stock interface', async () => {
    const files = await open({ isEmpty: true })
    const cases = [
      ['being%20moved%2C%20%C3%BC%21', 'being moved, ü!'],
      ['100%', '100%'],
      ['%zz%41%ff', '%zz%41%ff'],
      ['a%2541', 'a%41'],
    ] as const
    const sections = cases.map(
      ([stored], index) =>
        `datastore: d${index}\n\tmaintenance-mode offline,message=${stored}\n\tpath /d${index}\n`,
    )
    await writeFile(files.pathOf({ name: 'datastore.cfg' }), sections.join('\n'))
    for (const [index, [stored, shown]] of cases.entries()) {
      const datastore = await findDatastore(files, `d${index}`)
      assert.deepEqual(datastore?.maintenance, { type: 'offline', message: shown })
      assert.equal(datastore.raw.get('maintenance-mode'), `offline,message=${stored}`)
    }
  })

  test('reads our own tuning keys, and takes what it cannot read for the safe value', async () => {
    const files = await open({ isEmpty: true })
    await writeFile(
      files.pathOf({ name: 'datastore.cfg' }),
      [
        'datastore: a',
        '\tpath /a',
        '\ttuning sync-level=none,known-chunk-check=register,known-chunk-wait=0,gc-grace=0,gc-memory=many,future=1',
        '',
        'datastore: b',
        '\tmaintenance-mode sideways',
        '\tpath /b',
        '\ttuning "broken',
        '',
      ].join('\n'),
    )
    const a = await findDatastore(files, 'a')
    assert.deepEqual(a?.tuning, {
      syncLevel: 'none',
      chunkOrder: 'inode',
      knownChunkCheck: 'register',
      knownChunkWaitMs: 0,
      gcGraceMs: 0,
      gcMemoryMax: 1 << 30,
      verifyReadThreads: 1,
      verifyThreads: 4,
      verifyRateLimit: null,
    })
    const b = await findDatastore(files, 'b')
    assert.equal(b?.maintenance?.type, 'offline')
    assert.equal(b?.tuning.knownChunkCheck, 'full')
    assert.equal(await findDatastore(files, 'c'), null)
  })
})

suite('addDatastore()', () => {
  test('refuses known names, relative and nested paths, and adds nothing if the folder fails', async () => {
    const files = await open()
    const before = await textOf(files, 'datastore.cfg')
    const refused: [string, string, string][] = [
      [
        'fxrest',
        '/x',
        "parameter verification failed - 'name': datastore 'fxrest' already exists.",
      ],
      ['new', 'x', "parameter verification failed - 'path': expected an absolute path, 'x' is not"],
      [
        'new',
        '/<work____>/ds/fxrest/sub',
        `parameter verification failed - 'path': nested datastores not allowed: 'fxrest' already in "/<work____>/ds/fxrest"`,
      ],
      [
        'new',
        '/<work____>/ds',
        `parameter verification failed - 'path': nested datastores not allowed: 'fxgold' already in "/<work____>/ds/fxgold"`,
      ],
    ]
    for (const [name, path, message] of refused) {
      await assert.rejects(addDatastore(files, { name, path }), { message })
    }
    const failing = addDatastore(files, { name: 'new', path: '/new' }, () =>
      Promise.reject(new Error('datastore path not empty')),
    )
    await assert.rejects(failing, { message: 'datastore path not empty' })
    assert.equal(await textOf(files, 'datastore.cfg'), before)
    const properties = new Map([
      ['comment', 'hi'],
      ['verify-new', 'true'],
    ])
    await addDatastore(files, { name: 'new', path: '/new', properties })
    assert.equal(
      await textOf(files, 'datastore.cfg'),
      `${before}\ndatastore: new\n\tcomment hi\n\tpath /new\n\tverify-new true\n`,
    )
  })

  test('changeDatastore() cannot take a datastore back that is being deleted', async () => {
    const files = await open()
    await changeDatastore(files, 'fxgold', { set: new Map([['maintenance-mode', 'delete']]) })
    await assert.rejects(changeDatastore(files, 'fxgold', { delete: ['maintenance-mode'] }), {
      message: 'datastore is being deleted',
    })
    await assert.rejects(changeDatastore(files, 'no', {}), { message: "no such datastore 'no'" })
  })
})

suite('removeDatastoreConfig()', () => {
  test('takes jobs and rights along, and closes the datastore before its data is touched', async () => {
    const files = await open()
    let during = ''
    await removeDatastoreConfig(files, 'fxrest', {
      keepJobs: false,
      whileClosed: async () => {
        during = (await findDatastore(files, 'fxrest'))?.maintenance?.type ?? ''
      },
    })
    assert.equal(during, 'delete')
    assert.equal(await findDatastore(files, 'fxrest'), null)
    assert.equal((await textOf(files, 'acl.cfg')).includes('fxrest'), false)
    assert.equal((await textOf(files, 'sync.cfg')).includes('store fxrest'), false)
    await assert.rejects(removeDatastoreConfig(files, 'fxrest', { keepJobs: false }), {
      message: "datastore 'fxrest' does not exist.",
    })
  })
})

suite('firstStart()', () => {
  const createStore = async (): Promise<void> => {}

  test('makes an administrator whose password is told once', async () => {
    const files = await open({ isEmpty: true })
    const storePath = join(files.paths.data, 'main')
    const first = await firstStart(files, { createStore, storePath })
    assert.equal(first.isFirst, true)
    assert.ok(first.generatedPassword)
    assert.equal(await checkPassword(files, FIRST_USER, first.generatedPassword), true)
    assert.equal((await findDatastore(files, 'main'))?.path, storePath)
    const permissions = await permissionsOf(files, FIRST_USER, '/datastore/main')
    assert.equal(permissions['/datastore/main']?.['Datastore.Modify'], true)
    const second = await firstStart(files, { createStore, storePath })
    assert.deepEqual(second, { generatedPassword: null, isFirst: false })
  })

  test('is finished by the next start when it was interrupted', async () => {
    const files = await open({ isEmpty: true })
    const storePath = join(files.paths.data, 'main')
    const failing = firstStart(files, {
      createStore: () => Promise.reject(new Error('no space')),
      storePath,
    })
    await assert.rejects(failing, { message: 'no space' })
    const password = new Secret('given by hand')
    const first = await firstStart(files, { createStore, storePath, password })
    assert.deepEqual(first, { generatedPassword: null, isFirst: true })
    assert.equal(await checkPassword(files, FIRST_USER, password), true)
  })

  test('changes nothing in a configuration that is taken over', async () => {
    const files = await open()
    const before = await textOf(files, 'user.cfg')
    const storePath = join(files.paths.data, 'main')
    const taken = await firstStart(files, { createStore, storePath })
    assert.equal(taken.isFirst, false)
    assert.equal(await textOf(files, 'user.cfg'), before)
  })
})

suite('property strings', () => {
  test('parsePropertyString() reads default keys, quotes and escapes', () => {
    assert.deepEqual(
      [...parsePropertyString('offline,message="a, \\"b\\""', 'type')],
      [
        ['type', 'offline'],
        ['message', 'a, "b"'],
      ],
    )
    assert.throws(() => parsePropertyString('x'), {
      message: 'value without key, but schema does not define a default key',
    })
    assert.throws(() => parsePropertyString('a=1,a=2'), { code: 'PROPERTY_STRING' })
  })

  test('formatPropertyString() quotes what needs it, and reads back the same', () => {
    const properties = new Map([
      ['message', 'a, "b" \\'],
      ['type', 'offline'],
    ])
    const text = formatPropertyString(properties, 'type')
    assert.equal(text, 'offline,message="a, \\"b\\" \\\\"')
    assert.deepEqual(new Map(parsePropertyString(text, 'type')), properties)
  })
})
