/**
 * Verification against the least it can do: read, decompress and digest the same files on all cores, without CRC,
 * locks, lookups and log; and what it leaves to a backup beside it.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import { connectTo } from '../test/support/small-backups.ts'
import { silentProgress } from '../src/base/progress.ts'
import type { Datastore } from '../src/datastore/datastore.ts'
import { verifyDatastore } from '../src/datastore/verify/verify-datastore.ts'
import { parseSnapshot } from '../src/formats/names.ts'
import { makeImage } from './make-data.ts'
import { writeSnapshot } from './support/chunk-files.ts'
import { loadChunk } from './support/load-chunks.ts'
import { openLocalStore } from './support/local-store.ts'
import { measure, median } from './support/measure.ts'
import { SeededRandom } from './support/random.ts'
import type { LimitWork } from './support/read-limit-worker.ts'
import type { Result } from './support/result.ts'
import { type BenchServer, clientCommand, startBenchServer } from './support/server-process.ts'

const REF = parseSnapshot('host/bench/2026-01-01T00:00:00Z')
const UPID = 'UPID:vm:00000001:00000001:00000001:6B016C27:verify:store1:root@pam:'
/** 3 GiB: fewer would measure how threads begin, too. */
const LARGE_COUNT = Number(process.env['CAIRN_BENCH_LARGE_CHUNKS'] ?? 768)
/** Fewer would measure how threads begin: a store of this kind has millions. */
const SMALL_COUNT = Number(process.env['CAIRN_BENCH_SMALL_CHUNKS'] ?? 400_000)
const SMALL_SIZE = 3000
const IMAGE_SIZE = 512 << 20
const LIMIT_WORKER = new URL('./support/read-limit-worker.ts', import.meta.url)

interface Times {
  readonly limit: number[]
  readonly verify: number[]
}

export async function benchVerify(folder: string, rounds: number): Promise<Result> {
  const large = await compare(join(folder, 'large'), largeChunks(), rounds)
  const small = await compare(join(folder, 'small'), smallChunks(), rounds)
  const beside = await backupBeside(folder, rounds)
  const seconds = (times: readonly number[]) => median(times).toFixed(2)
  const row = (name: string, { limit, verify }: Times) => ({
    name,
    figures: { 'limit s': seconds(limit), 'verify s': seconds(verify) },
  })
  return {
    title: `Verification, ${LARGE_COUNT} chunks of 4 MiB and ${SMALL_COUNT} of ${SMALL_SIZE} bytes`,
    rows: [
      row('4 MiB, half of them text', large),
      row(`${SMALL_SIZE} bytes`, small),
      { name: 'backup alone', figures: { 'backup s': seconds(beside.alone) } },
      { name: 'backup beside a verification', figures: { 'backup s': seconds(beside.together) } },
    ],
    ratios: [
      { name: 'limit / verify, 4 MiB', value: quotient(large), goal: 0.8 },
      { name: `limit / verify, ${SMALL_SIZE} bytes`, value: quotient(small), goal: 0.8 },
      {
        name: 'rate of a backup beside / alone',
        value: median(beside.alone) / median(beside.together),
        goal: 0.5,
      },
    ],
  }
}

function quotient({ limit, verify }: Times): number {
  return median(limit.map((seconds, round) => seconds / (verify[round] ?? Number.NaN)))
}

async function compare(
  folder: string,
  chunks: Iterable<Uint8Array>,
  rounds: number,
): Promise<Times> {
  mkdirSync(folder)
  await using local = await openLocalStore(folder)
  const paths = await writeSnapshot(local.store.path, REF, chunks)
  const times: Times = { limit: [], verify: [] }
  for (let round = 0; round <= rounds; round++) {
    const limit = await limitSeconds(paths)
    const verify = await verifySeconds(local.store)
    // The first round warms the page cache.
    if (round === 0) continue
    times.limit.push(limit)
    times.verify.push(verify)
  }
  rmSync(folder, { recursive: true })
  return times
}

export async function verifySeconds(store: Datastore): Promise<number> {
  const start = performance.now()
  const options = { progress: silentProgress(), upid: UPID, ignoreVerified: false }
  const { failed } = await verifyDatastore(store, options)
  if (failed.length > 0) throw new Error(`failed: ${failed.join(' ')}`)
  return (performance.now() - start) / 1000
}

/** Threads are up before the clock starts: this is the limit. */
export async function limitSeconds(paths: readonly string[]): Promise<number> {
  const workerData: LimitWork = { paths, next: new SharedArrayBuffer(4) }
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(LIMIT_WORKER, { workerData }),
  )
  const answers = () => Promise.all(workers.map((worker) => once(worker)))
  await answers()
  const start = performance.now()
  for (const worker of workers) worker.postMessage('go', [])
  await answers()
  const seconds = (performance.now() - start) / 1000
  for (const worker of workers) await worker.terminate()
  return seconds
}

async function once(worker: Worker): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve())
    worker.once('error', reject)
  })
}

/** Seconds of a first backup by a client process, without and with a verification in the server all the while. */
export async function backupBeside(folder: string, rounds: number) {
  const image = join(folder, 'image')
  makeImage(image, { size: IMAGE_SIZE, seed: 'first' })
  const server = await startBenchServer(folder)
  const data = join(server.data, 'datastores', 'main')
  await writeSnapshot(data, REF, largeChunks())
  const times = { alone: [] as number[], together: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    makeImage(image, { size: IMAGE_SIZE, seed: `alone ${round}` })
    times.alone.push(await backUp(server, image))
    makeImage(image, { size: IMAGE_SIZE, seed: `together ${round}` })
    const verifying = keepVerifying(server)
    times.together.push(await backUp(server, image))
    await verifying.stop()
  }
  await server.stop()
  rmSync(image)
  return times
}

let backupTime = 1_800_000_000

async function backUp(server: BenchServer, image: string): Promise<number> {
  const argv = clientCommand('backup', `data.img:${image}`, '--backup-time', String(backupTime++))
  return (await measure(argv, server)).seconds
}

/** One verification after the other until it is stopped. */
function keepVerifying(server: BenchServer): { stop(): Promise<void> } {
  const abort = new AbortController()
  const ended = (async () => {
    await using connection = await connectTo(server.env)
    while (!abort.signal.aborted) {
      const group = { 'backup-type': REF.type, 'backup-id': REF.id }
      const options = { ...group, 'ignore-verified': false }
      const { data } = await connection.post('admin/datastore/main/verify', options)
      await untilEnded(connection, String(data), abort.signal)
    }
  })()
  return {
    async stop() {
      abort.abort()
      await ended
    },
  }
}

async function untilEnded(
  connection: Awaited<ReturnType<typeof connectTo>>,
  upid: string,
  signal: AbortSignal,
): Promise<void> {
  const path = `nodes/localhost/tasks/${encodeURIComponent(upid)}`
  for (;;) {
    const { data } = await connection.get(`${path}/status`)
    const { status, exitstatus } = data as { status: string; exitstatus?: string }
    if (status !== 'running') {
      if (exitstatus !== 'OK') throw new Error(`verification: ${exitstatus}`)
      return
    }
    if (signal.aborted) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function* largeChunks(): Generator<Uint8Array> {
  for (let index = 0; index < LARGE_COUNT; index++) yield loadChunk('verify', index)
}

function* smallChunks(): Generator<Uint8Array> {
  const random = new SeededRandom('verify').bytes(SMALL_SIZE)
  for (let index = 0; index < SMALL_COUNT; index++) {
    random.write(`${index};`)
    yield random
  }
}
