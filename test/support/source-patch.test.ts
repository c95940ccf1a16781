import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { suite, test } from 'node:test'
import { patchedEnvironment, patchSource, type SourcePatch } from './source-patch.ts'

function run(script: string, env: NodeJS.ProcessEnv): string {
  return execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    env,
    encoding: 'utf8',
    cwd: import.meta.dirname,
  })
}

const ASK = "import { GROUP } from './source-patch-sample.ts'; process.stdout.write(GROUP)"
const SAMPLE: SourcePatch = {
  id: 'sample',
  file: 'test/support/source-patch-sample.ts',
  find: "'as written'",
  replace: "'patched'",
}

suite('source patches', () => {
  test('a child started for them has them, another has not', () => {
    assert.equal(run(ASK, process.env), 'as written')
    assert.equal(run(ASK, patchedEnvironment([SAMPLE])), 'patched')
  })

  test('a thread and a child of the child have them, too', () => {
    const url = JSON.stringify(new URL('source-patch-sample.ts', import.meta.url).href)
    const threadScript = `import(${url}).then(({ GROUP }) => process.stdout.write(GROUP))`
    const inThread = `
      import { Worker } from 'node:worker_threads'
      new Worker(${JSON.stringify(threadScript)}, { eval: true })`
    const inChild = `
      import { execFileSync } from 'node:child_process'
      const args = ['--input-type=module', '--eval', ${JSON.stringify(ASK)}]
      process.stdout.write(execFileSync(process.execPath, args))`
    assert.equal(run(inChild, patchedEnvironment([SAMPLE])), 'patched')
    assert.equal(run(inThread, patchedEnvironment([SAMPLE])), 'patched')
  })

  test('a text that is missing or there twice is refused', () => {
    assert.throws(() => patchedEnvironment([{ ...SAMPLE, find: 'nowhere' }]), /'sample'.* 0 times/)
    assert.throws(() => patchedEnvironment([{ ...SAMPLE, find: 't' }]), /times.*expected 1/)
    assert.throws(() => patchedEnvironment([{ ...SAMPLE, file: 'src/none.ts' }]), /ENOENT/)
  })

  test('several patches of one file are applied in order', () => {
    const one = { ...SAMPLE, find: 'a', replace: 'b' }
    const two = { ...SAMPLE, find: 'bc', replace: '$&' }
    assert.equal(patchSource(SAMPLE.file, 'ac', [one, two]), '$&')
  })
})
