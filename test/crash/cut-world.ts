/**
 * A datastore on a disk of its own that loses power again and again (races.md ). The server runs in
 * this process, stopped before a step by a disk that fails from then on; the next start is another server on what is
 * left. Many rounds use one disk: what the cuts leave adds up. Needs root.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isSystemError } from '../../src/base/errors.ts'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import type { Connection } from '../../src/client/connection.ts'
import { deleteNamespace, listNamespaces } from '../../src/client/namespaces.ts'
import { listSnapshots } from '../../src/client/snapshots.ts'
import type { SyncLevel } from '../../src/datastore/settings.ts'
import { formatBackupTime } from '../../src/formats/backup-time.ts'
import { namespaceFolder, parseNamespace } from '../../src/formats/namespace.ts'
import { type RunningServer, startServer } from '../../src/server/server.ts'
import { Random } from '../simulator/random.ts'
import { type CairnData, tokenEnvironment } from '../support/cairn-data.ts'
import { makeCrashData } from '../support/crash-rig.ts'
import { FaultFileSystem, isMutating, type Step } from '../support/fault-file-system.ts'
import { CutDisk, type CutFileSystem, openFilesBelow } from '../support/power-cut.ts'
import { checkRestores, connectTo, type SmallBackup, snapshotOf } from '../support/small-backups.ts'
import { withTreeSteps } from '../support/tree-steps.ts'
import { CutCalls, FIRST_GROUP } from './cut-calls.ts'
import { CutModel } from './cut-model.ts'
import { CutNoise } from './cut-noise.ts'
import { BULK_COUNT, type CutScenario } from './cut-scenarios.ts'

const STORE = 'main'
const FILES = ['disk.img.fidx', 'host.conf.blob', 'index.json.blob', 'root.pxar.didx']
const RESTS = /^index\.json\.blob\.tmp_|^\.protected$/
/** Backups that stay from round to round. */
const KEPT_COUNT = 3
/** What the caller of a server without disk waits for its answer. */
const ANSWER_WAIT_MS = 2_000
const CLOSE_WAIT_MS = 5_000
const CLOSE_POLL_MS = 2
/** Of the rounds in which everything is verified; in the others the newest backups are restored and compared. */
const VERIFY_CHANCE = 0.5
const RESTORED_COUNT = 2
/** Half of the cuts lose the journal's memory, half come right after its commit. */
const LOG_CHANCE = 0.5
/** No encoded chunk ends in so many zeros by chance. */
const ZERO_TAIL = 16

export interface CutRound {
  /** `rename /main/…` of each step; the last one did not happen if `wasCut`. */
  readonly steps: readonly string[]
  /** False: the cut came after the answer. */
  readonly wasCut: boolean
  /** Chunk files that are empty or begin with zeros after the cut. */
  readonly damagedCount: number
}

export interface CutWorldOptions {
  readonly kind: CutFileSystem
  readonly syncLevel: SyncLevel
  readonly seed: number
}

interface Played extends Pick<CutRound, 'steps' | 'wasCut'> {
  /** Chunk files. */
  readonly written: ReadonlySet<string>
}

interface Running {
  readonly faults: FaultFileSystem
  readonly server: RunningServer
  readonly connection: Connection
}

export class CutWorld implements AsyncDisposable {
  readonly #disk: CutDisk
  readonly #data: CairnData
  readonly #random: Random
  readonly #model = new CutModel()
  readonly #chunks: string
  #running: Running | null = null
  #number = 1
  /** The last that was answered, and what may be there instead. */
  #comments: string[] = ['Administrator']

  private constructor(disk: CutDisk, data: CairnData, random: Random) {
    this.#disk = disk
    this.#data = data
    this.#random = random
    this.#chunks = join(data.data, STORE, '.chunks')
    this.#model.isThere({ number: 1 })
  }

  /** A new disk mounted at `folder`, with backup 1 on it and everything synced. */
  static async open(folder: string, options: CutWorldOptions): Promise<CutWorld> {
    const disk = new CutDisk(folder, options.kind)
    try {
      const tuning = `sync-level=${options.syncLevel},gc-grace=0`
      const data = await makeCrashData(join(folder, 'data'), { tuning })
      await nodeFileSystem.syncFileSystem(folder)
      const world = new CutWorld(disk, data, new Random(options.seed))
      const { connection } = await world.#start()
      const calls = new CutCalls(connection, world.#model)
      for (let count = 0; count < KEPT_COUNT; count += 1) await calls.backUp(world.#next())
      await calls.forget({ number: 1 })
      // The first run of a store is refused when there is no index, by chance in the middle of a scenario.
      await calls.collect()
      return world
    } catch (error) {
      disk[Symbol.dispose]()
      throw error
    }
  }

  /** Plays `scenario`, cuts before step `at` of it (or after its answer), and checks what is left. */
  async cut(scenario: CutScenario, at: number): Promise<CutRound> {
    const { steps, wasCut, written } = await this.#play(scenario, at)
    const last = wasCut ? `before step ${at}: ${steps.at(-1)}` : 'after the answer'
    try {
      await this.#stop()
      await this.#untilClosed()
      this.#disk.restart()
      const damagedCount = countDamaged(written)
      removeEmptyFolders(this.#chunks)
      await this.#check(await this.#start())
      return { steps, wasCut, damagedCount }
    } catch (error) {
      throw new Error(`power cut in ${scenario.name}, ${last}`, { cause: error })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
    this.#disk[Symbol.dispose]()
  }

  async #start(): Promise<Running> {
    const faults = new FaultFileSystem(withTreeSteps(nodeFileSystem, () => faults.fs))
    const { paths } = this.#data
    const server = await startServer({ paths, host: '127.0.0.1', port: 0, fs: faults.fs })
    const connection = await connectTo(tokenEnvironment(this.#data, server))
    this.#running = { faults, server, connection }
    return this.#running
  }

  async #stop(): Promise<void> {
    const running = this.#running
    this.#running = null
    await running?.connection[Symbol.asyncDispose]()
    // Without its disk it cannot end in order.
    await running?.server.close({ graceMs: 0 }).catch(() => {})
  }

  /** A sync that fails at the end has its stamp written in the background, for a moment longer. */
  async #untilClosed(): Promise<void> {
    const { folder } = this.#disk
    const end = performance.now() + CLOSE_WAIT_MS
    while (openFilesBelow(folder).length > 0 && performance.now() < end) await sleep(CLOSE_POLL_MS)
    assert.deepEqual(openFilesBelow(folder), [], 'left open')
  }

  async #play(scenario: CutScenario, at: number): Promise<Played> {
    const { faults, connection } = this.#running ?? (await this.#start())
    const steps: string[] = []
    const cut = Promise.withResolvers<void>()
    let wasCut = false
    const calls = new CutCalls(connection, this.#model, () => wasCut)
    const next = (): SmallBackup => this.#next()
    await scenario.prepare?.(calls, next)
    await calls.untilNoTaskRuns()
    const noise = new CutNoise(this.#disk.folder, this.#chunks, this.#random)
    faults.onStep((step) => {
      if (wasCut || !this.#counts(step)) return
      steps.push(`${step.name} ${step.path.slice(this.#data.data.length)}`)
      noise.beforeStep(step)
      if (steps.length !== at) return
      this.#stopDisk()
      wasCut = true
      cut.resolve()
    })
    const act = scenario.act(this.#watchComments(calls), next)
    const waited = cut.promise.then(async () => await sleep(ANSWER_WAIT_MS))
    await Promise.race([act, waited]).catch((error: unknown) => {
      if (!wasCut) throw error
    })
    // Whatever it answers from now on is too late for this round.
    act.catch(() => {})
    faults.onStep(null)
    if (!wasCut) this.#stopDisk()
    return { steps, wasCut, written: noise.written }
  }

  #counts(step: Step): boolean {
    const { log, run } = this.#data.paths
    if (!isMutating(step) || step.name === 'removeTree') return false
    // Logs promise nothing, and after a real cut the run folder is empty.
    return !step.path.startsWith(log) && !step.path.startsWith(run)
  }

  #stopDisk(): void {
    this.#disk.stop({ withLog: this.#random.chance(LOG_CHANCE) })
  }

  #next(): SmallBackup {
    this.#number += 1
    return { number: this.#number, isShort: true }
  }

  /** What is answered replaces what was there. */
  #watchComments(calls: CutCalls): CutCalls {
    const writeComment = async (comment: string): Promise<void> => {
      this.#comments.push(comment)
      await CutCalls.prototype.writeComment.call(calls, comment)
      this.#comments = [comment]
    }
    return Object.assign(calls, { writeComment })
  }

  async #check({ connection }: Running): Promise<void> {
    const calls = new CutCalls(connection, this.#model)
    const comment = await calls.readComment()
    assert.ok(this.#comments.includes(comment), `comment '${comment}' of ${this.#comments.join()}`)
    this.#comments = [comment]
    await this.#checkSnapshots(calls)
    await this.#checkWorks(calls)
    await this.#tidy(calls)
  }

  async #checkSnapshots(calls: CutCalls): Promise<void> {
    const { connection } = calls
    const before = this.#model.backups
    const listed: SmallBackup[] = []
    const { namespaces } = await listNamespaces(connection, { parent: '', maxDepth: undefined })
    for (const { ns: namespace } of namespaces) {
      for (const one of await listSnapshots(connection, { namespace, group: null })) {
        const group = `${one['backup-type']}/${one['backup-id']}`
        const number = numberOf(one['backup-time'])
        const known = before.find(
          (backup) => backup.number === number && (backup.group ?? FIRST_GROUP) === group,
        )
        listed.push({ ...known, number, group, namespace: parseNamespace(namespace) })
      }
    }
    this.#model.settle(listed)
    this.#checkNothingHalf(namespaces.map(({ ns }) => ns))
    // Reads every chunk of every snapshot, compares the indexes with the manifests, and changes the manifests.
    if (this.#random.chance(VERIFY_CHANCE)) await calls.verify()
    else
      for (const backup of this.#model.backups.slice(-RESTORED_COUNT))
        await checkRestores(connection, backup)
  }

  /** Every folder of a group holds snapshots that are listed, whole, and nothing else. */
  #checkNothingHalf(namespaces: readonly string[]): void {
    for (const namespace of namespaces) {
      const folder = join(
        this.#data.data,
        STORE,
        namespaceFolder(parseNamespace(namespace)),
        'host',
      )
      for (const id of existsSync(folder) ? readdirSync(folder) : []) {
        const backups = this.#model.backups.filter(
          ({ group = FIRST_GROUP, namespace: ns = '' }) =>
            group === `host/${id}` && ns === namespace,
        )
        const names = backups.map(({ number }) => formatBackupTime(snapshotOf(number).time))
        const found = readdirSync(join(folder, id)).filter((name) => name !== 'owner')
        assert.deepEqual(found.toSorted(), names.toSorted(), `in ${namespace}:host/${id}`)
        for (const name of names) {
          // Of a manifest that was about to be replaced: nobody reads it, it goes with the snapshot. A flag that was on its way.
          const files = readdirSync(join(folder, id, name)).filter((file) => !RESTS.test(file))
          assert.deepEqual(files.toSorted(), FILES, name)
        }
      }
    }
    const journal = join(this.#data.paths.state, 'datastores', STORE, 'sessions')
    const entries = existsSync(journal) ? readdirSync(journal) : []
    assert.deepEqual(
      entries.filter((name) => name.endsWith('.json')),
      [],
      'journal entries',
    )
  }

  /** A backup with the content that was begun last meets what is left of its chunks. */
  async #checkWorks(calls: CutCalls): Promise<void> {
    const content = this.#number
    const backup: SmallBackup = { ...this.#next(), content, bulkCount: BULK_COUNT }
    await calls.backUp(backup)
    await calls.collect()
    await checkRestores(calls.connection, backup)
  }

  async #tidy(calls: CutCalls): Promise<void> {
    const { connection } = calls
    const { namespaces } = await listNamespaces(connection, { parent: '', maxDepth: undefined })
    for (const { ns } of namespaces) {
      if (ns !== '') await deleteNamespace(connection, ns, { deleteGroups: true })
    }
    for (const backup of this.#model.backups) {
      if ((backup.namespace ?? '') !== '') this.#model.isGone(backup)
    }
    const groups = new Set(this.#model.backups.map(({ group = FIRST_GROUP }) => group))
    for (const group of groups) if (group !== FIRST_GROUP) await calls.forgetGroup(group)
    for (const backup of calls.of(FIRST_GROUP)) await calls.protect(backup, false)
    await calls.prune(FIRST_GROUP, KEPT_COUNT)
  }
}

function numberOf(time: number): number {
  return (time - Date.UTC(2026, 0, 1) / 1000) / 86_400 + 1
}

/** Of `paths`, the chunk files that are empty or end in zeros: a power cut made them so, for no chunk ends so. */
function countDamaged(paths: Iterable<string>): number {
  let count = 0
  for (const path of paths) {
    if (path.includes('.tmp_') || !existsSync(path)) continue
    const bytes = readFileSync(path)
    if (bytes.subarray(-ZERO_TAIL).every((byte) => byte === 0)) count += 1
  }
  return count
}

/** Every new chunk makes a folder: hundreds of empty ones would be most of what a collection looks at. */
function removeEmptyFolders(chunks: string): void {
  for (const prefix of readdirSync(chunks)) {
    try {
      rmdirSync(join(chunks, prefix))
    } catch (error) {
      if (!isSystemError(error, 'ENOTEMPTY')) throw error
    }
  }
}
