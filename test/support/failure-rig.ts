/** A server process with one finished backup, and a client process that can be stopped in the middle of the second. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Connection } from '../../src/client/connection.ts'
import { forgetSnapshot } from '../../src/client/snapshots.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { type CairnData, prepareCairnData, tokenEnvironment } from './cairn-data.ts'
import { type CairnProcess, startCairn } from './cairn-process.ts'
import { Feed } from './feed.ts'
import { type ClientRun, type ClientRunOptions, runClient } from './run-client.ts'
import { untilNoTaskRuns } from './running-tasks.ts'
import { backUpSmall, checkRestores, connectTo, listNumbers, snapshotOf } from './small-backups.ts'

/** When a client has taken so much from a pipe, its session is open and chunks are on their way. */
export const PART = Buffer.alloc(9 << 20, 'some data of an image')

const GROUP_FOLDER = 'main/host/web1'

export interface StartedBackup {
  readonly feed: Feed
  readonly kill: (signal: NodeJS.Signals) => void
  readonly done: Promise<ClientRun>
}

export class FailureRig implements AsyncDisposable {
  /** For files of the test; also the home of clients. */
  readonly folder: string
  readonly data: CairnData
  #server: CairnProcess
  #feedCount = 0

  private constructor(folder: string, data: CairnData, server: CairnProcess) {
    this.folder = folder
    this.data = data
    this.#server = server
  }

  /** Makes everything in the empty `folder`; `options` are those of `cairn serve`. */
  static async open(folder: string, options: readonly string[] = []): Promise<FailureRig> {
    const data = await prepareCairnData(join(folder, 'data'))
    const rig = new FailureRig(folder, data, await startCairn(data.data, { options }))
    await using connection = await rig.connect()
    await backUpSmall(connection, { number: 1 })
    return rig
  }

  get server(): CairnProcess {
    return this.#server
  }

  /** Of a client as a token that may do everything. */
  get environment(): Record<string, string> {
    return tokenEnvironment(this.data, this.#server)
  }

  async connect(): Promise<Connection> {
    return await connectTo(this.environment)
  }

  /** Starts the server again on the same data, after it has ended. */
  async restart(): Promise<void> {
    this.#server = await startCairn(this.data.data)
  }

  async client(
    args: readonly string[],
    options: Partial<ClientRunOptions> = {},
  ): Promise<ClientRun> {
    const environment = { HOME: this.folder, ...(options.environment ?? this.environment) }
    return await runClient(args, { ...options, environment })
  }

  /** Backs backup 2 of `host/web1` up. */
  async backUp(source: string, options: Partial<ClientRunOptions> = {}): Promise<ClientRun> {
    const time = String(snapshotOf(2).time)
    const args = ['backup', `disk.img:${source}`, '--backup-id', 'web1', '--backup-time', time]
    return await this.client(args, options)
  }

  /** A client that backs backup 2 up from a pipe, and is in the middle of it. */
  async startBackup(): Promise<StartedBackup> {
    this.#feedCount += 1
    const feed = new Feed(join(this.folder, `feed-${this.#feedCount}`))
    const started = Promise.withResolvers<StartedBackup['kill']>()
    const done = this.backUp(feed.path, { onStart: started.resolve })
    const kill = await started.promise
    const written = feed.write(PART).then(
      () => null,
      () => null,
    )
    const end = await Promise.race([written, done])
    if (end !== null) await feed[Symbol.asyncDispose]()
    assert.equal(end, null, `it ended before: ${end?.stderr}`)
    assert.ok(existsSync(join(this.data.data, GROUP_FOLDER, '2026-01-02T00:00:00Z')))
    return { feed, kill, done }
  }

  /** What the last backup task says of its end. */
  async lastTaskStatus(): Promise<string> {
    await using connection = await this.connect()
    await untilNoTaskRuns(connection, this.data.paths.tasks)
    const { data: tasks } = await connection.get('nodes/localhost/tasks', { typefilter: 'backup' })
    return (tasks as { status: string }[])[0]?.status ?? ''
  }

  /** Only backup 1 is there, and whole; backup 2 works now, and goes again. */
  async checkClean(): Promise<void> {
    await using connection = await this.connect()
    await untilNoTaskRuns(connection, this.data.paths.tasks)
    this.checkGone()
    assert.deepEqual(await listNumbers(connection), [1])
    await checkRestores(connection, { number: 1 })
    await backUpSmall(connection, { number: 2 })
    await checkRestores(connection, { number: 2 })
    await this.forgetSecond()
  }

  /** Nothing is left of backup 2 on the disk. */
  checkGone(): void {
    const names = readdirSync(join(this.data.data, GROUP_FOLDER)).toSorted()
    assert.deepEqual(names, ['2026-01-01T00:00:00Z', 'owner'])
  }

  async forgetSecond(): Promise<void> {
    await using connection = await this.connect()
    await forgetSnapshot(connection, { namespace: ROOT_NAMESPACE, snapshot: snapshotOf(2) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.end('SIGKILL')
  }
}
