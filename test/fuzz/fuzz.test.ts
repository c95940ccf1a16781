import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { fuzz, type FuzzResult } from './fuzz.ts'
import { fuzzTargets } from './targets.ts'

/** The whole of CI's share; `npm run fuzz` goes on as long as it is told to. */
const SECONDS = 40 * Number(process.env['CAIRN_FUZZ_SHARE'] ?? 1)
const targets = await fuzzTargets(await makeTemporaryFolder())

suite('decoders under damaged input', () => {
  for (const target of targets) {
    test(target.name, async (t) => {
      const isEnough = ({ inputs, accepted }: FuzzResult): boolean =>
        inputs > 0 && (target.isLenient === true || accepted < inputs)
      const { inputs, accepted } = await fuzz(target, {
        seconds: SECONDS / targets.length,
        seed: 'ci',
        isEnough,
      })
      t.diagnostic(`${target.name}: ${inputs} inputs, ${accepted} accepted`)
      assert.ok(inputs > 0)
      assert.ok(target.isLenient === true || accepted < inputs, 'damage is noticed')
    })
  }
})

suite('fuzz()', () => {
  const good = { name: 'broken', samples: [new Uint8Array([1, 2, 3])] }

  test('reports an error that is not ours', async () => {
    const decode = (bytes: Uint8Array): void => {
      if (bytes.length < 3) throw new RangeError('read past the end')
    }
    await assert.rejects(
      fuzz({ ...good, decode }, { seconds: 1, seed: 'ci' }),
      /not an error of ours/,
    )
  })

  test('reports a decoder that takes the square of the time', async () => {
    const decode = (bytes: Uint8Array): void => {
      for (let a = 0; a < bytes.length; a++) for (let b = 0; b < bytes.length; b += 8) bytes[a] = b
    }
    await assert.rejects(fuzz({ ...good, decode }, { seconds: 120, seed: 'ci' }), /took \d+ µs/)
  })

  test('reports memory that is never given back', async () => {
    const kept: Uint8Array[] = []
    const decode = (): void => void kept.push(new Uint8Array(16 << 20))
    await assert.rejects(fuzz({ ...good, decode }, { seconds: 120, seed: 'ci' }), /memory grew/)
  })

  test('reports a good input that is refused', async () => {
    const decode = (): void => {
      throw new Error('no')
    }
    await assert.rejects(fuzz({ ...good, decode }, { seconds: 1, seed: 'ci' }), /sample is refused/)
  })
})
