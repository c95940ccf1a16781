/** The simulator itself: that it finds what is there, replays it, and finds nothing where nothing is. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { listSources } from '../../tools/source-files.ts'
import { checkPatches, patchedEnvironment } from '../support/source-patch.ts'
import { BUCKET_MUTATIONS } from './bucket/bucket-mutations.ts'
import { PROTOCOLS } from './bucket/protocols.ts'
import { MUTATIONS } from './mutations.ts'
import { HEAP_FLAGS } from './heap-flags.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const PROGRAM = join(ROOT, 'tools', 'simulate.ts')
/** Enough for each kind of operation, and what CI has to play. */
const SEEDS = process.env['CI'] === undefined ? '150' : '5000'
/** Protocols that are played here, with seeds that show what they lose; the strongest of stock's markers in CI only. */
const PLAYED = [
  { id: 'expected-marks', seeds: ['--seeds', '200'], finds: /^seed \d+: I14: the ledger knows/m },
  {
    id: 'markers-3',
    seeds: ['--from', '1400', '--seeds', '100'],
    finds: /^seed \d+: I23: .* was answered as finished: chunk \w+ is missing/m,
  },
].slice(0, process.env['CI'] === undefined ? 1 : 2)
const run = promisify(execFile)

async function simulate(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly code: number; readonly output: string }> {
  try {
    const { stdout } = await run(process.execPath, [...HEAP_FLAGS, PROGRAM, ...args], { env })
    return { code: 0, output: stdout }
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string }
    return { code, output: stdout }
  }
}

suite('simulator', () => {
  test('no invariant is broken', async () => {
    const { code, output } = await simulate(['--seeds', SEEDS, '--shrink', '--processes', '2'])
    assert.equal(code, 0, output)
  })

  for (const world of ['local', 'bucket']) {
    test(`a seed replays exactly (${world})`, async () => {
      const args = ['--print', '--from', '7', '--world', world]
      const [first, second] = [await simulate(args), await simulate(args)]
      assert.ok(first.output.length > 1000)
      assert.equal(first.output, second.output)
    })
  }

  test('a mutation is found, and shrunk to few operations', async () => {
    const [mutation] = MUTATIONS.filter(({ id }) => id === 'R-03')
    assert.ok(mutation !== undefined)
    const patches = mutation.patches.map((patch) => ({ id: mutation.id, ...patch }))
    const env = patchedEnvironment(patches)
    const { code, output } = await simulate(['--seeds', '2000', '--shrink'], env)
    assert.equal(code, 1, output)
    assert.match(output, /^I[17]: chunk/m)
  })

  // What stock tried loses chunks, and the simulator sees it (races.md R-26, R-26b, R-30).
  for (const { id, seeds, finds } of PLAYED) {
    const [protocol] = PROTOCOLS.filter((one) => one.id === id)
    assert.ok(protocol !== undefined)
    test(`a protocol that stock tried loses: ${protocol.what}`, async () => {
      const env = patchedEnvironment(protocol.patches.map((patch) => ({ id, ...patch })))
      const { code, output } = await simulate(['--world', 'bucket', ...seeds], env)
      assert.equal(code, 1, output)
      assert.match(output, finds)
    })
  }

  test('all mutations fit the source', () => {
    const all = [...MUTATIONS, ...BUCKET_MUTATIONS]
    for (const { id, patches } of all) {
      checkPatches(patches.map((patch) => ({ id, ...patch })))
    }
    assert.equal(new Set(all.map(({ id }) => id)).size, all.length)
  })

  // Every simulated process runs in one real one: what the code keeps beside its objects would be shared by all.
  test('no module of the datastore has state that the simulator does not know', () => {
    const state =
      /^(?:export )?(?:let |const \w+(?::[^=]+)? = new (?!Error|RegExp|URL|Text|Uint8Array|Int\d+Array|AsyncLocalStorage)\w+)/
    const known = [
      'src/base/fs/record-lock.ts',
      'src/datastore/store-core.ts',
      // Permits and buffers that only bound memory.
      'src/datastore/sessions/read-ahead.ts',
      'src/storage/stored-buffers.ts',
      'src/base/fs/direct-io.ts',
      // Constants.
      'src/base/fs/system-error.ts',
      // Runs in threads, which the simulator has none of.
      'src/datastore/verify/verify-worker.ts',
      'src/datastore/bucket/open-bucket.ts',
      // Threads of its own stand for these (bucket/), and a door for those.
      'src/storage/bucket-chunks/ledger-worker.ts',
      /^src\/storage\/s3\//,
      // A word beside a request of a real bucket.
      'src/base/body-sinks.ts',
      // Doors to libraries.
      /^src\/base\/fs\/native/,
    ]
    const isKnown = (file: string): boolean =>
      known.some((entry) => (typeof entry === 'string' ? entry === file : entry.test(file)))
    const found = listSources(ROOT, ['src/datastore', 'src/storage', 'src/base'])
      .filter((file) => !file.endsWith('.test.ts') && !isKnown(file))
      .filter((file) =>
        readFileSync(join(ROOT, file), 'utf8')
          .split('\n')
          .some((line) => state.test(line)),
      )
    assert.deepEqual(found, [])
  })
})
