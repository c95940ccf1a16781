import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { makeTestStore } from '../../../test/support/test-store.ts'
import { silentProgress } from '../../base/progress.ts'

import { decodeDynamicIndex, DynamicIndexBuilder } from '../../formats/dynamic-index.ts'
import { verifyChunks } from './verify-chunks.ts'
import { openVerifyRun } from './verify-run.ts'
import type { VerifyEngine } from './verify-slice.ts'

const CHUNK_COUNT = 60_000

suite('verifyChunks()', () => {
  for (const waitsFrom of [0, 20_000, Infinity]) {
    test(`puts chunks in order unless they lie in memory, as all before ${waitsFrom} do`, async (context) => {
      const { store } = await makeTestStore(context)
      const builder = new DynamicIndexBuilder()
      for (let index = 0; index < CHUNK_COUNT; index += 1) {
        builder.appendAt(100 * (index + 1), createHash('sha256').update(`${index}`).digest(), 0)
      }
      const index = decodeDynamicIndex(builder.encode({ uuid: Buffer.alloc(16), createdAt: 1 }))
      let checked = 0
      let ordered = 0
      const engine: VerifyEngine = {
        slicesAtOnce: 1,
        async check({ sizes }) {
          const waitCount = checked >= waitsFrom ? sizes.length : 0
          checked += sizes.length
          return await Promise.resolve({ findings: [], readSize: 0, decodedSize: 0, waitCount })
        },
        async order(digests) {
          ordered += digests.length / 32
          return await Promise.resolve(new Uint32Array(digests.length / 32).map((_, at) => at))
        },
        [Symbol.asyncDispose]: async () => {},
      }
      await using run = { ...openVerifyRun(store), engine }
      await verifyChunks(store, index, { run, progress: silentProgress(), encrypted: false })
      assert.equal(checked, CHUNK_COUNT)
      if (waitsFrom === 0) assert.equal(ordered, CHUNK_COUNT)
      // The first windows are put in order before anything is known.
      else if (waitsFrom === Infinity) assert.ok(ordered <= 8_192, `${ordered} of ${CHUNK_COUNT}`)
      else assert.ok(ordered >= 30_000 && ordered < 50_000, `${ordered} of ${CHUNK_COUNT}`)
    })
  }
})
