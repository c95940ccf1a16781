import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { fuzz } from './fuzz.ts'
import { fuzzTargets } from './targets.ts'

/** The whole of CI's share; `npm run fuzz` goes on as long as it is told to. */
const SECONDS = 60
const targets = await fuzzTargets()

suite('decoders under damaged input', () => {
  for (const target of targets) {
    test(target.name, async (t) => {
      const { inputs, accepted } = await fuzz(target, {
        seconds: SECONDS / targets.length,
        seed: 'ci',
      })
      t.diagnostic(`${inputs} inputs, ${accepted} accepted`)
      process.stdout.write(`${target.name}: ${inputs} inputs, ${accepted} accepted\n`)
      assert.ok(inputs > 0)
      assert.ok(target.isLenient === true || accepted < inputs, 'damage is noticed')
    })
  }

  test('fuzz() reports an error that is not ours', async () => {
    const target = {
      name: 'broken',
      samples: [new Uint8Array([1, 2, 3])],
      decode: (bytes: Uint8Array) => {
        if (bytes.length < 3) throw new RangeError('read past the end')
      },
    }
    await assert.rejects(fuzz(target, { seconds: 1, seed: 'ci' }), /not an error of ours/)
  })
})
