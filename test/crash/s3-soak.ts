/**
 * A datastore in a bucket of a real Ceph behind the fault proxy: backups with 64 uploads at once, forgets, collections
 * without grace, verification, restores with a cache that is far too small, and a server that is killed at random. What
 * `finish` was answered for must restore at the end, and nothing may be held.
 */
import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorChain, hasCode } from '../../src/base/errors.ts'
import type { Connection } from '../../src/client/connection.ts'
import { forgetSnapshot, storePath, upidOf } from '../../src/client/snapshots.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { REQUEST_LIFE_MS } from '../../src/storage/ledger.ts'
import { Random } from '../simulator/random.ts'
import { type CairnData, prepareCairnData, tokenEnvironment } from '../support/cairn-data.ts'
import { type CairnProcess, startCairn } from '../support/cairn-process.ts'
import { makeBucket, useCeph } from '../support/ceph.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { runServerCommand } from '../support/run-server-command.ts'
import { untilTaskEnds } from '../support/running-tasks.ts'
import { connectTo, listNumbers, snapshotOf } from '../support/small-backups.ts'
import { backUpWide, checkWide } from '../support/wide-backups.ts'

const STORE = 'soak'
/** 20 minutes of a request's life are so many real seconds. */
const CLOCK_FACTOR = 100
/** The part of requests that something happens to. */
const FAULT_RATE = 0.04
const FAULTS: readonly Fault[] = [
  { kind: 'delay', delayMs: 100 },
  { kind: 'cut-before' },
  { kind: 'cut-request' },
  { kind: 'swallow' },
  { kind: 'cut-answer' },
  { kind: 'twice' },
  { kind: 'flip' },
  // Far below the life of a request, which is 12 s here.
  { kind: 'late', delayMs: 1_500 },
  { kind: 'status', status: 500, code: 'InternalError' },
  { kind: 'status', status: 503, code: 'SlowDown', retryAfter: '1' },
  { kind: 'status', status: 429, code: 'TooManyRequests' },
]
/** Groups that are backed up at the same time; each has 16 uploads under way. */
const GROUPS = ['host/a', 'host/b', 'host/c', 'host/d']
const UPLOADS_PER_GROUP = 16
/** Chunks that backups draw from: many are garbage when they are drawn again. */
const POOL_SIZE = 300
const KEPT_COUNT = 3
/** On top of the duration, for a machine that is too slow to do each once. */
const LATE_MAX_MS = 120_000
const KILL_MIN_MS = 4_000
const KILL_MAX_MS = 20_000
const START_ATTEMPTS = 20
/** What a server may hold more at the end than it did when it was fresh. */
const DESCRIPTORS_MORE_MAX = 40
/** Restores of one snapshot at the end, where nothing but time was missing. */
const READS_MAX = 3
/** At any time; 130 when it is fresh, 280 were seen. */
const RSS_MIB_MAX = 512

export interface SoakSummary {
  backups: number
  failedBackups: number
  restores: number
  collections: number
  verifications: number
  removals: number
  kills: number
  /** Backups that failed and of which a refresh showed something without a manifest: a PUT that was executed late. */
  late: number
  faults: number
  rssMib: readonly number[]
  /** What failed while the network was bad and servers were killed, and how often. */
  failures: Readonly<Record<string, number>>
}

interface State {
  readonly gate: number
  readonly descriptors: number
  readonly rssMib: number
}

/** CI has little time. */
const REFRESH_MIN_MS = 60_000

/** Runs for `durationMs` in the new folder `folder`, then looks whether all is there; throws at what is wrong. */
export async function runS3Soak(
  folder: string,
  options: { readonly durationMs: number; readonly seed: number },
): Promise<SoakSummary> {
  await using soak = await Soak.open(folder, options)
  await soak.run(options.durationMs)
  await soak.checkAll({ refreshes: options.durationMs > REFRESH_MIN_MS })
  return soak.summary
}

class Soak implements AsyncDisposable {
  readonly #data: CairnData
  readonly #proxy: FaultProxy
  readonly #random: Random
  readonly #environment: Readonly<Record<string, string>>
  /** Snapshots whose `finish` was answered and that nobody asked to go: `group number` -> chunks. */
  readonly #kept = new Map<string, readonly number[]>()
  /** Of all backups, those whose `finish` was answered. */
  readonly #finished = new Set<string>()
  /** All that was ever begun. */
  readonly #begun = new Map<string, readonly number[]>()
  readonly #rss: number[] = []
  readonly #failures = new Map<string, number>()
  #server!: CairnProcess
  #connection!: Connection
  #number = 0
  #isOver = false
  /** Resolves when a killed server is up again. */
  #up: Promise<void> = Promise.resolve()
  readonly #counts = {
    backups: 0,
    failedBackups: 0,
    restores: 0,
    collections: 0,
    verifications: 0,
    removals: 0,
    kills: 0,
    late: 0,
  }

  private constructor(data: CairnData, proxy: FaultProxy, seed: number) {
    this.#data = data
    this.#proxy = proxy
    this.#random = new Random(seed)
    this.#environment = {
      CAIRN_CLOCK_FACTOR: String(CLOCK_FACTOR),
      CAIRN_CLOCK_START: String(Date.now()),
    }
  }

  static async open(folder: string, { seed }: { readonly seed: number }): Promise<Soak> {
    const ceph = await useCeph()
    const proxy = await startFaultProxy({ target: ceph, seed })
    const data = await prepareCairnData(join(folder, 'data'))
    const soak = new Soak(data, proxy, seed)
    await soak.#start()
    const secrets = ['--access-key', ceph.accessKey, '--secret-key', ceph.secretKey.reveal()]
    const place = ['--endpoint', proxy.host, '--port', `${proxy.port}`, '--region', ceph.region]
    const trust = ['--path-style', 'true', '--fingerprint', proxy.fingerprint]
    await soak.#cairn('s3', 'endpoint', 'create', 'ceph', ...place, ...secrets, ...trust)
    const bucket = await makeBucket()
    const backend = `type=s3,client=ceph,bucket=${bucket},max-cache-size=1MiB`
    await soak.#cairn('datastore', 'create', STORE, join(folder, STORE), '--backend', backend)
    appendFileSync(join(data.paths.config, 'datastore.cfg'), '\ttuning gc-grace=0\n')
    return soak
  }

  get summary(): SoakSummary {
    const faults = [...this.#proxy.played.values()].reduce((sum, count) => sum + count, 0)
    const failures = Object.fromEntries(this.#failures)
    return { ...this.#counts, faults, rssMib: this.#rss, failures }
  }

  /** All loops until the time is over; an operation that fails is an operation that fails. */
  async run(durationMs: number): Promise<void> {
    const before = await this.#state()
    this.#rss.push(before.rssMib)
    this.#proxy.setRate(FAULT_RATE, FAULTS)
    const startMs = performance.now()
    const isOver = (): boolean => {
      const sinceMs = performance.now() - startMs
      const { backups, collections } = this.#counts
      if (sinceMs > durationMs + LATE_MAX_MS) return true
      return sinceMs > durationMs && backups > 0 && collections > 0 && this.summary.faults > 0
    }
    const turns = [
      ...GROUPS.map((group) => async () => await this.#backUp(group)),
      async () => await this.#collect(),
      async () => await this.#verify(),
      async () => await this.#forget(),
      async () => await this.#restore(),
    ]
    const loop = async (turn: () => Promise<void>): Promise<void> => {
      while (!isOver()) {
        await this.#up
        // Whether data is lost is seen at the end; in between a bad network and kills explain any failure.
        await turn().catch((error: unknown) => this.#note(error))
        await sleep(20)
      }
    }
    const killing = this.#killAtRandom(startMs + durationMs)
    await Promise.all(turns.map(loop))
    this.#isOver = true
    await killing
  }

  /** With a good network again: all that was promised is there, and nothing is held. */
  async checkAll({ refreshes }: { readonly refreshes: boolean }): Promise<void> {
    this.#proxy.setRate(0, [])
    await this.#proxy.settled()
    await sleep(REQUEST_LIFE_MS / CLOCK_FACTOR)
    await this.#kill()
    await this.#start()
    const fresh = await this.#state()
    await this.#checkSnapshots()
    // The bucket alone has to have all that was promised.
    if (refreshes) {
      await this.#refresh()
      await this.#forgetLate()
      await this.#checkSnapshots()
    }
    await this.#collect()
    await this.#verify()
    await this.#checkSnapshots()
    const state = await this.#state()
    this.#rss.push(state.rssMib)
    assert.equal(state.gate, 0, 'the gate is open')
    assert.ok(Math.max(...this.#rss) <= RSS_MIB_MAX, `resident MiB: ${this.#rss.join(', ')}`)
    assert.ok(
      state.descriptors <= fresh.descriptors + DESCRIPTORS_MORE_MAX,
      `descriptors: ${fresh.descriptors} when fresh, ${state.descriptors} now`,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]().catch(() => {})
    await this.#server[Symbol.asyncDispose]()
    await this.#proxy[Symbol.asyncDispose]()
  }

  async #checkSnapshots(): Promise<void> {
    for (const group of GROUPS) {
      const listed = new Set(await listNumbers(this.#connection, group))
      for (const [name, chunks] of this.#begun) {
        const [ofGroup, number] = name.split(' ')
        if (ofGroup !== group) continue
        const isListed = listed.has(Number(number))
        assert.ok(isListed || !this.#kept.has(name), `${name} is gone`)
        if (!isListed) continue
        await this.#checkOne({ group, number: Number(number), chunks }).catch((error: unknown) => {
          throw new Error(`${name} (${this.#kept.has(name) ? 'kept' : 'maybe'})`, {
            cause: error,
          })
        })
        this.#counts.restores += 1
      }
    }
  }

  /** Who was stopped for a while meets limits that are 18 s here: that no answer came in time says nothing of what is there. */
  async #checkOne(backup: Parameters<typeof checkWide>[1]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await checkWide(this.#connection, backup)
      } catch (error) {
        if (attempt === READS_MAX || !errorChain(error).includes('no answer within the time')) {
          throw error
        }
      }
    }
  }

  /** Known (docs/simulator.md): of a backup that failed a PUT may be executed after all that there was of it was removed. */
  async #forgetLate(): Promise<void> {
    for (const group of GROUPS) {
      for (const number of await listNumbers(this.#connection, group)) {
        if (this.#finished.has(`${group} ${number}`)) continue
        const snapshot = snapshotOf(number, group)
        const chunks = this.#begun.get(`${group} ${number}`) ?? []
        try {
          await checkWide(this.#connection, { group, number, chunks })
        } catch (error) {
          if (!hasCode(error, 'SERVER_NOT_FOUND')) throw error
          await forgetSnapshot(this.#connection, { namespace: ROOT_NAMESPACE, snapshot })
          this.#counts.late += 1
        }
      }
    }
  }

  async #backUp(group: string): Promise<void> {
    const number = ++this.#number
    const name = `${group} ${number}`
    const size = UPLOADS_PER_GROUP * (1 + this.#random.below(2))
    const chunks = Array.from({ length: size }, () => this.#random.below(POOL_SIZE))
    this.#begun.set(name, chunks)
    try {
      const backup = { group, number, chunks, noCache: this.#random.chance(0.2) }
      await backUpWide(this.#connection, backup, UPLOADS_PER_GROUP)
    } catch (error) {
      this.#counts.failedBackups += 1
      throw error
    }
    this.#kept.set(name, chunks)
    this.#finished.add(name)
    this.#counts.backups += 1
  }

  async #forget(): Promise<void> {
    const group = this.#random.pick(GROUPS)
    const names = [...this.#kept.keys()].filter((name) => name.startsWith(`${group} `))
    if (names.length <= KEPT_COUNT) return
    const name = this.#random.pick(names.slice(0, -1))
    this.#kept.delete(name)
    const snapshot = snapshotOf(Number(name.split(' ')[1]), group)
    await forgetSnapshot(this.#connection, { namespace: ROOT_NAMESPACE, snapshot })
    this.#counts.removals += 1
  }

  async #restore(): Promise<void> {
    const names = [...this.#kept.keys()]
    if (names.length === 0) return
    const name = this.#random.pick(names)
    const [group = '', number] = name.split(' ')
    const chunks = this.#kept.get(name) ?? []
    await checkWide(this.#connection, { group, number: Number(number), chunks })
    this.#counts.restores += 1
  }

  async #refresh(): Promise<void> {
    const { data } = await this.#connection.put(storePath(this.#connection, 's3-refresh'), {})
    await untilTaskEnds(this.#connection, upidOf(data))
  }

  async #collect(): Promise<void> {
    await this.#task('gc', {})
    this.#counts.collections += 1
  }

  async #verify(): Promise<void> {
    await this.#task('verify', { 'ignore-verified': false })
    this.#counts.verifications += 1
  }

  async #task(name: string, body: Record<string, boolean>): Promise<void> {
    const connection = this.#connection
    const { data } = await connection.post(storePath(connection, name), body)
    await untilTaskEnds(connection, upidOf(data))
  }

  #note(error: unknown): void {
    const text = errorChain(error)
      .replace(/'[^']*'|[0-9a-f]{8,}|[\d:.TZ-]{2,}|tx\w+/g, '…')
      .slice(0, 160)
    this.#failures.set(text, (this.#failures.get(text) ?? 0) + 1)
  }

  async #killAtRandom(end: number): Promise<void> {
    while (performance.now() < end) {
      const waitMs = KILL_MIN_MS + this.#random.below(KILL_MAX_MS - KILL_MIN_MS)
      await sleep(Math.min(waitMs, Math.max(0, end - performance.now())))
      if (this.#isOver || performance.now() >= end) return
      this.#rss.push((await this.#state()).rssMib)
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#up = promise
      await this.#kill()
      this.#counts.kills += 1
      await this.#start()
      resolve()
    }
  }

  async #kill(): Promise<void> {
    await this.#connection[Symbol.asyncDispose]().catch(() => {})
    await this.#server.end('SIGKILL')
  }

  async #start(): Promise<void> {
    const program = join(import.meta.dirname, '..', 'support', 'soak-server.ts')
    const options = { program, environment: this.#environment }
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#server = await startCairn(this.#data.data, options)
        break
      } catch (error) {
        // The bucket may not have answered; a service manager starts it again, too.
        if (attempt === START_ATTEMPTS) throw error
      }
    }
    const environment = tokenEnvironment(this.#data, this.#server)
    const repository = environment['PBS_REPOSITORY']?.replace(/main$/, STORE) ?? ''
    this.#connection = await connectTo({ ...environment, PBS_REPOSITORY: repository })
  }

  async #state(): Promise<State> {
    const count = this.#server.output().split('state {').length
    this.#server.child.kill('SIGUSR2')
    // What came before stays in the output: the answer is the next one.
    const pattern = new RegExp(`(?:state \\{[^]*?){${count - 1}}state (\\{.*\\})\n`)
    const [, text = '{}'] = await this.#server.waitFor(pattern)
    return JSON.parse(text) as State
  }

  async #cairn(...args: readonly string[]): Promise<void> {
    const run = await runServerCommand([...args, '--data', this.#data.data])
    if (run.status !== 0)
      throw new Error(errorChain(new Error(`${args[0]}: ${run.stdout}${run.stderr}`)))
  }
}
