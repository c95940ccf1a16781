/** `cairn` run with the command lines of the recordings on the recorded configuration: same output, same exit code. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { silentProgress } from '../../base/progress.ts'
import { systemClock } from '../../base/time/clock.ts'
import type { CommandContext } from '../context.ts'
import { Output } from '../output.ts'
import { terminalPrompt } from '../prompt.ts'
import { runProgram } from '../run-program.ts'
import { SERVER_COMMANDS } from '../server-commands.ts'
import { makeFirstDatastore } from './first-datastore.ts'
import { welcomeLines } from './welcome.ts'

const FIXTURES = new URL('../../../test/fixtures/', import.meta.url)
const CONFIG = fileURLToPath(new URL('config', FIXTURES))

interface Run {
  readonly exit: number
  readonly out: string
  readonly error: string
}

interface Recording extends Run {
  readonly name: string
  readonly words: readonly string[]
}

function readRecording(name: string): Recording {
  const text = readFileSync(new URL(`cli/${name}`, FIXTURES), 'utf8')
  const [, line = '', exit = '', out = '', error = ''] =
    /^\$ proxmox-backup-manager (.*)\nexit: (\d+)\n--- stdout\n([^]*)--- stderr\n([^]*)$/.exec(
      text,
    ) ?? []
  return { name, words: line.split(' '), exit: Number(exit), out, error }
}

const recordings = readdirSync(new URL('cli', FIXTURES))
  .filter((name) => name.startsWith('manager-'))
  .map(readRecording)

async function openConfig(): Promise<string> {
  const folder = await makeTemporaryFolder()
  await mkdir(join(folder, 'config'))
  await cp(CONFIG, join(folder, 'config'), { recursive: true })
  return folder
}

async function cairn(folder: string, words: readonly string[]): Promise<Run> {
  let out = ''
  let error = ''
  const environment = { LANG: 'C.UTF-8', CAIRN_DATA: folder }
  const streams = {
    writeOut: (text: string) => void (out += text),
    writeError: (text: string) => void (error += text),
    width: null,
  }
  const context: CommandContext = {
    output: new Output(streams, environment),
    prompt: terminalPrompt,
    clock: systemClock,
    environment,
    signal: new AbortController().signal,
  }
  const exit = await runProgram({ name: 'cairn', commands: SERVER_COMMANDS }, words, context)
  return { exit, out, error }
}

/**
 * JSON lists of a stock server come in any order, and columns were as wide as entries that the recordings leave out.
 */
function comparable(text: string): unknown {
  if (!/^[[{]/.test(text)) return text.replaceAll(/([─═ ])+/g, '$1')
  const value: unknown = JSON.parse(text)
  if (!Array.isArray(value)) return value
  const byText = value.map((item) => JSON.stringify(item)).toSorted()
  return byText
}

before(() => {
  // The recordings were made in UTC.
  process.env['TZ'] = 'UTC'
})

suite('lists and refusals of cairn', () => {
  // What these need beside the recorded configuration is made by the suites below, and (S3) in test/e2e/s3.test.ts.
  const others = /acl-(?:update|delete)|generate-token|create-again|wrong-digest|s3-(?:check|list)/
  const compared = recordings.filter(({ name }) => !others.test(name))
  assert.ok(compared.length >= 14, `${compared.length} recordings`)
  for (const { name, words, exit, out, error } of compared) {
    test(`${name}: ${words.join(' ')}`, async () => {
      const run = await cairn(await openConfig(), words)
      assert.equal(run.error, error)
      assert.deepEqual(comparable(run.out), comparable(out))
      assert.equal(run.exit, exit)
    })
  }
})

suite('changes by cairn', () => {
  test('user create, generate-token, acl update and their removal print what stock prints', async () => {
    const folder = await openConfig()
    const config = async (name: string): Promise<string> =>
      await readFile(join(folder, 'config', name), 'utf8')
    const quiet = { exit: 0, out: '', error: '' }
    const before = await config('user.cfg')
    const create = ['user', 'create', 'fxcli@pbs', '--comment', 'cli', '--expire', '2000000000']
    assert.deepEqual(await cairn(folder, create), quiet)
    assert.equal(
      await config('user.cfg'),
      `${before}\nuser: fxcli@pbs\n\tcomment cli\n\texpire 2000000000\n`,
    )
    const again = readRecording('manager-user-create-again.txt')
    const { exit, out, error } = await cairn(folder, again.words)
    assert.deepEqual({ exit, out, error }, { exit: again.exit, out: again.out, error: again.error })
    const generated = await cairn(folder, readRecording('manager-generate-token.txt').words)
    assert.match(
      generated.out,
      /^Result: \{\n {2}"tokenid": "fxcli@pbs!one",\n {2}"value": "[0-9a-f-]{36}"\n\}\n$/,
    )
    const update = readRecording('manager-acl-update.txt')
    assert.deepEqual(await cairn(folder, update.words), quiet)
    assert.match(await config('acl.cfg'), /^acl:1:\/datastore\/fxrest:fxcli@pbs:Audit$/m)
    const remove = readRecording('manager-acl-delete.txt')
    assert.deepEqual(await cairn(folder, remove.words), quiet)
    assert.equal((await config('acl.cfg')).includes('fxcli'), false)
    const words = ['user', 'update', 'fxcli@pbs', '--delete', 'comment', '--enable', '0']
    assert.deepEqual(await cairn(folder, words), quiet)
    assert.deepEqual(await cairn(folder, ['user', 'delete-token', 'fxcli@pbs', 'one']), quiet)
    assert.deepEqual(await cairn(folder, ['user', 'remove', 'fxcli@pbs']), quiet)
    assert.equal(await config('user.cfg'), before)
  })

  test('datastore create, reuse and remove', async () => {
    const folder = await openConfig()
    const path = join(folder, 'store')
    const created = await cairn(folder, ['datastore', 'create', 'fxcli', path, '--comment', 'hi'])
    assert.deepEqual([created.exit, created.error], [0, ''])
    assert.match(created.out, /^Chunkstore create: 1%\nChunkstore create: 2%\n/)
    assert.match(created.out, /TASK OK\n$/)
    const again = readRecording('manager-datastore-create-again.txt')
    const refused = await cairn(folder, ['datastore', 'create', 'fxcli', path])
    assert.deepEqual([refused.exit, refused.error], [again.exit, again.error])
    const digest = readRecording('manager-datastore-update-wrong-digest.txt')
    const wrong = await cairn(folder, digest.words)
    assert.deepEqual([wrong.exit, wrong.error], [digest.exit, digest.error])
    await refusesWhileUsed(folder, path)
    assert.deepEqual(await cairn(folder, ['datastore', 'remove', 'fxcli']), {
      exit: 0,
      out: '',
      error: '',
    })
    const taken = ['datastore', 'create', 'fxother', path, '--reuse-datastore', 'true']
    assert.equal((await cairn(folder, taken)).exit, 0)
    const removed = await cairn(folder, [
      'datastore',
      'remove',
      'fxother',
      '--destroy-data',
      'true',
    ])
    assert.equal(removed.exit, 0)
    const list = await cairn(folder, ['datastore', 'list', '--output-format', 'json'])
    assert.equal(list.out.includes('fxother'), false)
    const archive = await readFile(join(folder, 'log', 'tasks', 'archive'), 'utf8')
    assert.deepEqual(
      archive
        .trimEnd()
        .split('\n')
        .map((line) => line.split(':')[6]),
      [
        'create-datastore',
        'delete-datastore',
        'delete-datastore',
        'create-datastore',
        'delete-datastore',
      ],
    )
  })
})

/** Another process that uses the datastore keeps it as it is. */
async function refusesWhileUsed(folder: string, path: string): Promise<void> {
  const config = join(folder, 'config', 'datastore.cfg')
  const before = await readFile(config, 'utf8')
  await using session = await nodeFileSystem.open(join(path, '.lock'), 'write')
  assert.equal(session.tryLock('record', 'shared'), true)
  const refused = await cairn(folder, ['datastore', 'remove', 'fxcli', '--destroy-data', 'true'])
  assert.equal(refused.exit, 255)
  assert.equal(refused.error, 'Error: task failed (status datastore is currently in use)\n')
  assert.equal(await readFile(config, 'utf8'), before)
}

suite('commands and what is in their way', () => {
  test('a command in the wrong place makes nothing there', async () => {
    const folder = join(await makeTemporaryFolder(), 'nothing')
    const run = await cairn(folder, ['user', 'list'])
    assert.equal(run.exit, 255)
    assert.match(
      run.error,
      /^Error: Cannot open configuration '.*nothing\/config': it does not exist/,
    )
    await assert.rejects(stat(folder), { code: 'ENOENT' })
  })

  test('makeFirstDatastore() goes on where an interrupted start ended, and takes over a whole one', async () => {
    const path = join(await makeTemporaryFolder(), 'main')
    await mkdir(join(path, '.chunks', '0000'), { recursive: true })
    await mkdir(join(path, '.chunks', '0001'))
    const options = { path, owner: undefined, progress: silentProgress() }
    await makeFirstDatastore(nodeFileSystem, options)
    assert.equal((await stat(join(path, '.lock'))).isFile(), true)
    await makeFirstDatastore(nodeFileSystem, options)
    await writeFile(join(path, '.chunks', '0001', 'somebody'), "'s chunk")
    await rm(join(path, '.lock'))
    await assert.rejects(makeFirstDatastore(nodeFileSystem, options), { code: 'ENOTEMPTY' })
  })
})

suite('welcomeLines()', () => {
  const base = {
    listen: '127.0.0.1',
    port: 8007,
    fingerprint: 'aa:bb',
    hostname: 'box',
    userid: 'admin@pbs',
    datastore: 'main',
    password: null,
  }

  test('gives repository and fingerprint to paste, and no password on a later start', () => {
    const lines = welcomeLines(base)
    assert.ok(lines.includes("export PBS_REPOSITORY='admin@pbs@127.0.0.1:8007:main'"))
    assert.ok(lines.includes("export PBS_FINGERPRINT='aa:bb'"))
    assert.equal(lines.join('\n').includes('PASSWORD'), false)
  })

  test('names a host that clients elsewhere can reach', () => {
    const repository = (listen: string): string | undefined =>
      welcomeLines({ ...base, listen }).find((line) => line.includes('REPOSITORY'))
    assert.equal(repository('::'), "export PBS_REPOSITORY='admin@pbs@box:8007:main'")
    assert.equal(repository('::1'), "export PBS_REPOSITORY='admin@pbs@[::1]:8007:main'")
  })
})
