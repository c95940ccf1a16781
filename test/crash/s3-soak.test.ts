/** The soak of a bucket for a short time; `npm run crash -- s3soak --minutes 10` takes longer. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { suite, test } from 'node:test'
import { cephMissing } from '../support/ceph.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { runS3Soak } from './s3-soak.ts'

const SECONDS = Number(process.env['CAIRN_S3_SOAK_SECONDS'] ?? 10)
const SEED_MAX = 2 ** 32

suite('a bucket behind a bad network', { skip: cephMissing ?? false }, () => {
  test(`${SECONDS} s of backups, kills and everything that removes`, async (context) => {
    const folder = await makeTemporaryFolder(context)
    const seed = randomInt(SEED_MAX)
    context.diagnostic(`seed ${seed}`)
    const summary = await runS3Soak(folder, { durationMs: SECONDS * 1000, seed })
    context.diagnostic(JSON.stringify(summary))
    assert.ok(summary.backups > 0 && summary.collections > 0 && summary.faults > 0)
  })
})
