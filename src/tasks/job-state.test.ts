import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem as fs } from '../base/fs/node-file-system.ts'
import { noteJobStarted, readLastRun } from './job-state.ts'

const UPID = 'UPID:vm:00003F60:00027311:00000BCF:6B017275:garbage_collection:fxrest:root@pam:'
const JOB = { type: 'garbage_collection', name: 'store' }
const FILE = 'jobstates/garbage_collection-store.json'

suite('job states', () => {
  test('a run that began is noted in the form of stock', async (context) => {
    const folder = await makeTemporaryFolder(context)
    assert.equal(await readLastRun(fs, folder, JOB), null)
    await noteJobStarted(fs, folder, JOB, { upid: UPID, owner: undefined })
    assert.equal(readFileSync(join(folder, FILE), 'utf8'), `{"started":{"upid":"${UPID}"}}`)
    assert.deepEqual(await readLastRun(fs, folder, JOB), { upid: UPID, end: null })
    await noteJobStarted(fs, folder, JOB, { upid: UPID, owner: undefined })
  })

  const states: readonly (readonly [unknown, unknown])[] = [
    [{ OK: { endtime: 7 } }, { status: 'OK', endTime: 7 }],
    [{ Warning: { count: 2, endtime: 7 } }, { status: 'WARNINGS: 2', endTime: 7 }],
    [{ Error: { message: 'no', endtime: 7 } }, { status: 'no', endTime: 7 }],
    [{ Unknown: { endtime: 7 } }, { status: 'unknown', endTime: 7 }],
    [{ Else: {} }, null],
    [null, null],
  ]
  for (const [state, end] of states) {
    test(`how a run of stock ended: ${JSON.stringify(state)}`, async (context) => {
      const folder = await makeTemporaryFolder(context)
      mkdirSync(join(folder, 'jobstates'))
      writeFileSync(join(folder, FILE), JSON.stringify({ finished: { upid: UPID, state } }))
      assert.deepEqual(await readLastRun(fs, folder, JOB), { upid: UPID, end })
    })
  }

  test('what is no state is no run', async (context) => {
    const folder = await makeTemporaryFolder(context)
    mkdirSync(join(folder, 'jobstates'))
    for (const text of [
      '',
      '{"created":{"time":1}}',
      '{"started":{}}',
      '{"started":{"upid":"x"}}',
      '[]',
      'null',
    ]) {
      writeFileSync(join(folder, FILE), text)
      assert.equal(await readLastRun(fs, folder, JOB), null)
    }
  })
})
