/** The soak of a bucket for a short time; `npm run crash -- s3soak --minutes 10` takes longer. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { cephMissing } from '../support/ceph.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { runS3Soak } from './s3-soak.ts'
import { SEED } from './seed.ts'

const SECONDS = Number(process.env['CAIRN_S3_SOAK_SECONDS'] ?? 10)

suite('a bucket behind a bad network', { skip: cephMissing ?? false }, () => {
  test(`${SECONDS} s of backups, kills and everything that removes`, async (context) => {
    const folder = await makeTemporaryFolder(context)
    context.diagnostic(`seed ${SEED}`)
    const summary = await runS3Soak(folder, { durationMs: SECONDS * 1000, seed: SEED })
    context.diagnostic(JSON.stringify(summary))
    assert.ok(summary.backups > 0 && summary.collections > 0 && summary.faults > 0)
  })
})
