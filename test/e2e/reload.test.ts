/** A reload with real processes: the socket is never closed, running sessions end where they began (races.md ). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { FailureRig, PART } from '../support/failure-rig.ts'
import { prepareCairnData } from '../support/cairn-data.ts'
import { startCairn } from '../support/cairn-process.ts'
import { foreignLockMissing } from '../support/foreign-lock.ts'
import { Hammer } from '../support/hammer.ts'
import { runServerCommand } from '../support/run-server-command.ts'
import { ServiceManagerDouble } from '../support/service-manager-double.ts'
import { endOfTask, untilNoTaskRuns } from '../support/running-tasks.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

class ReloadRig implements AsyncDisposable {
  readonly rig: FailureRig
  readonly #pids = new Set<number>()

  private constructor(rig: FailureRig) {
    this.rig = rig
  }

  static async open(context: TestContext): Promise<ReloadRig> {
    return new ReloadRig(await FailureRig.open(await makeTemporaryFolder(context)))
  }

  /** The process that serves. */
  get pid(): number {
    const pid = Number(readFileSync(join(this.rig.data.paths.run, 'proxy.pid'), 'utf8'))
    this.#pids.add(pid)
    return pid
  }

  async reload() {
    const done = await runServerCommand(['reload', '--data', this.rig.data.data])
    if (done.status === 0) assert.ok(this.pid > 0)
    return done
  }

  async operations(): Promise<unknown> {
    await using connection = await this.rig.connect()
    return (await connection.get('admin/datastore/main/active-operations')).data
  }

  /** Collects, and says how the task ended. */
  async collect(): Promise<string> {
    await using connection = await this.rig.connect()
    const { data: upid } = await connection.post('admin/datastore/main/gc', {})
    return await endOfTask(connection, String(upid))
  }

  /** Ends all; the first process must end by itself when the last one has. */
  async end(): Promise<void> {
    process.kill(this.pid, 'SIGTERM')
    assert.equal(await this.rig.server.end('SIGCONT'), 0)
    assert.throws(() => this.pid, { code: 'ENOENT' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of this.#pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended.
      }
    }
    await this.rig[Symbol.asyncDispose]()
  }
}

suite('reload', () => {
  test('R-17: a backup goes on in the old process and finishes; collection waits for its end', async (context) => {
    await using reloads = await ReloadRig.open(context)
    const { rig } = reloads
    const first = reloads.pid
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    await using hammer = new Hammer(rig.server.port)
    const { status, stdout, stderr } = await reloads.reload()
    assert.equal(status, 0, stderr)
    assert.notEqual(reloads.pid, first)
    assert.equal(stdout, `process ${reloads.pid} serves, process ${first} ends its sessions\n`)
    await rig.server.waitFor(/ends its sessions: another one serves/)
    assert.deepEqual(await reloads.operations(), { read: 0, write: 1 })
    const { failures, count } = await hammer.end()
    assert.deepEqual(failures, [])
    assert.ok(count > 0)
    assert.match(await reloads.collect(), /unable to get exclusive lock - EAGAIN: Try again/)
    const again = await rig.backUp(feed.path)
    assert.match(again.stderr, /unable to acquire backup group lock/)
    await feed.write(PART)
    await feed.end()
    const run = await done
    assert.equal(run.status, 0, run.stderr)
    assert.equal(await reloads.collect(), 'OK')
    const restored = await rig.client(['restore', 'host/web1', 'disk.img', '-'])
    assert.ok(restored.stdout.equals(Buffer.concat([PART, PART])))
    await rig.forgetSecond()
    await rig.checkClean()
    await reloads.end()
  })

  test('a chain: each process ends when its sessions have', async (context) => {
    await using reloads = await ReloadRig.open(context)
    const { rig } = reloads
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    const pids = [reloads.pid]
    for (let round = 0; round < 2; round += 1) {
      const { status, stderr } = await reloads.reload()
      assert.equal(status, 0, stderr)
      pids.push(reloads.pid)
    }
    assert.equal(new Set(pids).size, 3)
    assert.deepEqual(await reloads.operations(), { read: 0, write: 1 })
    assert.match(await reloads.collect(), /EAGAIN/)
    await feed.end()
    assert.equal((await done).status, 0)
    await using connection = await rig.connect()
    await untilNoTaskRuns(connection, rig.data.paths.tasks)
    await rig.forgetSecond()
    await rig.checkClean()
    await reloads.end()
  })

  test('a task of the old process is stopped through the new one', async (context) => {
    await using reloads = await ReloadRig.open(context)
    const { rig } = reloads
    const { feed, done } = await rig.startBackup()
    await using _feed = feed
    const first = reloads.pid
    const { status, stderr } = await reloads.reload()
    assert.equal(status, 0, stderr)
    const socket = statSync(join(rig.data.paths.run, `tasks-${first}.sock`))
    assert.equal(socket.mode & 0o777, 0o600)
    await using connection = await rig.connect()
    const { data } = await connection.get('nodes/localhost/tasks', { running: true })
    const [task] = data as { upid: string; pid: number }[]
    assert.equal(task?.pid, first)
    await connection.delete(`nodes/localhost/tasks/${encodeURIComponent(task.upid)}`)
    assert.notEqual((await done).status, 0)
    assert.match(await rig.lastTaskStatus(), /abort/)
    await rig.checkClean()
    await reloads.end()
    const sockets = readdirSync(rig.data.paths.run).filter((name) => name.endsWith('.sock'))
    assert.deepEqual(sockets, [])
  })

  test('a successor that cannot start changes nothing', async (context) => {
    await using reloads = await ReloadRig.open(context)
    const { rig } = reloads
    const first = reloads.pid
    const path = join(rig.data.paths.config, 'proxy.key')
    const key = readFileSync(path)
    writeFileSync(path, 'no key')
    const { status, stderr } = await reloads.reload()
    assert.notEqual(status, 0)
    assert.match(stderr, /reload failed: the new server has ended with status/)
    assert.equal(reloads.pid, first)
    await rig.checkClean()
    writeFileSync(path, key)
    assert.equal((await reloads.reload()).status, 0)
    assert.notEqual(reloads.pid, first)
    await rig.checkClean()
    await reloads.end()
  })

  test('SIGTERM during a reload ends both; so does one for the successor', async (context) => {
    await using reloads = await ReloadRig.open(context)
    const { rig } = reloads
    assert.ok(reloads.pid > 0)
    rig.server.child.kill('SIGHUP')
    assert.equal(await rig.server.end('SIGTERM'), 0)
    assert.throws(() => reloads.pid, { code: 'ENOENT' })
    await rig.restart()
    await rig.checkClean()
    assert.equal((await reloads.reload()).status, 0)
    assert.equal(await rig.server.end('SIGTERM'), 0)
    assert.throws(() => reloads.pid, { code: 'ENOENT' })
  })

  test('a second server on the same folder is refused, and changes nothing', async (context) => {
    await using reloads = await ReloadRig.open(context)
    const first = reloads.pid
    const { data } = reloads.rig.data
    const second = await runServerCommand(['serve', '--data', data, '--port', '0'])
    assert.notEqual(second.status, 0)
    assert.match(second.stderr, new RegExp(`Cannot start: process ${first} serves`))
    assert.equal(reloads.pid, first)
    await reloads.rig.checkClean()
  })

  test('R-20: pid file, service manager, its barrier, and only then the new process runs', {
    skip: foreignLockMissing(),
  }, async (context) => {
    const folder = await makeTemporaryFolder(context)
    const data = await prepareCairnData(join(folder, 'data'))
    const pidFile = join(data.paths.run, 'proxy.pid')
    await using manager = await ServiceManagerDouble.start(join(folder, 'notify'), pidFile)
    const environment = { NOTIFY_SOCKET: manager.socket }
    await using server = await startCairn(data.data, { environment })
    const first = server.child.pid ?? 0
    await manager.waitFor('READY=1')
    const { status, stderr } = await runServerCommand(['reload', '--data', data.data])
    assert.equal(status, 0, stderr)
    const second = Number(readFileSync(pidFile, 'utf8'))
    assert.notEqual(second, first)
    await manager.waitFor('READY=1', 2)
    assert.deepEqual(manager.heard, [
      { text: 'READY=1', pidFile: first, sender: first },
      { text: 'RELOADING=1', pidFile: first, sender: first },
      { text: `MAINPID=${second}`, pidFile: second, sender: first },
      { text: 'BARRIER=1', pidFile: second, sender: first },
      { text: 'READY=1', pidFile: second, sender: second },
    ])
    // Nobody but the manager waits for it: it ends alone.
    if (server.child.exitCode === null) await once(server.child, 'exit')
    assert.equal(server.child.exitCode, 0)
    process.kill(second, 'SIGTERM')
    await server.end('SIGCONT')
  })
})
