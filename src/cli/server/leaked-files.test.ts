import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { suite, test } from 'node:test'

const MODULE = JSON.stringify(new URL('./leaked-files.ts', import.meta.url).href)
const SCRIPT = `
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
const { surviveLeakedFiles } = await import(${MODULE})
surviveLeakedFiles((line) => console.error(line), () => process.exit(3))
const leak = async () => void (await (await open('/dev/null')).stat())
await leak()
for (let round = 0; round < 5; round += 1) {
  globalThis.gc()
  await sleep(10)
}
console.log('lives')
Promise.reject(new Error('anything else'))
await sleep(1000)
console.log('must not get here')
`

suite('surviveLeakedFiles()', () => {
  test('a file left open is told and no end; any other error is', () => {
    const words = ['--expose-gc', '--input-type=module', '-e', SCRIPT]
    const { stdout, stderr, status } = spawnSync(process.execPath, words, { encoding: 'utf8' })
    assert.equal(stdout, 'lives\n')
    assert.match(stderr, /closed a file that was left open: .*\/dev\/null/)
    assert.match(stderr, /Error: anything else/)
    assert.equal(status, 3)
  })
})
