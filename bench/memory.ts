/** Resident peaks: one huge sparse image, and sixteen backups at once. */
import { closeSync, ftruncateSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeImage } from './make-data.ts'
import { measure } from './support/measure.ts'
import type { Result } from './support/result.ts'
import { clientCommand, startBenchServer } from './support/server-process.ts'

const GIB = 1024 ** 3
const SPARSE_SIZE = 20 * GIB
const PARALLEL_COUNT = 16
const PARALLEL_SIZE = GIB / 4

/** Peaks in MiB against their bounds. */
export async function benchMemory(folder: string): Promise<Result> {
  const sparse = await backUpSparse(folder)
  const parallelMib = await backUpInParallel(folder)
  return {
    title: 'Memory',
    rows: [],
    ratios: [
      { name: '20 GiB sparse image: client MiB', value: sparse.clientMib, goal: 200, atMost: true },
      { name: '20 GiB sparse image: server MiB', value: sparse.serverMib, goal: 250, atMost: true },
      { name: '16 backups at once: server MiB', value: parallelMib, goal: 500, atMost: true },
    ],
  }
}

async function backUpSparse(folder: string): Promise<{ clientMib: number; serverMib: number }> {
  const server = await startBenchServer(folder)
  const image = join(folder, 'sparse.img')
  const file = openSync(image, 'w')
  ftruncateSync(file, SPARSE_SIZE)
  closeSync(file)
  const { peakMib } = await measure(clientCommand('backup', `disk.img:${image}`), server)
  const serverMib = server.peakMib()
  await server.stop()
  rmSync(image)
  return { clientMib: peakMib, serverMib }
}

async function backUpInParallel(folder: string): Promise<number> {
  const server = await startBenchServer(folder)
  const images = Array.from({ length: PARALLEL_COUNT }, (_, index) =>
    join(folder, `image-${index}`),
  )
  for (const image of images) makeImage(image, { size: PARALLEL_SIZE, seed: image })
  await Promise.all(
    images.map(async (image, index) => {
      const args = ['backup', `disk.img:${image}`, '--backup-id', `vm-${index}`]
      await measure(clientCommand(...args), server)
    }),
  )
  const peakMib = server.peakMib()
  await server.stop()
  for (const image of images) rmSync(image)
  return peakMib
}
