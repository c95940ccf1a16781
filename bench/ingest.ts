/**
 * What a server takes in, against the steps that nobody can avoid: TLS on both sides, CRC, decoding, SHA-256 and a
 * write for every chunk. Each step is measured alone in processor seconds; as many of them as there are cores pass at
 * a time, so their sum over the cores is the least that the same chunks can take.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { crc32, zstdDecompressSync } from 'node:zlib'
import { encodeBlob } from '../src/formats/data-blob.ts'
import { LOAD_CHUNK_SIZE, loadChunk } from './support/load-chunks.ts'
import { median } from './support/measure.ts'
import { sendOverTls } from './support/raw-tls.ts'
import type { Result } from './support/result.ts'
import { startBenchServer } from './support/server-process.ts'

/** 1 GiB a round. */
const CHUNK_COUNT = 256
/** Chunks of which the raw steps are measured. */
const SAMPLE_COUNT = 64
const ROUNDS = 5
const CHUNK_MIB = LOAD_CHUNK_SIZE / 2 ** 20

/** Processor seconds of each step for one average chunk. */
type StepCosts = Readonly<Record<string, number>>

/** Chunks per second over TLS from another process, and the part of the limit that this is. */
export async function benchIngest(folder: string): Promise<Result> {
  const costs: StepCosts[] = []
  const rates: number[] = []
  const server = await startBenchServer(folder)
  for (let round = 0; round < ROUNDS; round++) {
    costs.push(await rawCosts(folder))
    rates.push(await ingestRate(server.env, String(round)))
  }
  await server.stop()
  const steps = Object.keys(costs[0] ?? {})
  const cost = steps.map((step) => median(costs.map((round) => round[step] ?? 0)))
  const limit = availableParallelism() / cost.reduce((sum, seconds) => sum + seconds, 0)
  const rate = median(rates)
  const row = (name: string, figures: Readonly<Record<string, string>>) => ({ name, figures })
  return {
    title: `Ingest of ${CHUNK_MIB} MiB chunks over TLS, half of them text`,
    rows: [
      ...steps.map((step, index) =>
        row(step, { 'ms per chunk': ((cost[index] ?? 0) * 1000).toFixed(2) }),
      ),
      row('limit of the steps together', { 'MiB/s': (limit * CHUNK_MIB).toFixed(0) }),
      row('ingest', { 'MiB/s': (rate * CHUNK_MIB).toFixed(0) }),
    ],
    ratios: [{ name: 'ingest as a part of the limit', value: rate / limit, goal: 0.7 }],
  }
}

async function ingestRate(env: Readonly<Record<string, string>>, seed: string): Promise<number> {
  const program = join(import.meta.dirname, 'support', 'load-client.ts')
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...process.execArgv, program, String(CHUNK_COUNT), seed],
    { env: { ...process.env, ...env } },
  )
  return CHUNK_COUNT / (JSON.parse(stdout) as { seconds: number }).seconds
}

async function rawCosts(folder: string): Promise<StepCosts> {
  const plain = Array.from({ length: SAMPLE_COUNT }, (_, index) => loadChunk('raw', index))
  const blobs: Uint8Array[] = []
  for (const chunk of plain) blobs.push(await encodeBlob(chunk, { compress: true }))
  const wireSize = blobs.reduce((sum, blob) => sum + blob.length, 0)
  const compressed = blobs.filter((blob) => blob.length < LOAD_CHUNK_SIZE)
  const target = join(folder, 'raw')
  mkdirSync(target)
  const costs = {
    'TLS, both sides': await sendOverTls(wireSize),
    CRC: cost(() => {
      for (const blob of blobs) crc32(blob.subarray(12))
    }),
    decode: cost(() => {
      for (const blob of compressed) {
        zstdDecompressSync(blob.subarray(12), { chunkSize: LOAD_CHUNK_SIZE })
      }
    }),
    'SHA-256': cost(() => {
      for (const chunk of plain) createHash('sha256').update(chunk).digest()
    }),
    'write and rename': cost(() => {
      for (const [index, blob] of blobs.entries()) {
        writeFileSync(join(target, `${index}.tmp`), blob)
        renameSync(join(target, `${index}.tmp`), join(target, String(index)))
      }
    }),
  }
  rmSync(target, { recursive: true })
  return Object.fromEntries(Object.entries(costs).map(([step, all]) => [step, all / SAMPLE_COUNT]))
}

/** Processor seconds of `run`. */
function cost(run: () => void): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}
