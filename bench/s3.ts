/**
 * A datastore in a bucket of a real Ceph (`test/support/ceph-rgw.sh`, over TLS) beside the bare library on the same
 * store: first backup and raw PUTs, unchanged backup, cold restore and raw GETs, warm restore and a datastore in a folder,
 * collection and a bare LIST. Requests of each step stand beside the cost model of datastore-semantics.md 19.2.
 *
 * Ceph, our client and our server share the cores, the bare library has one process less; its time is counted from the first
 * request on, ours from the client's start to its end. The bare library's PUTs say the CRC-32 of a body, which this Ceph does
 * not look at; ours say the MD5, which it compares.
 *
 * `CAIRN_BENCH_S3_MIB` (1024) is the size of the image, `CAIRN_BENCH_S3_OBJECTS` (200000) the number of objects that are
 * collected; smaller ones show that it works.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, openSync, closeSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Connection } from '../src/client/connection.ts'
import { forgetSnapshot, storePath, upidOf } from '../src/client/snapshots.ts'
import { parseSnapshot } from '../src/formats/names.ts'
import { ROOT_NAMESPACE } from '../src/formats/namespace.ts'
import type { BucketUsage, ShownCounts } from '../src/server/s3/bucket-usage.ts'
import { makeBucket, useCeph } from '../test/support/ceph.ts'
import { runServerCommand } from '../test/support/run-server-command.ts'
import { untilTaskEnds } from '../test/support/running-tasks.ts'
import { connectTo } from '../test/support/small-backups.ts'
import { measure, median, readPeakMib } from './support/measure.ts'
import { SeededRandom } from './support/random.ts'
import type { Ratio, Result, Row } from './support/result.ts'
import { type BenchServer, clientCommand, startBenchServerOver } from './support/server-process.ts'

const STORE = 'bucket'
const MIB = 1 << 20
const CHUNK_SIZE = 4 * MIB
/** Chunks of 4 MiB that our client has under way: 24 MiB of uploads, 8 reads ahead. The bare library has as many. */
const UPLOADS = 5
const READS = 8
const PLANTERS = 32
const RAW = join(import.meta.dirname, 'support', 'raw-s3.ts')
const TIMES = [1_767_225_600, 1_767_312_000]
const SNAPSHOTS = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z']

type Requests = Omit<ShownCounts, 'uploaded' | 'downloaded'>

interface Step {
  readonly seconds: number
  readonly requests: Requests
}

export async function benchS3(folder: string, rounds: number): Promise<Result> {
  const imageMib = Number(process.env['CAIRN_BENCH_S3_MIB'] ?? 1024)
  const objectCount = Number(process.env['CAIRN_BENCH_S3_OBJECTS'] ?? 200_000)
  const image = join(folder, 'image')
  makeRandomImage(image, imageMib)
  const chunkCount = (imageMib * MIB) / CHUNK_SIZE
  const ratios: Record<string, number[]> = {}
  const rows: Row[] = []
  for (let round = 0; round < rounds; round += 1) {
    await using rig = await Rig.open(join(folder, `round-${round}`))
    const isLast = round === rounds - 1
    const note = (row: Row): void => void (isLast && rows.push(row))
    await benchTransfers(rig, { image, chunkCount, ratios, note })
    if (isLast) await benchCollection(rig, { objectCount, ratios, note })
  }
  return {
    title: `A datastore in a bucket: ${imageMib} MiB in ${chunkCount} chunks, ${objectCount} objects`,
    rows,
    ratios: GOALS.map((goal) => ({ ...goal, value: median(ratios[goal.name] ?? [Number.NaN]) })),
  }
}

const GOALS: readonly Omit<Ratio, 'value'>[] = [
  { name: 'first backup: rate as a part of raw PUTs', goal: 0.8 },
  { name: 'unchanged backup: requests per chunk', goal: 0.01, atMost: true },
  { name: 'cold restore: rate as a part of raw GETs', goal: 0.8 },
  { name: 'warm restore: rate as a part of a datastore in a folder', goal: 0.8 },
  { name: 'collection: time / bare LIST', goal: 1.2, atMost: true },
  { name: 'collection: requests beyond the model', goal: 20, atMost: true },
  { name: 'collection that removes all: requests beyond the model', goal: 20, atMost: true },
  { name: 'collection: MiB more in the server', goal: null },
]

interface Notes {
  readonly ratios: Record<string, number[]>
  readonly note: (row: Row) => void
}

async function benchTransfers(
  rig: Rig,
  { image, chunkCount, ratios, note }: Notes & { image: string; chunkCount: number },
): Promise<void> {
  const rawPut = await rig.raw('put', chunkCount, CHUNK_SIZE, UPLOADS, 'raw/')
  note(row('raw PUTs', { seconds: rawPut['seconds'] ?? 0 }))
  const first = await rig.step(async () => await rig.backUp(STORE, image, 0))
  note(row('first backup', first, `${chunkCount} PUT chunks, 1 index, 2 manifest`))
  const unchanged = await rig.step(async () => await rig.backUp(STORE, image, 1))
  note(row('unchanged backup', unchanged, '1 PUT index, 2 manifest'))
  const rawGet = await rig.raw('get', chunkCount, CHUNK_SIZE, READS, 'raw/')
  note(row('raw GETs', { seconds: rawGet['seconds'] ?? 0 }))
  await rig.forgetCache()
  const cold = await rig.step(async () => await rig.restore(STORE, 0))
  note(row('cold restore', cold, `${chunkCount} GET`))
  const warm = await rig.step(async () => await rig.restore(STORE, 0))
  note(row('warm restore', warm, '0'))
  await rig.backUp('main', image, 0)
  const local = await rig.step(async () => await rig.restore('main', 0))
  note(row('restore from a folder', { seconds: local.seconds }))
  await rig.compare(STORE, 0, image)
  const verify = await rig.step(async () => await rig.task('verify', { 'ignore-verified': false }))
  note(row('verification', verify, `${chunkCount} GET`))
  add(ratios, 'first backup: rate as a part of raw PUTs', (rawPut['seconds'] ?? 0) / first.seconds)
  add(ratios, 'cold restore: rate as a part of raw GETs', (rawGet['seconds'] ?? 0) / cold.seconds)
  add(
    ratios,
    'warm restore: rate as a part of a datastore in a folder',
    local.seconds / warm.seconds,
  )
  // Index, blobs, owner and manifest are no requests for chunks.
  const more = Math.max(0, sum(unchanged.requests) - 10)
  add(ratios, 'unchanged backup: requests per chunk', more / chunkCount)
}

async function benchCollection(
  rig: Rig,
  { objectCount, ratios, note }: Notes & { objectCount: number },
): Promise<void> {
  await rig.raw('plant', objectCount, PLANTERS, `${STORE}/`)
  const refresh = await rig.step(async () => await rig.task('s3-refresh', {}))
  note(row('refresh', refresh, `${pages(objectCount)} LIST, 1 GET per file`))
  const list = await rig.raw('list', `${STORE}/.chunks/`)
  const keys = list['keys'] ?? 0
  note(row(`bare LIST of ${keys}`, { seconds: list['seconds'] ?? 0 }))
  rig.forgetPeak()
  const before = rig.rssMib()
  const keeping = await rig.step(async () => await rig.task('gc', {}))
  const after = rig.peakMib()
  note(row('collection, all young', keeping, `${pages(keys)} LIST, 1 LIST of indexes, 1 HEAD`))
  await rig.cairn('datastore', 'update', STORE, '--tuning', 'gc-grace=0')
  for (const index of [0, 1]) await rig.forget(index)
  const removing = await rig.step(async () => await rig.task('gc', {}))
  const removes = `${pages(keys)} LIST, ${pages(keys)} POST, 1 LIST of indexes`
  note(row('collection that removes all', removing, removes))
  add(ratios, 'collection: time / bare LIST', keeping.seconds / (list['seconds'] ?? 0))
  // The indexes fit into a page.
  const modelled = pages(keys) + 1
  add(ratios, 'collection: requests beyond the model', sum(keeping.requests) - modelled)
  add(
    ratios,
    'collection that removes all: requests beyond the model',
    sum(removing.requests) - modelled - pages(keys),
  )
  add(ratios, 'collection: MiB more in the server', Math.max(0, after - before))
}

/** A server with an empty datastore in a bucket of its own. */
class Rig implements AsyncDisposable {
  readonly #folder: string
  readonly #raw: Readonly<Record<string, string>>
  #server: BenchServer
  #connection: Connection

  private constructor(
    folder: string,
    raw: Readonly<Record<string, string>>,
    server: BenchServer,
    connection: Connection,
  ) {
    this.#folder = folder
    this.#raw = raw
    this.#server = server
    this.#connection = connection
  }

  static async open(folder: string): Promise<Rig> {
    mkdirSync(folder)
    const { host, port, region, accessKey, secretKey, fingerprint } = await useCeph()
    const bucket = await makeBucket()
    const raw = {
      S3_HOST: host,
      S3_PORT: `${port}`,
      S3_REGION: region,
      S3_BUCKET: bucket,
      S3_ACCESS_KEY: accessKey,
      S3_SECRET_KEY: secretKey.reveal(),
    }
    const server = await startBenchServerOver(join(folder, 'data'), {})
    const rig = new Rig(folder, raw, server, await connectTo(toStore(server, STORE)))
    const place = ['--endpoint', host, '--port', `${port}`, '--region', region]
    const keys = ['--access-key', accessKey, '--secret-key', secretKey.reveal()]
    const trust = ['--path-style', 'true', '--fingerprint', fingerprint]
    await rig.cairn('s3', 'endpoint', 'create', 'ceph', ...place, ...keys, ...trust)
    const backend = `type=s3,client=ceph,bucket=${bucket}`
    await rig.cairn('datastore', 'create', STORE, join(folder, STORE), '--backend', backend)
    return rig
  }

  /** Seconds of `work`, and the requests that it cost. */
  async step(work: () => Promise<void>): Promise<Step> {
    execFileSync('sync')
    const before = await this.#usage()
    const start = performance.now()
    await work()
    const seconds = (performance.now() - start) / 1000
    const after = await this.#usage()
    const difference = (name: keyof Requests): number => after[name] - before[name]
    const requests = {
      get: difference('get'),
      put: difference('put'),
      post: difference('post'),
      delete: difference('delete'),
      head: difference('head'),
    }
    return { seconds, requests }
  }

  async backUp(store: string, image: string, index: number): Promise<void> {
    const options = ['--backup-id', 'bench', '--backup-time', `${TIMES[index]}`]
    const argv = clientCommand('backup', `disk.img:${image}`, ...options)
    await measure(argv, { env: toStore(this.#server, store) })
  }

  /** To nowhere: the bare library writes no files either. */
  async restore(store: string, index: number, target = '-'): Promise<void> {
    const argv = clientCommand('restore', `host/bench/${SNAPSHOTS[index]}`, 'disk.img', target)
    await measure(argv, { env: toStore(this.#server, store) })
  }

  async compare(store: string, index: number, image: string): Promise<void> {
    const target = join(this.#folder, 'restored')
    await this.restore(store, index, target)
    execFileSync('cmp', [image, target])
    rmSync(target)
  }

  async forget(index: number): Promise<void> {
    const snapshot = parseSnapshot(`host/bench/${SNAPSHOTS[index]}`)
    await forgetSnapshot(this.#connection, { namespace: ROOT_NAMESPACE, snapshot })
  }

  async task(name: 'gc' | 'verify' | 's3-refresh', body: Record<string, boolean>): Promise<void> {
    const isRefresh = name === 's3-refresh'
    const path = storePath(this.#connection, name)
    const { data } = isRefresh
      ? await this.#connection.put(path, {})
      : await this.#connection.post(path, body)
    await untilTaskEnds(this.#connection, upidOf(data))
  }

  /** Restarts the server without what it kept of contents. */
  async forgetCache(): Promise<void> {
    await this.#connection[Symbol.asyncDispose]()
    await this.#server.end()
    rmSync(join(this.#folder, STORE, '.cairn-cache'), { recursive: true, force: true })
    this.#server = await startBenchServerOver(this.#server.data, {})
    this.#connection = await connectTo(toStore(this.#server, STORE))
  }

  async cairn(...args: readonly string[]): Promise<string> {
    const run = await runServerCommand([...args, '--data', this.#server.data])
    if (run.status !== 0) throw new Error(`cairn ${args[0]}: ${run.stdout}${run.stderr}`)
    return run.stdout
  }

  async raw(...args: readonly (string | number)[]): Promise<Record<string, number>> {
    const argv = [RAW, ...args.map(String)]
    const env = { ...process.env, ...this.#raw }
    const output = execFileSync(process.execPath, argv, { env, encoding: 'utf8' })
    return JSON.parse(output) as Record<string, number>
  }

  rssMib(): number {
    const text = execFileSync('ps', ['-o', 'rss=', '-p', `${this.#server.child.pid}`])
    return Number(text.toString()) / 1024
  }

  /** The kernel's peak is that of now. */
  forgetPeak(): void {
    writeFileSync(`/proc/${this.#server.child.pid}/clear_refs`, '5')
  }

  peakMib(): number {
    return readPeakMib(this.#server.child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]()
    await this.#server.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #usage(): Promise<Requests> {
    const text = await this.cairn('s3', 'usage', STORE, '--output-format', 'json')
    return (JSON.parse(text) as BucketUsage).requests
  }
}

function toStore(server: BenchServer, store: string): Readonly<Record<string, string>> {
  const repository = server.env['PBS_REPOSITORY']?.replace(/main$/, store) ?? ''
  return { ...server.env, PBS_REPOSITORY: repository }
}

function row(name: string, step: { seconds: number; requests?: Requests }, model = ''): Row {
  const { requests } = step
  const counted =
    requests === undefined
      ? {}
      : Object.fromEntries(Object.entries(requests).map(([kind, count]) => [kind, `${count}`]))
  return { name, figures: { s: step.seconds.toFixed(2), ...counted, 'cost model': model } }
}

function add(ratios: Record<string, number[]>, name: string, value: number): void {
  ;(ratios[name] ??= []).push(value)
}

function sum(requests: Requests): number {
  return Object.values(requests).reduce((total, count) => total + count, 0)
}

function pages(count: number): number {
  return Math.ceil(count / 1_000)
}

/** Chunks that nothing compresses and that are all different. */
function makeRandomImage(path: string, sizeMib: number): void {
  const random = new SeededRandom('s3')
  const file = openSync(path, 'w')
  for (let at = 0; at < sizeMib; at += 16) writeSync(file, random.bytes(16 * MIB))
  closeSync(file)
}
