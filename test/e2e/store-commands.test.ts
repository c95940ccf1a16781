/** `cairn datastore gc|prune|verify|move-*` beside a running server, which does them, and without one. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { systemClock } from '../../src/base/time/clock.ts'
import { parseUpid } from '../../src/formats/upid.ts'
import { createSelfSigned } from '../../src/transport/create-self-signed.ts'
import { FailureRig } from '../support/failure-rig.ts'
import { type CommandOptions, runServerCommand } from '../support/run-server-command.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/** Times, rates and the name of the task differ from run to run. */
function comparable(text: string): string {
  return text
    .replaceAll(/UPID:\S+/g, 'UPID')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*/g, 'TIME')
    .replaceAll(/in \d+\.\d+ seconds, speed [0-9.]+/g, 'in TIME')
    .replaceAll(/\d+(?:\.\d+)?(?: (?:[KMG]i)?B)?(?:\/s| s|s|ms)\b/g, 'AMOUNT')
}

function datastoreCommand(rig: FailureRig, args: readonly string[], options?: CommandOptions) {
  const { data } = rig.data
  return runServerCommand(['datastore', ...args, '--data', data], options)
}

/** Of tasks that have ended, newest first. */
async function tasksOf(rig: FailureRig): Promise<{ upid: string; status: string }[]> {
  await using connection = await rig.connect()
  const { data } = await connection.get('nodes/localhost/tasks', { limit: 50 })
  return data as { upid: string; status: string }[]
}

async function lastRun(rig: FailureRig): Promise<Record<string, unknown>> {
  await using connection = await rig.connect()
  return (await connection.get('admin/datastore/main/gc')).data as Record<string, unknown>
}

async function collections(rig: FailureRig) {
  return (await tasksOf(rig)).filter(({ upid }) => upid.includes(':garbage_collection:'))
}

suite('commands on a datastore beside a running server', () => {
  test('a collection ends, and so does the backup that runs meanwhile', async (context) => {
    await using rig = await FailureRig.open(await makeTemporaryFolder(context))
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    assert.equal((await lastRun(rig))['last-run-state'], undefined)
    const { status, stdout, stderr } = await datastoreCommand(rig, ['gc', 'main'])
    assert.equal(stderr, '')
    assert.equal(status, 0)
    assert.match(stdout, /\nTASK OK\n$/)
    const run = await lastRun(rig)
    const { startTime } = parseUpid(String(run['upid']))
    assert.equal(run['last-run-state'], 'OK')
    assert.equal(run['duration'], Number(run['last-run-endtime']) - startTime)
    await feed.end()
    const backup = await done
    assert.equal(backup.status, 0, backup.stderr)
    const [collection] = await collections(rig)
    const { pid, authId } = parseUpid(collection?.upid ?? '')
    assert.equal(pid, rig.server.child.pid)
    assert.equal(authId, 'root@pam')
    // The ticket is not to be found in any log.
    assert.doesNotMatch(rig.server.output() + stdout + stderr, /PBS:root/)
    await rig.forgetSecond()
    await rig.checkClean()
  })

  test('the output is the same with and without a server', async (context) => {
    await using rig = await FailureRig.open(await makeTemporaryFolder(context))
    const commands = [
      ['gc', 'main'],
      ['verify', 'main', '--ignore-verified', 'false', '--rate-limit', '1GiB'],
      ['prune', 'main', '--keep-last', '1', '--dry-run', 'true'],
      ['move-group', 'main', 'host/web1', '--target-ns', 'absent'],
      ['move-namespace', 'main', 'absent', '--target-ns', 'other'],
      ['gc', 'absent'],
    ]
    const runs = [[], []] as [unknown[], unknown[]]
    for (const into of runs) {
      for (const command of commands) {
        const { status, stdout, stderr } = await datastoreCommand(rig, command)
        into.push({ command, status, stdout: comparable(stdout), stderr: comparable(stderr) })
      }
      if (into === runs[0]) await rig.server.end('SIGTERM')
    }
    assert.deepEqual(runs[0], runs[1])
    await rig.restart()
    await rig.checkClean()
  })

  test('Ctrl-C stops the task', async (context) => {
    const folder = await makeTemporaryFolder(context)
    await using rig = await FailureRig.open(folder)
    const path = join(folder, 'random')
    writeFileSync(path, randomBytes(8 << 20))
    assert.equal((await rig.backUp(path)).status, 0)
    const args = ['verify', 'main', '--rate-limit', '64KiB']
    let isSent = false
    const { status, stdout, stderr } = await datastoreCommand(rig, args, {
      onOutput(text, kill) {
        if (isSent || !text.includes('\n')) return
        isSent = true
        kill('SIGINT')
      },
    })
    assert.equal(status, 255)
    assert.match(stdout, /TASK ERROR: .*abort/)
    assert.match(stderr, /^Error: task failed \(status .*abort/)
    const [verify] = (await tasksOf(rig)).filter(({ upid }) => upid.includes(':verify:'))
    assert.match(verify?.status ?? '', /abort/)
    await rig.forgetSecond()
    await rig.checkClean()
  })

  test('a server that is not the one of this configuration is told nothing', async (context) => {
    await using rig = await FailureRig.open(await makeTemporaryFolder(context))
    const names = { hostname: 'localhost', fqdn: 'localhost' }
    const { certificatePem } = await createSelfSigned({
      ...names,
      clock: systemClock,
      keyBits: 2048,
    })
    writeFileSync(join(rig.data.paths.config, 'proxy.pem'), certificatePem)
    const { status, stderr } = await datastoreCommand(rig, ['gc', 'main'])
    assert.equal(status, 255)
    assert.match(stderr, /Cannot reach the server .*fingerprint/)
    assert.deepEqual(await collections(rig), [])
  })
})
