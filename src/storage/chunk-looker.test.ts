import assert from 'node:assert/strict'
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { type Digest, digestFromBytes, digestToBytes } from '../formats/digest.ts'
import { workerLooker } from './chunk-looker.ts'
import { lookAndVerify } from './look-and-verify.ts'
import { lookChunks } from './look-chunks.ts'

function digestOf(number: number): Digest {
  return number.toString(16).padStart(4, '0').padEnd(64, '5') as Digest
}

function pack(numbers: readonly number[]): Uint8Array {
  return Buffer.concat(numbers.map((number) => digestToBytes(digestOf(number))))
}

suite('lookChunks()', () => {
  test('goes folder by folder, whatever the order asked for', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const numbers = [900, 3, 65_000, 3, 17, 900]
    const answer = lookChunks({ folder, digests: pack(numbers), doubt: null, delayMs: 0 })
    const missing: Digest[] = []
    for (let at = 0; at < answer.missing.length; at += 32)
      missing.push(digestFromBytes(answer.missing, at))
    assert.deepEqual(missing, [3, 17, 900, 65_000].map(digestOf))
  })

  test('files changed in the window are doubtful, by either of their times', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const digest = digestOf(1)
    mkdirSync(`${folder}/0001`)
    writeFileSync(`${folder}/0001/${digest}`, 'x')
    const now = Date.now()
    const window = { fromMs: now - 60_000, untilMs: now + 60_000 }
    const look = (doubt: typeof window | null) =>
      lookChunks({ folder, digests: pack([1]), doubt, delayMs: 0 })
    assert.equal(look(window).doubtful.length, 32)
    assert.equal(look(null).doubtful.length, 0)
    utimesSync(`${folder}/0001/${digest}`, 5, 5)
    assert.equal(look(window).doubtful.length, 32, 'the change time cannot be set back')
    assert.equal(look({ fromMs: 0, untilMs: 6_000 }).doubtful.length, 32)
    assert.equal(look({ fromMs: 6_000, untilMs: 7_000 }).doubtful.length, 0)
  })
})

suite('workerLooker()', () => {
  test('an abort is heard in the middle of a slow request', async (context) => {
    const folder = await makeTemporaryFolder(context)
    await using looker = workerLooker({ delayMs: 20 })
    const digests = pack(Array.from({ length: 8000 }, (_, number) => number))
    const controller = new AbortController()
    const look = looker.look({ folder, digests, doubt: null }, { signal: controller.signal })
    setImmediate(() => controller.abort(new Error('enough')))
    await assert.rejects(look)
  })
})

suite('lookAndVerify()', () => {
  test('reads what is in doubt, and stops at the first failure', async () => {
    const asked: Digest[] = []
    const steps = {
      pathOf: (digest: Digest) => digest,
      look: async (packed: Uint8Array) => ({
        missing: packed.subarray(0, 32),
        doubtful: packed.subarray(32, 96),
        failure: null,
      }),
      isWhole: async (digest: Digest) => {
        asked.push(digest)
        return digest === digestOf(2)
      },
    }
    const look = await lookAndVerify(pack([1, 2, 3, 4]), steps)
    assert.deepEqual(asked, [2, 3].map(digestOf))
    assert.deepEqual(look, { missing: [1, 3].map(digestOf), failure: null })
    const failing = { ...steps, isWhole: async () => await Promise.reject(new Error('EIO')) }
    const failed = await lookAndVerify(pack([1, 2, 3, 4]), failing)
    assert.equal(failed.failure?.digest, digestOf(2))
    assert.deepEqual(failed.missing, [digestOf(1)])
  })
})
