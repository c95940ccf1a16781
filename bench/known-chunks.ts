/** What the looks at known chunks cost an unchanged image backup: warm, and on a pretended slow disk. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFileSystem } from '../src/base/fs/node-file-system.ts'
import { systemClock } from '../src/base/time/clock.ts'
import { ConfigFiles } from '../src/config/config-files.ts'
import { changeDatastore } from '../src/config/datastores.ts'
import { resolvePaths } from '../src/config/paths.ts'
import { makeImage } from './make-data.ts'
import { measure, median } from './support/measure.ts'
import type { Result } from './support/result.ts'
import {
  type BenchServer,
  clientCommand,
  startBenchServer,
  startBenchServerOver,
} from './support/server-process.ts'

const IMAGE_SIZE = 2 * 1024 ** 3
const LOOK_DELAY_MS = 5
/** Runs in turn a round: the difference is small, so many are needed. */
const PAIRS_A_ROUND = 7
const CHECKS = ['off', 'full'] as const

type Check = (typeof CHECKS)[number]
type Times = Record<Check, number[]>

/** Seconds of an unchanged backup with and without the looks. */
export async function benchKnownChunks(folder: string, rounds: number): Promise<Result> {
  const image = join(folder, 'image')
  makeImage(image, { size: IMAGE_SIZE, seed: 'known' })
  const server = await startBenchServer(folder)
  await backUp(server, image)
  const warm = await compare(server, image, PAIRS_A_ROUND * rounds)
  await server.end()
  const slowServer = await startBenchServerOver(server.data, {
    program: join(import.meta.dirname, 'support', 'slow-look-server.ts'),
    environment: { CAIRN_LOOK_DELAY_MS: String(LOOK_DELAY_MS) },
  })
  const slow = await compare(slowServer, image, rounds)
  await slowServer.stop()
  rmSync(image)
  return {
    title: 'Looks at known chunks, unchanged image of 2 GiB',
    rows: [row('warm', warm), row(`${LOOK_DELAY_MS} ms a look`, slow)],
    ratios: [
      { name: 'warm: time with the looks / without', value: cost(warm), goal: 1.04, atMost: true },
      {
        name: `${LOOK_DELAY_MS} ms a look: time with the looks / without`,
        value: cost(slow),
        goal: null,
      },
    ],
  }
}

/** Runs in turn, so that what else the machine does meets both alike. */
async function compare(server: BenchServer, image: string, count: number): Promise<Times> {
  const times: Times = { off: [], full: [] }
  for (let run = 0; run < count; run++) {
    for (const check of run % 2 === 0 ? CHECKS : CHECKS.toReversed()) {
      await setCheck(server.data, check)
      times[check].push(await backUp(server, image))
    }
  }
  return times
}

async function setCheck(data: string, check: Check): Promise<void> {
  const paths = resolvePaths({ data })
  const files = new ConfigFiles({ fs: nodeFileSystem, clock: systemClock, paths })
  const set = new Map([['tuning', `known-chunk-check=${check}`]])
  await changeDatastore(files, 'main', { set })
}

let backupTime = 1_700_000_000

async function backUp(server: BenchServer, image: string): Promise<number> {
  const argv = clientCommand('backup', `data.img:${image}`, '--backup-time', String(backupTime++))
  return (await measure(argv, server)).seconds
}

/** The middle of the ratios of neighbouring runs. */
function cost({ off, full }: Times): number {
  return median(full.map((seconds, run) => seconds / (off[run] ?? Number.NaN)))
}

function row(name: string, { off, full }: Times) {
  const figures = { 'off s': median(off).toFixed(2), 'full s': median(full).toFixed(2) }
  return { name, figures }
}
