/**
 * A datastore on a disk of its own that loses power again and again (races.md ). The server runs in
 * this process, stopped before a step by a disk that fails from then on; the next start is another server on what is
 * left. Many rounds use one disk: what the cuts leave adds up. At other steps of the same round the disk's content is
 * taken aside, as a cut there would leave it, and looked at afterwards (`cut-look.ts`). Needs root.
 */
import assert from 'node:assert/strict'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import type { Connection } from '../../src/client/connection.ts'
import type { SyncLevel } from '../../src/datastore/settings.ts'
import { type RunningServer, startServer } from '../../src/server/server.ts'
import { Random } from '../simulator/random.ts'
import { type CairnData, tokenEnvironment } from '../support/cairn-data.ts'
import { makeCrashData } from '../support/crash-rig.ts'
import { type DiskImage, writeImage } from '../support/disk-image.ts'
import { FaultFileSystem, isMutating, type Step } from '../support/fault-file-system.ts'
import { CutDisk, type CutFileSystem, openFilesBelow } from '../support/power-cut.ts'
import { connectTo, type SmallBackup } from '../support/small-backups.ts'
import { withTreeSteps } from '../support/tree-steps.ts'
import { CutCalls } from './cut-calls.ts'
import { checkSnapshots, checkWorks, KEPT_COUNT, tidy } from './cut-check.ts'
import { countDamaged, removeEmptyFolders } from './cut-files.ts'
import { CutImages, type Known, type TakenImage } from './cut-images.ts'
import { lookAt } from './cut-look.ts'
import { CutModel } from './cut-model.ts'
import { CutNoise } from './cut-noise.ts'
import { BULK_COUNT, type CutScenario } from './cut-scenarios.ts'

const STORE = 'main'
/** What the caller of a server without disk waits for its answer. */
const ANSWER_WAIT_MS = 2_000
const CLOSE_WAIT_MS = 5_000
const CLOSE_POLL_MS = 2
/** Half of the cuts lose the journal's memory, half come right after its commit. */
const LOG_CHANCE = 0.5
/** Of the looks, those that verify the datastore as well. */
const VERIFY_CHANCE = 0.05

/** One cut. */
export interface Cut {
  /** `rename /main/…`: it did not happen; null: the cut came after the answer. */
  readonly before: string | null
  /** Chunk files that are empty, or begin or end in zeros, after the cut. */
  readonly damagedCount: number
}

export interface CutRound {
  readonly cuts: readonly Cut[]
  /** All of the scenario, or up to the cut that ended it. */
  readonly steps: readonly string[]
  readonly isWhole: boolean
}

export interface CutPlan {
  /** Number of the step, from 1, before which the power goes; beyond the last: after the answer. */
  readonly end: number
  /** Whether the disk is taken aside before this step. */
  readonly takes: (step: string) => boolean
  /** Whether the next rounds begin with what this one left, after a whole server was asked; else with what it began with. */
  readonly isKept: boolean
}

export interface CutWorldOptions {
  readonly kind: CutFileSystem
  readonly syncLevel: SyncLevel
  readonly seed: number
}

interface Played {
  readonly steps: readonly string[]
  readonly wasCut: boolean
  readonly images: CutImages
}

/** What rounds begin with. */
interface CutStart extends Known {
  readonly disk: DiskImage
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
  readonly #chunks: string
  #running: Running | null = null
  #model = new CutModel(['Administrator'])
  #number = 1
  #start: CutStart | null = null

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
      const { connection } = await world.#startServer()
      const calls = new CutCalls(connection, world.#model)
      for (let count = 0; count < KEPT_COUNT; count += 1) await calls.backUp(world.#next())
      await calls.forget({ number: 1 })
      // The first run of a store is refused when there is no index, by chance in the middle of a scenario.
      await calls.collect()
      world.#remember()
      return world
    } catch (error) {
      disk[Symbol.dispose]()
      throw error
    }
  }

  /** Plays `scenario` with the cuts of `plan`, and checks what each of them leaves. */
  async cut(scenario: CutScenario, plan: CutPlan): Promise<CutRound> {
    if (this.#running === null) this.#goBack()
    const { steps, wasCut, images } = await this.#play(scenario, plan)
    await this.#stop()
    await this.#untilClosed()
    this.#disk.remove()
    images.takeLast(steps.length, wasCut ? (steps.at(-1) ?? '') : null)
    const cuts: Cut[] = []
    for (const image of images.taken) {
      const isLast = image === images.taken.at(-1)
      const look = isLast && plan.isKept ? this.#goOn(image) : this.#lookAt(image)
      const damagedCount = await look.catch((error: unknown) => {
        this.#keep(image.disk)
        const step = image.before === null ? 'after the answer' : `before ${image.before}`
        const message = `power cut in ${scenario.name}, step ${image.step}, ${step}`
        throw new Error(message, { cause: error })
      })
      image.disk[Symbol.dispose]()
      cuts.push({ before: image.before, damagedCount })
    }
    return { cuts, steps, isWhole: !wasCut }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
    this.#disk[Symbol.dispose]()
  }

  /** Takes what it has for the start of the rounds that follow. */
  #remember(): void {
    this.#start?.disk[Symbol.dispose]()
    this.#start = { disk: this.#disk.capture(), model: this.#model.clone(), number: this.#number }
  }

  /** Mounts what the rounds start with. */
  #goBack(): void {
    assert.ok(this.#start !== null, 'opened')
    const { disk, model, number } = this.#start
    this.#model = model.clone()
    this.#number = number
    this.#disk.insert(disk)
  }

  /** Leaves no disk mounted. Count of damaged chunk files. */
  async #lookAt({ disk, model, number, written }: TakenImage): Promise<number> {
    this.#disk.insert(disk, { isThrownAway: true })
    const damagedCount = countDamaged(written)
    const next = { ...shortBackup(number + 1), content: number, bulkCount: BULK_COUNT }
    const isVerified = this.#random.chance(VERIFY_CHANCE)
    await lookAt({ data: this.#data, model, next, isVerified })
    this.#disk.stop()
    this.#disk.remove()
    return damagedCount
  }

  /** Leaves a server that works on it. Count of damaged chunk files. */
  async #goOn({ disk, written }: TakenImage): Promise<number> {
    this.#disk.insert(disk)
    const damagedCount = countDamaged(written)
    removeEmptyFolders(this.#chunks)
    await this.#check(await this.#startServer())
    this.#remember()
    return damagedCount
  }

  /** A disk that shows something wrong. */
  #keep(disk: DiskImage): void {
    const path = `${this.#disk.folder}.failed.img`
    writeFileSync(path, '')
    truncateSync(path, disk.size)
    writeImage(path, disk)
  }

  async #startServer(): Promise<Running> {
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

  async #play(scenario: CutScenario, plan: CutPlan): Promise<Played> {
    const { faults, connection } = this.#running ?? (await this.#startServer())
    const steps: string[] = []
    const cut = Promise.withResolvers<void>()
    let wasCut = false
    const calls = new CutCalls(connection, this.#model, () => wasCut)
    const next = (): SmallBackup => this.#next()
    await scenario.prepare?.(calls, next)
    await calls.untilNoTaskRuns()
    const noise = new CutNoise(this.#disk.folder, this.#chunks, this.#random)
    const images = new CutImages({
      disk: this.#disk,
      random: this.#random,
      noise,
      now: () => ({ model: this.#model.clone(), number: this.#number }),
    })
    faults.onStep((step) => {
      if (wasCut || !this.#counts(step)) return
      steps.push(`${step.name} ${step.path.slice(this.#data.data.length)}`)
      noise.beforeStep(step)
      if (steps.length !== plan.end) {
        if (plan.takes(steps.at(-1) ?? '')) images.take(steps.length, steps.at(-1) ?? '')
        return
      }
      this.#stopDisk()
      wasCut = true
      cut.resolve()
    })
    const act = scenario.act(calls, next)
    const waited = cut.promise.then(async () => await sleep(ANSWER_WAIT_MS))
    await Promise.race([act, waited]).catch((error: unknown) => {
      if (!wasCut) throw error
    })
    // Whatever it answers from now on is too late for this round.
    act.catch(() => {})
    faults.onStep(null)
    if (!wasCut) this.#stopDisk()
    return { steps, wasCut, images }
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
    return shortBackup(this.#number)
  }

  async #check({ connection }: Running): Promise<void> {
    const calls = new CutCalls(connection, this.#model)
    this.#model.settleComment(await calls.readComment())
    await checkSnapshots(calls, { data: this.#data, random: this.#random })
    const content = this.#number
    await checkWorks(calls, { ...this.#next(), content, bulkCount: BULK_COUNT })
    await tidy(calls)
    await nodeFileSystem.syncFileSystem(this.#disk.folder)
    this.#disk.trim()
  }
}

function shortBackup(number: number): SmallBackup {
  return { number, isShort: true }
}
