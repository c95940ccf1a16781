/** `cairn datastore prune`, `move-group`, `move-namespace` on a small datastore without chunks. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { systemClock } from '../../base/time/clock.ts'
import { Output } from '../output.ts'
import { terminalPrompt } from '../prompt.ts'
import { runProgram } from '../run-program.ts'
import { datastoreCommands } from './datastore.ts'

const DAYS = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z']

/** A configuration with the datastore `store1`, in which `host/web1` has three finished snapshots. */
async function makeStore(): Promise<string> {
  const folder = await makeTemporaryFolder()
  const path = join(folder, 'ds')
  mkdirSync(join(path, '.chunks'), { recursive: true })
  writeFileSync(join(path, '.lock'), '')
  for (const day of DAYS) {
    mkdirSync(join(path, 'host/web1', day), { recursive: true })
    writeFileSync(join(path, 'host/web1', day, 'index.json.blob'), '')
  }
  writeFileSync(join(path, 'host/web1/owner'), 'root@pam\n')
  mkdirSync(join(path, 'ns/a'), { recursive: true })
  mkdirSync(join(folder, 'config'))
  writeFileSync(join(folder, 'config/datastore.cfg'), `datastore: store1\n\tpath ${path}\n`)
  return folder
}

async function cairn(folder: string, line: string) {
  const texts = { out: '', error: '' }
  const environment = { LANG: 'C.UTF-8', CAIRN_DATA: folder }
  const streams = {
    writeOut: (text: string) => void (texts.out += text),
    writeError: (text: string) => void (texts.error += text),
    width: null,
  }
  const exit = await runProgram({ name: 'cairn', commands: datastoreCommands }, line.split(' '), {
    output: new Output(streams, environment),
    prompt: terminalPrompt,
    clock: systemClock,
    environment,
    signal: new AbortController().signal,
  })
  return { exit, ...texts }
}

suite('cairn datastore prune', () => {
  test('says in a dry run what it would do, and then does it', async () => {
    const folder = await makeStore()
    const path = join(folder, 'ds/host/web1')
    const dry = await cairn(folder, 'datastore prune store1 --keep-last 2 --dry-run')
    assert.deepEqual(dry, {
      exit: 0,
      error: '',
      out: [
        "Starting datastore prune on datastore 'store1', root namespace, down to full depth",
        '(dry test run)',
        'retention options: --keep-last 2',
        'Pruning group :"host/web1"',
        `would remove host/web1/${DAYS[0]}`,
        `would keep host/web1/${DAYS[1]}`,
        `would keep host/web1/${DAYS[2]}`,
        'TASK OK',
        '',
      ].join('\n'),
    })
    assert.equal(readdirSync(path).length, 4)
    const real = await cairn(folder, 'datastore prune store1 --keep-last 2')
    assert.ok(real.out.includes(`removing backup snapshot "${path}/${DAYS[0]}"\n`), real.out)
    assert.deepEqual(readdirSync(path).toSorted(), [...DAYS.slice(1), 'owner'])
    const none = await cairn(folder, 'datastore prune store1')
    assert.match(none.out, /^WARN: No prune selection - keeping all files\.$/m)
    assert.match(none.out, /TASK WARNINGS: 1\n$/)
    assert.equal(readdirSync(path).length, 3)
    const tasks = readdirSync(join(folder, 'log/tasks'), { recursive: true }).map(String)
    assert.equal(tasks.filter((name) => name.includes(':prune:store1\\x3a:root@pam:')).length, 3)
  })

  test('refuses what is not there', async () => {
    const folder = await makeStore()
    const unknown = await cairn(folder, 'datastore prune nothere --keep-last 1')
    assert.notEqual(unknown.exit, 0)
    assert.match(unknown.error, /no such datastore 'nothere'/)
    const namespace = await cairn(folder, 'datastore prune store1 --keep-last 1 --ns x')
    assert.notEqual(namespace.exit, 0)
    assert.match(namespace.out, /TASK ERROR: ENOENT: No such file or directory/)
    const zero = await cairn(folder, 'datastore prune store1 --keep-last 0')
    assert.notEqual(zero.exit, 0)
  })
})

suite('cairn datastore move-group, move-namespace', () => {
  test('move, and refuse before there is a task', async () => {
    const folder = await makeStore()
    const path = join(folder, 'ds')
    const group = await cairn(folder, 'datastore move-group store1 host/web1 --target-ns a')
    assert.equal(
      group.out,
      "moving group 'host/web1' from '' to 'a'\n" +
        `removing backup group "${path}/host/web1"\nTASK OK\n`,
    )
    assert.equal(existsSync(join(path, 'host/web1')), false)
    const again = await cairn(folder, 'datastore move-group store1 host/web1 --target-ns a')
    assert.notEqual(again.exit, 0)
    assert.equal(again.out, '')
    assert.match(again.error, /group 'host\/web1' does not exist in namespace ''/)
    const all = await cairn(folder, 'datastore move-namespace store1 a --target-ns b')
    assert.match(all.out, /^moving namespace 'a' -> 'b': 1 namespace\(s\)$/m)
    assert.deepEqual(readdirSync(join(path, 'ns')), ['b'])
    assert.deepEqual(readdirSync(join(path, 'ns/b/host/web1')).toSorted(), [...DAYS, 'owner'])
    const tasks = readdirSync(join(folder, 'log/tasks'), { recursive: true }).map(String)
    assert.equal(tasks.filter((name) => name.includes(':move-')).length, 2)
  })
})
