/** Everything that one schedule plays in: the machine, its processes, what was promised, and who watches. */
import { type DatastoreSettings, defaultSettings } from '../../src/datastore/settings.ts'
import { BucketChecker } from './bucket/bucket-checker.ts'
import { type BucketOptions, BucketSide, machineNow } from './bucket/bucket-side.ts'
import {
  Checker,
  VERIFY_STATE,
  type CollectionRun,
  type LiveReader,
  type LiveWriter,
  type Scene,
} from './checker.ts'
import { CHUNKS } from './chunks.ts'
import { useScheduler } from './doubles/runtime.ts'
import type { Device } from './kernel/disk.ts'
import type { Inode } from './kernel/disk.ts'
import { Failure } from './kernel/failure.ts'
import { Machine } from './kernel/machine.ts'
import { Ledger } from './ledger.ts'
import { isChunkWhole } from './restore.ts'
import { SPACE_FOLDER, STORE_FOLDER, STORE_LINK } from './places.ts'
import type { Policy } from './policy.ts'
import { formatTime, snapshotFiles } from './ready-snapshots.ts'
import type { Actor, Call } from './actor.ts'
import { Scheduler } from './scheduler.ts'
import { SimProcess } from './sim-process.ts'
import { StockProcess } from './stock-process.ts'
import { errorText, Violation } from './violation.ts'

/** What differs from schedule to schedule before anything happens. */
export interface WorldOptions {
  /** Coarsest step of file times. */
  readonly timeStepMs: number
  /** Time that each step takes. */
  readonly stepMs: number
  readonly settings: Partial<DatastoreSettings>
  /** Chunks of each archive of each snapshot that exists already; by group. */
  readonly ready: readonly ReadySnapshot[]
  readonly isGentle: boolean
  /** Whether a descriptor hears of write-back errors from before it was opened, if nobody else did. */
  readonly tellsErrorsLate: boolean
  /** Share of calls whose answer comes later than their effect. */
  readonly slowAnswers: number
  /** Chunks that clients have: the fewer, the more they meet. */
  readonly chunkCount: number
  /** Namespace `m` is a file system of its own. */
  readonly isSpaceMounted: boolean
  /** Chunks that nobody references. */
  readonly garbage: readonly number[]
  /** Operations count as uses of the datastore, in the file that all processes share. */
  readonly countsUses: boolean
  /** The configuration has a second name for the store's folder. */
  readonly hasAlias: boolean
  /** All clients back up into the same group. */
  readonly hasOneGroup: boolean
  /** Days later a collection has to find and remove all that nobody needs. */
  readonly endsWithCollection: boolean
  /** The store is in a bucket. */
  readonly bucket?: BucketOptions | null
}

export interface ReadySnapshot {
  readonly group: string
  readonly archives: Readonly<Record<string, readonly number[]>>
}

/** As the file has it. */
interface UseEntry {
  readonly pid: number
  readonly active_operations: { readonly write: number }
}

const OWNER = new TextEncoder().encode('root@pam\n')
/** Snapshots that exist already are this old. */
const READY_AGE_SECONDS = 3 * 86_400

export class World implements Scene {
  readonly scheduler: Scheduler
  /** Null: the store is in a folder. */
  readonly bucket: BucketSide | null
  readonly #machine: Machine
  readonly disk: Device
  /** All that keep something when the power is cut; the first is `disk`. */
  readonly disks: Device[]
  readonly ledger = new Ledger()
  readonly checker: Checker
  readonly settings: Partial<DatastoreSettings>
  readonly processes: SimProcess[] = []
  readonly liveWriters = new Set<LiveWriter>()
  readonly readers = new Set<LiveReader>()
  readonly foreignSessions = new Set<ReadonlySet<string>>()
  /** Of running operations that count. */
  readonly uses = new Map<Actor, Disposable>()
  readonly countsUses: boolean
  readonly hasAlias: boolean
  readonly hasOneGroup: boolean
  readonly collections = new Map<Actor, CollectionRun>()
  readonly confirmedAtStep = new Map<string, number>()
  clockSetAtStep = -1
  /** As the configuration has it. */
  maintenance: DatastoreSettings['maintenance'] = null
  /** Whether the configuration names the store by a link to it. */
  isConfiguredByLink = false
  /** Process that new operations run in. */
  current: SimProcess
  violation: Violation | null = null
  /** Chunks that clients have. */
  readonly timeStepMs: number
  readonly chunkCount: number
  /** No call fails, and nothing but operations and ends of processes changes the disk. */
  readonly isGentle: boolean
  /** A namespace is moved in this schedule: that makes namespaces. */
  isMoving = false
  /** The schedule itself removes or damages things. */
  isDestroying = false
  #nextTime: number
  readonly #graceMs: number
  readonly #folderSettings: DatastoreSettings
  readonly #linkSettings: DatastoreSettings
  #endsWithCollection: boolean
  #stock: StockProcess | null = null
  /** Operations that no schedule names count down. */
  #helperId = 0

  constructor(options: WorldOptions, policy: Policy) {
    this.settings = options.settings
    this.chunkCount = options.chunkCount
    this.timeStepMs = options.timeStepMs
    this.isGentle = options.isGentle
    this.countsUses = options.countsUses
    this.hasAlias = options.hasAlias
    this.hasOneGroup = options.hasOneGroup
    this.#graceMs = options.settings.gcGraceMs ?? 0
    this.#endsWithCollection = options.endsWithCollection
    this.scheduler = new Scheduler(policy, options.stepMs)
    useScheduler(this.scheduler)
    const { scheduler } = this
    const fileTime = (): number => {
      const nowMs = scheduler.nowMs + scheduler.wallOffsetMs
      return nowMs - (nowMs % options.timeStepMs)
    }
    this.#machine = new Machine(fileTime)
    const machine = this.#machine
    const { bucket = null } = options
    this.bucket = bucket === null ? null : new BucketSide({ machine, scheduler }, bucket)
    const backend = this.bucket === null ? {} : { backend: this.bucket.backend }
    const settings = { ...options.settings, ...backend }
    this.#folderSettings = { ...defaultSettings(STORE_FOLDER), ...settings }
    this.#linkSettings = { ...defaultSettings(STORE_LINK), ...settings }
    this.disk = machine.devices[0] as Device
    this.disks = [this.disk]
    this.#nextTime = Math.floor(scheduler.wallOffsetMs / 1000) - READY_AGE_SECONDS
    this.#makeStore(options)
    for (const disk of this.disks) disk.tellsLate = options.tellsErrorsLate
    this.current = this.newProcess()
    this.checker = this.bucket === null ? new Checker(this) : new BucketChecker(this, this.bucket)
    machine.watcher = this.checker
  }

  /** That of whoever runs now. */
  get machine(): Machine {
    return (this.bucket === null ? null : machineNow()) ?? this.#machine
  }

  /** Of namespace `m`; null if it is on the store's. */
  get spaceDisk(): Device | null {
    return this.disks[1] ?? null
  }

  /** Does nothing where nothing is to be mounted. */
  mountSpace(): void {
    if (this.spaceDisk !== null) this.machine.mount(SPACE_FOLDER, this.spaceDisk)
  }

  /** The folder of the store, whatever is mounted. */
  get store(): Inode {
    return this.machine.get(STORE_FOLDER)
  }

  get lastActor(): Actor | null {
    return this.scheduler.acting
  }

  get askedAtStep(): number {
    return this.scheduler.askedAtStep
  }

  get clockOffsetMs(): number {
    return this.scheduler.wallOffsetMs
  }

  get stepCount(): number {
    return this.scheduler.stepCount
  }

  newProcess(): SimProcess {
    const process = this.addProcess(this.#machine)
    this.current = process
    return process
  }

  /** As the configuration has them. */
  #settingsNow(): DatastoreSettings {
    const settings = this.isConfiguredByLink ? this.#linkSettings : this.#folderSettings
    return this.maintenance === null ? settings : { ...settings, maintenance: this.maintenance }
  }

  /** A process that new operations do not run in by themselves. */
  addProcess(machine: Machine): SimProcess {
    const process = new SimProcess(this.processes.length + 1, {
      scheduler: this.scheduler,
      machine,
      bucket: this.bucket,
      settings: () => this.#settingsNow(),
      isAlive: (id) => this.processes[id - 1]?.isAlive === true,
    })
    this.processes.push(process)
    return process
  }

  /** Another program on the same store. */
  get stock(): StockProcess {
    const { machine, scheduler } = this
    this.#stock ??= new StockProcess({ machine, scheduler, clock: this.current.clock })
    return this.#stock
  }

  /** whoever was let in is counted, by the file that others read. */
  usesChanged(content: Uint8Array): void {
    const entries = JSON.parse(Buffer.from(content).toString()) as readonly UseEntry[]
    for (const process of this.processes) {
      const used = [...this.uses.keys()].filter((actor) => actor.process === process)
      const counted = entries.find(({ pid }) => pid === process.id)?.active_operations.write ?? 0
      if (!process.isAlive || counted >= used.length) continue
      const names = used.map(({ name }) => name).join(', ')
      this.fail(new Violation('R-53', `${names} work on the store, ${counted} are counted`))
    }
  }

  endUse(actor: Actor): void {
    const use = this.uses.get(actor)
    this.uses.delete(actor)
    use?.[Symbol.dispose]()
  }

  /** Whether a collection is to come after the end; asked once. */
  takeEnd(): boolean {
    const isWanted = this.#endsWithCollection
    this.#endsWithCollection = false
    return isWanted
  }

  /** Which process an operation of a kind runs in. */
  processOf(kind: string): SimProcess {
    const clone = kind.startsWith('clone') ? (this.bucket?.clone ?? null) : null
    return clone ?? this.current
  }

  /** Backup times never repeat. */
  takeTime(): number {
    this.#nextTime += 1
    return this.#nextTime
  }

  isForeign(actor: Actor | null): boolean {
    return actor?.process instanceof StockProcess
  }

  /** The first one counts. */
  fail(violation: Violation): void {
    this.violation ??= violation
  }

  /** What a server does at its start, as an operation of its own. */
  startRecovery(): void {
    this.startRecoveryOf(this.current)
  }

  startRecoveryOf(process: SimProcess): void {
    const name = `start of process ${process.id}`
    this.startHelper(name, async () => await process.recover(), process)
  }

  /** An operation of the current process that no schedule names. */
  startHelper(
    name: string,
    work: (actor: Actor) => Promise<void>,
    process: SimProcess = this.current,
  ): void {
    this.#helperId -= 1
    process.operationCount += 1
    const actor: Actor = this.scheduler.start(
      { id: this.#helperId, name, process },
      async () => await work(actor),
      (error) => {
        process.operationCount -= 1
        this.operationEnded(process, actor, error)
      },
    )
  }

  /** The process is gone at once; `reaches` says of each call on its way whether it still takes effect. */
  endProcess(process: SimProcess, reaches: () => boolean): void {
    if (!process.isAlive) return
    process.isAlive = false
    this.scheduler.endProcess(process, reaches)
    process.fs.closeAll()
    for (const actor of this.uses.keys()) if (actor.process === process) this.uses.delete(actor)
    for (const writer of this.liveWriters) {
      if (writer.actor.process === process) this.liveWriters.delete(writer)
    }
    for (const reader of this.readers) if (reader.process === process) this.readers.delete(reader)
  }

  /** A call of `actor` fails: a collection that could not read an index must remove nothing (I8). */
  noteFault(actor: Actor, what: string): void {
    const run = this.collections.get(actor)
    const isRoot = /^(readDir|open|handle\.\w+|lstat) \/data\/(store|alias)(\/(ns|host)|$)/.test(
      what,
    )
    if (run === undefined || !isRoot) return
    const space = what.indexOf(' ')
    run.failedStep = { what: what.slice(0, space), path: what.slice(space + 1) }
  }

  /** A namespace was removed with success; if it is gone, only somebody who asks for it may make it again. */
  noteSpaceRemoved(name: string): void {
    if (this.isMoving) return
    if (!this.#hasSpace(name)) this.ledger.goneSpaces.add(name)
  }

  /** A refresh from a bucket without namespaces leaves no folder for them either. */
  #hasSpace(name: string): boolean {
    return !(this.machine.seek(`${STORE_FOLDER}/ns/${name}`) instanceof Failure)
  }

  /**
   * What a verification wrote into the manifest stays there. One that did not end well may not have been able to write:
   * then it counts only if every side has it.
   */
  noteVerified(key: string, { isOk }: { readonly isOk: boolean }): void {
    const expected = this.ledger.snapshots.get(key)
    const says = isOk ? this.checker.manifestOf(key) : this.checker.manifestOfAll(key)
    if (expected !== undefined) expected.isVerified ||= says?.includes(VERIFY_STATE) ?? false
  }

  /** an upload heals a chunk that is missing, empty or short. */
  checkHealed(digest: string, sinceStep: number): void {
    const { lastRot, damaged } = this.ledger
    if (lastRot?.digest !== digest || lastRot.how === 'flipped' || lastRot.step >= sinceStep) return
    const isLeft = damaged.has(digest) && !isChunkWhole(this.store, digest)
    if (isLeft)
      this.fail(new Violation('R-55', `an upload left chunk ${digest.slice(0, 8)} damaged`))
  }

  /** To be called after each step. */
  afterStep({ actor, name, detail }: Call, hasFailed: boolean): void {
    const own = this.collections.get(actor)
    const isFolder = name === 'readDir' && detail.includes('/.chunks/')
    if (own !== undefined && isFolder) own.listedAtStep = this.scheduler.stepCount
    // It was looked at only, and is read now: that fails by itself.
    if (name === 'open' && own?.failedStep?.path === detail && !hasFailed) own.failedStep = null
    for (const run of this.collections.values()) {
      if (run.activeSinceStep === null && run.core.sessions.onRegister !== null) {
        run.activeSinceStep = this.scheduler.stepCount
        run.startOffsetMs = this.clockOffsetMs
        run.keptSinceMs ??= this.scheduler.nowMs + this.clockOffsetMs - this.#graceMs
      }
    }
  }

  /** Judges how an operation ended, and ends a process that is to end with its last one. */
  operationEnded(process: SimProcess, actor: Actor, error: unknown): void {
    if (error !== undefined && !isExpected(error)) {
      this.fail(new Violation('crash', `${actor.name} ended with ${errorText(error)}`))
    }
    if (this.isGentle && !this.isForeign(actor) && isWrongEnd(error)) {
      this.fail(new Violation('end', `${actor.name} ended with ${errorText(error)}`))
    }
    if (!process.shutdown.signal.aborted || process.operationCount > 0) return
    this.#helperId -= 1
    const closing = this.scheduler.start(
      { id: this.#helperId, name: `end of process ${process.id}`, process },
      async () => {
        await process.registry.close()
        process.isAlive = false
      },
      (error) => {
        if (error !== undefined && !isExpected(error)) {
          this.fail(new Violation('crash', `${closing.name} ended with ${errorText(error)}`))
        }
      },
    )
  }

  /** When nothing runs any more: promises, and that nothing is held. */
  checkEnd(): void {
    this.mountSpace()
    this.checker.checkAll('at the end')
    this.checker.checkPromises('at the end')
    this.checker.checkNotes()
    for (const name of this.ledger.goneSpaces) {
      if (this.#hasSpace(name)) this.fail(new Violation('R-41', `namespace ${name} came back`))
    }
    for (const process of this.processes) {
      if (!process.isAlive) continue
      for (const { core } of process.stores) {
        const { gate, sessions, processLock } = core
        const held = gate.size + sessions.count + processLock.sharedCount
        if (held > 0 || processLock.isExclusive) {
          const what = `gate ${gate.size}, sessions ${sessions.count}, process lock ${processLock.sharedCount}`
          this.fail(new Violation('leak', `process ${process.id} still holds: ${what}`))
        }
      }
    }
  }

  #makeStore(options: WorldOptions): void {
    const { machine } = this
    for (const path of [STORE_FOLDER, '/data/state', '/run/locks', `${STORE_FOLDER}/.chunks`]) {
      machine.mkdir(path, { recursive: true, mode: 0o755 })
    }
    machine.mount('/run', machine.addDevice({ isVolatile: true }))
    machine.mkdir('/run/locks', { mode: 0o755 })
    machine.symlink(STORE_FOLDER, STORE_LINK)
    machine.open(`${STORE_FOLDER}/.lock`, 'read-write-create', 0o644)
    machine.mkdir(SPACE_FOLDER, { recursive: true })
    if (options.isSpaceMounted) {
      this.disks.push(machine.addDevice())
      this.mountSpace()
    }
    for (const index of options.garbage) this.#putChunk(index)
    for (const ready of options.ready) this.#putSnapshot(ready)
    this.bucket?.claim(this.#readyMs)
    for (const disk of this.disks) disk.syncAll()
  }

  #putSnapshot({ group, archives }: ReadySnapshot): void {
    const time = this.takeTime()
    const [ns, name] = group.includes(':') ? group.split(':') : ['', group]
    const space = ns === '' ? STORE_FOLDER : `${STORE_FOLDER}/ns/${ns}`
    const folder = `${space}/${name}`
    const path = `${folder}/${formatTime(time)}`
    this.machine.mkdir(path, { recursive: true })
    this.#putFile(`${folder}/owner`, OWNER)
    const wanted = new Map<string, readonly string[]>()
    for (const [archive, indexes] of Object.entries(archives)) {
      for (const index of indexes) this.#putChunk(index)
      wanted.set(
        archive,
        indexes.map((index) => CHUNKS[index]?.digest ?? ''),
      )
    }
    for (const [file, data] of snapshotFiles(group, time, archives)) {
      this.#putFile(`${path}/${file}`, data)
    }
    this.ledger.begin(`${group}/${formatTime(time)}`, wanted).isAnswered = true
  }

  get #readyMs(): number {
    return this.scheduler.wallOffsetMs - READY_AGE_SECONDS * 1000
  }

  #putChunk(index: number): void {
    const chunk = CHUNKS[index] as (typeof CHUNKS)[number]
    const { digest, blob } = chunk
    if (this.bucket !== null) return this.bucket.putChunk(chunk, this.#readyMs)
    const folder = `${STORE_FOLDER}/.chunks/${digest.slice(0, 4)}`
    this.machine.mkdir(folder, { recursive: true })
    this.#putFile(`${folder}/${digest}`, blob)
  }

  #putFile(path: string, data: Uint8Array): void {
    const inode = this.machine.open(path, 'create', 0o644)
    inode.setData(data, this.#readyMs)
    this.bucket?.putFile(path, data, this.#readyMs)
    inode.ctimeMs = inode.atimeMs = inode.mtimeMs
  }
}

/** What no schedule without faults and damage may end with: something vanished, as things do, or was left half. */
function isWrongEnd(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  const { code } = error
  return code === 'COLLECTION_MARK_FAILED' || code === 'GROUP_OWNER_UNREADABLE' || code === 'ENOENT'
}

/** Refusals, errors of the machine, aborts: everything that an operation may end with. */
function isExpected(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof SuppressedError)
    return isExpected(error.error) && isExpected(error.suppressed)
  return 'code' in error || error.message.includes('aborting task')
}
