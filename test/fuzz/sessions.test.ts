import { strict as assert } from 'node:assert'
import { after, suite, test } from 'node:test'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { fuzz, type FuzzResult } from './fuzz.ts'
import { FuzzedServer } from './session/fuzzed-server.ts'
import { sessionTargets } from './session/targets.ts'

/** With fuzz.test.ts a minute. */
const SECONDS = 20 * Number(process.env['CAIRN_FUZZ_SHARE'] ?? 1)

suite('a server under wrong calls', async () => {
  const server = await FuzzedServer.start(await makeTemporaryFolder())
  after(async () => await server[Symbol.asyncDispose]())
  const targets = await sessionTargets(server)
  for (const target of targets) {
    test(target.name, async (t) => {
      const isEnough = ({ inputs, accepted }: FuzzResult): boolean =>
        accepted > 0 && (target.isLenient === true || accepted < inputs)
      const { inputs, accepted } = await fuzz(target, {
        seconds: SECONDS / targets.length,
        seed: 'ci',
        isEnough,
      })
      t.diagnostic(`${target.name}: ${inputs} inputs, ${accepted} accepted`)
      assert.ok(accepted > 0, 'some of it is right')
      assert.ok(target.isLenient === true || accepted < inputs, 'some of it is refused')
    })
  }
})
