/** Restore of an image by a client far away, with and without the server's read-ahead. */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeImage } from './make-data.ts'
import { startDelayProxy } from './support/delay-proxy.ts'
import { type Measured, measure, summarise } from './support/measure.ts'
import type { Result } from './support/result.ts'
import {
  type BenchServer,
  clientCommand,
  startBenchServer,
  startBenchServerOver,
} from './support/server-process.ts'

const IMAGE_SIZE = 512 << 20
const ROUND_TRIP_MS = 20
const RUNS = 3

/** Seconds of the restore at loopback, and behind the distance without and with read-ahead. */
export async function benchLatency(folder: string): Promise<Result> {
  const image = join(folder, 'image')
  makeImage(image, { size: IMAGE_SIZE, seed: 'latency' })
  const first = await startBenchServer(folder)
  await measure(clientCommand('backup', `data.img:${image}`, '--backup-id', 'far'), first)
  await first.end()
  const times = async (distance: number, options: readonly string[]) =>
    await restoreTimes(first.data, { image, distance, options })
  const near = await times(0, [])
  const without = await times(ROUND_TRIP_MS, ['--read-ahead', '0'])
  const withIt = await times(ROUND_TRIP_MS, [])
  const row = (name: string, { seconds }: Measured) => ({
    name,
    figures: { 'restore s': seconds.toFixed(2) },
  })
  return {
    title: `Restore of 512 MiB behind ${ROUND_TRIP_MS} ms`,
    rows: [
      row('loopback', near),
      row('without read-ahead', without),
      row('with read-ahead', withIt),
    ],
    ratios: [
      {
        name: 'rate with read-ahead / without',
        value: without.seconds / withIt.seconds,
        goal: null,
      },
    ],
  }
}

async function restoreTimes(
  data: string,
  { image, distance, options }: { image: string; distance: number; options: readonly string[] },
): Promise<Measured> {
  const server = await startBenchServerOver(data, { options })
  await using proxy = await startDelayProxy(server.port, distance)
  const far = distance === 0 ? server : { env: behind(server, proxy.port) }
  const runs: Measured[] = []
  for (let run = 0; run < RUNS; run++) {
    const target = `${image}.restored`
    runs.push(await measure(clientCommand('restore', 'host/far', 'data.img', target), far))
    execFileSync('cmp', [image, target])
    rmSync(target)
  }
  await server.end()
  return summarise(runs)
}

function behind(server: BenchServer, port: number): Record<string, string> {
  return { ...server.env, PBS_REPOSITORY: `admin@pbs@127.0.0.1:${port}:main` }
}
