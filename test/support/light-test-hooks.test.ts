/** With the quick hooks an error that nobody caught still fails the test that it belongs to, and no other. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { TEST_FLAGS } from './test-flags.ts'

const SAMPLE = `
import { after, suite, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
const { promise: never } = Promise.withResolvers()

suite('errors of nobody', () => {
  test('late throw', { timeout: 60_000 }, async () => {
    await turn()
    setImmediate(() => { throw new Error('thrown late') })
    await never
  })
  test('late rejection', { timeout: 60_000 }, async () => {
    await turn()
    void turn().then(() => { throw new Error('rejected late') })
    await never
  })
  test('well', async (context) => {
    await turn()
    context.after(() => console.log('after the test'))
    await context.test('nested', async () => await turn())
    await test('nested by itself', async () => await turn())
  })
})`

for (const flags of [[], TEST_FLAGS]) {
  test(`late errors fail their tests: ${flags.length === 0 ? 'as Node does' : 'quick'}`, async (context) => {
    const path = join(await makeTemporaryFolder(context), 'sample.mjs')
    writeFileSync(path, SAMPLE)
    const { NODE_TEST_CONTEXT: _context, ...env } = process.env
    const args = [...flags, '--test-reporter=tap', path]
    const { stdout, status } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    assert.equal(status, 1)
    const results = [...stdout.matchAll(/^ *((?:not )?ok) \d+ - (.*)$/gm)]
    assert.deepEqual(
      results.map(([, outcome, name]) => `${outcome} ${name}`),
      [
        'not ok late throw',
        'not ok late rejection',
        'ok nested',
        'ok nested by itself',
        'ok well',
        'not ok errors of nobody',
      ],
      stdout,
    )
    assert.match(stdout, /error: 'thrown late'/)
    assert.match(stdout, /error: 'rejected late'/)
    assert.match(stdout, /after the test/)
  })
}
