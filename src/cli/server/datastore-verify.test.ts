/** `cairn datastore verify` without a server, on a small datastore. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { backUp, makeChunk, makeTestStore } from '../../../test/support/test-store.ts'
import { systemClock } from '../../base/time/clock.ts'
import { Output } from '../output.ts'
import { terminalPrompt } from '../prompt.ts'
import { runProgram } from '../run-program.ts'
import { datastoreCommands } from './datastore.ts'

const DAY_1 = 1_767_225_600
const NEWEST = 'host/web1/2026-01-01T00:01:00Z'

/** A configuration with the datastore `store1`, in which `host/web1` has two snapshots; nobody has it open. */
async function makeStore(context: TestContext) {
  const { folder, registry, store } = await makeTestStore(context)
  await backUp(store, DAY_1, ['one', 'two'])
  await backUp(store, DAY_1 + 60, ['two', 'three'])
  const pathOf = async (text: string): Promise<string> =>
    store.chunks.pathOf((await makeChunk(text)).digest)
  const paths = { one: await pathOf('one'), three: await pathOf('three') }
  await registry.close()
  mkdirSync(join(folder, 'config'))
  const config = `datastore: store1\n\tpath ${store.path}\n`
  writeFileSync(join(folder, 'config/datastore.cfg'), config)
  return { folder, paths }
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

/** Another content under a checksum that is right: only the digest tells. */
async function damage(path: string): Promise<void> {
  writeFileSync(path, (await makeChunk('something else')).blob)
}

suite('cairn datastore verify', () => {
  test('reads every chunk, keeps what it found, and skips what is good', async (context) => {
    const { folder } = await makeStore(context)
    const first = await cairn(folder, 'datastore verify store1 --read-threads 2')
    assert.equal(first.exit, 0)
    assert.match(first.out, /^using 2 read and 4 verify thread\(s\)$/m)
    assert.match(first.out, /^ {2}verified 0\.00\/0\.00 MiB in .* \(0 errors\)$/m)
    assert.match(first.out, /TASK OK\n$/)
    const again = await cairn(folder, 'datastore verify store1')
    assert.equal(again.out.match(/^SKIPPED: verify .* \(recently verified\)$/gm)?.length, 2)
    const all = await cairn(folder, 'datastore verify store1 --ignore-verified false')
    assert.doesNotMatch(all.out, /SKIPPED/)
    assert.match(all.out, /^percentage done: 100\.00%/m)
  })

  test('names the snapshot of a corrupt chunk, takes that out of the way, and fails', async (context) => {
    const { folder, paths } = await makeStore(context)
    await damage(paths.three)
    const damaged = readFileSync(paths.three)
    const found = await cairn(folder, 'datastore verify store1')
    assert.notEqual(found.exit, 0)
    assert.match(found.out, new RegExp(`\\n\\t${NEWEST}\\n`))
    assert.doesNotMatch(found.out, /\n\thost\/web1\/2026-01-01T00:00:00Z\n/)
    assert.match(found.out, /TASK ERROR: .*verification failed/)
    assert.equal(existsSync(paths.three), false)
    assert.deepEqual(readFileSync(`${paths.three}.0.bad`), damaged)
    const again = await cairn(folder, 'datastore verify store1 --ignore-verified false')
    assert.match(again.out, /No such file or directory/)
    assert.match(again.out, /TASK ERROR/)
  })

  test('refuses what is not there and what makes no sense, before there is a task', async (context) => {
    const { folder } = await makeStore(context)
    for (const [line, text] of [
      ['datastore verify nothere', /no such datastore 'nothere'/],
      ['datastore verify store1 --read-threads 33', /read-threads/],
      ['datastore verify store1 --rate-limit 0', /unable to parse size/],
    ] as const) {
      const { exit, out, error } = await cairn(folder, line)
      assert.notEqual(exit, 0)
      assert.equal(out, '')
      assert.match(error, text)
    }
  })
})
