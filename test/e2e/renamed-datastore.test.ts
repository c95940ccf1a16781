/** A datastore whose entry in the configuration was renamed after a crash: what was remembered of it goes along. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { FailureRig } from '../support/failure-rig.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

suite('a datastore that was renamed after a crash', () => {
  test('its unfinished snapshot is removed, its chunks are in doubt', async (context) => {
    await using rig = await FailureRig.open(await makeTemporaryFolder(context))
    const { data, paths } = rig.data
    const { feed, kill, done } = await rig.startBackup()
    await using _feed = feed
    await rig.server.end('SIGKILL')
    kill('SIGKILL')
    await done
    const unfinished = join(data, 'main/host/web1/2026-01-02T00:00:00Z')
    assert.ok(existsSync(unfinished))
    const config = join(paths.config, 'datastore.cfg')
    const text = readFileSync(config, 'utf8')
    writeFileSync(config, text.replace('datastore: main\n', 'datastore: other\n'))
    await rig.restart()
    rig.checkGone()
    const states = join(paths.state, 'datastores')
    assert.deepEqual(
      readdirSync(states).filter((name) => name !== '.lock'),
      ['other'],
    )
    assert.deepEqual(readdirSync(join(states, 'other/sessions')), [])
    const repository = rig.environment['PBS_REPOSITORY'] ?? ''
    const environment = { ...rig.environment, PBS_REPOSITORY: repository.replace(/main$/, 'other') }
    const { status, stderr } = await rig.backUp(config, { environment })
    assert.equal(status, 0, stderr)
    const state = JSON.parse(readFileSync(join(states, 'other/state.json'), 'utf8')) as {
      doubt: unknown
    }
    assert.notEqual(state.doubt, null)
  })
})
