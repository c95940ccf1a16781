/** Backups beside everything that removes, for a short time; `npm run crash -- beside --minutes 10` takes longer. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { runBeside } from './beside-rounds.ts'
import { SEED } from './seed.ts'

const SECONDS = Number(process.env['CAIRN_BESIDE_SECONDS'] ?? 20)

suite('backups beside everything that removes', () => {
  test(`${SECONDS} s of collection without grace, prune, forget, verification`, async (context) => {
    const folder = await makeTemporaryFolder(context)
    context.diagnostic(`seed ${SEED}`)
    const summary = await runBeside(folder, { durationMs: SECONDS * 1000, seed: SEED })
    context.diagnostic(JSON.stringify(summary))
    for (const [name, count] of Object.entries(summary.done)) assert.ok(count > 0, name)
  })
})
