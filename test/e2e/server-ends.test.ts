/** Both programs as processes when the server ends or its disk is full in the middle of a backup. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { FailureRig, PART } from '../support/failure-rig.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

// Two at a time: the first one waits ten seconds for a client that finds nobody.
suite('a server that ends in the middle of a backup', { concurrency: 2 }, () => {
  test('SIGTERM: a session that goes on finishes within its grace', async (context) => {
    await using rig = await FailureRig.open(await makeTemporaryFolder(context))
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    const ended = rig.server.end('SIGTERM')
    await rig.server.waitFor(/ending: running sessions may finish/)
    const late = await rig.client(['list'])
    assert.equal(late.status, 255, 'nobody new is served')
    await feed.write(PART)
    await feed.end()
    const { status, stderr } = await done
    assert.equal(status, 0, stderr)
    assert.equal(await ended, 0)
    await rig.restart()
    const restored = await rig.client(['restore', 'host/web1', 'disk.img', '-'])
    assert.ok(restored.stdout.equals(Buffer.concat([PART, PART])))
    await rig.forgetSecond()
    await rig.checkClean()
  })

  test('SIGTERM without grace: the session is aborted and cleaned up before it ends', async (context) => {
    await using rig = await FailureRig.open(await makeTemporaryFolder(context), ['--grace', '0'])
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    assert.equal(await rig.server.end('SIGTERM'), 0)
    rig.checkGone()
    const { status, stderr } = await done
    assert.equal(status, 255)
    assert.match(stderr, /\nError: [^\n]+\n$/)
    await rig.restart()
    assert.equal(await rig.lastTaskStatus(), 'task aborted')
    await rig.checkClean()
  })

  test('a second SIGTERM does not wait; the next start cleans up', async (context) => {
    await using rig = await FailureRig.open(await makeTemporaryFolder(context))
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    const ended = rig.server.end('SIGTERM')
    await rig.server.waitFor(/ending: running sessions may finish/)
    await rig.server.end('SIGTERM')
    assert.notEqual(await ended, 0)
    assert.equal((await done).status, 255)
    await rig.restart()
    rig.checkGone()
    await rig.checkClean()
  })

  test('SIGKILL: the client says that the connection is lost; the next start cleans up', async (context) => {
    await using rig = await FailureRig.open(await makeTemporaryFolder(context))
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    await rig.server.end('SIGKILL')
    const { status, stderr } = await done
    assert.equal(status, 255)
    assert.match(stderr, /\nError: [^\n]*connection [^\n]*\n$/)
    await rig.restart()
    rig.checkGone()
    await rig.checkClean()
  })
})

const DISK_SIZE = 24 << 20

suite('a full disk', () => {
  const skip = process.getuid?.() === 0 ? false : 'only root can mount a small file system'
  test('fails the backup with its reason; what is there stays, and a small one works', {
    skip,
  }, async (context) => {
    const folder = await makeTemporaryFolder(context)
    using _disk = mountSmall(join(folder, 'data', 'main'))
    await using rig = await FailureRig.open(folder)
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    for (let part = 0; part < 4; part += 1) {
      // Chunks that differ, and that nothing makes smaller.
      const bytes = randomBytes(PART.length)
      await Promise.race([feed.write(bytes).catch(() => {}), done])
    }
    const { status, stderr } = await done
    assert.equal(status, 255)
    assert.match(stderr, /\nError: .*No space left on device/)
    assert.match(await rig.lastTaskStatus(), /No space left on device|connection error|not set/)
    await rig.checkClean()
  })
})

/** A file system in memory that holds little more than one backup. */
function mountSmall(path: string): Disposable {
  mkdirSync(path, { recursive: true })
  const mount = spawnSync('mount', [
    '-t',
    'tmpfs',
    '-o',
    `size=${DISK_SIZE},mode=755`,
    'none',
    path,
  ])
  assert.equal(mount.status, 0, String(mount.stderr))
  return { [Symbol.dispose]: () => void spawnSync('umount', [path]) }
}
