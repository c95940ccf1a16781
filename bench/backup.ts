/** Backup and restore of an image and of a tree, side by side with restic and Borg. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { makeImage, makeTree } from './make-data.ts'
import { type Measured, median, summarise } from './support/measure.ts'
import { borgTool, cairnTool, type DataKind, resticTool, type Tool } from './support/peers.ts'
import type { Ratio, Result } from './support/result.ts'
import { startBenchServer } from './support/server-process.ts'
import { sha256Rate } from './support/raw-steps.ts'

const IMAGE_SIZE = 2 * 1024 ** 3
const SETTLE_MS = 3_000

interface Runs {
  first: Measured[]
  unchanged: Measured[]
  restore: Measured[]
  serverPeakMib: number[]
}

/**
 * Seconds and resident peaks of each tool, `rounds` rounds in turn, every restore compared. Nothing of a tree is deleted
 * before the end (13 GB a round): for minutes ext4 passes inodes that were freed by one by one, and whoever came next
 * paid for it. The caller deletes `folder`.
 */
export async function benchBackup(folder: string, kind: DataKind, rounds: number): Promise<Result> {
  const source = join(folder, `source-${kind}`)
  if (kind === 'image') makeImage(source, { size: IMAGE_SIZE, seed: 'cairn' })
  else makeTree(source, { seed: 'cairn' })
  const runs = new Map<string, Runs>()
  for (let round = 0; round < rounds; round++) {
    for (const tool of ['cairn', 'restic', 'borg']) {
      await runTool(tool, { folder, source, kind, runs })
    }
  }
  return report(kind, runs)
}

async function runTool(
  name: string,
  {
    folder,
    source,
    kind,
    runs,
  }: { folder: string; source: string; kind: DataKind; runs: Map<string, Runs> },
): Promise<void> {
  const scratch = mkdtempSync(join(folder, `${name}-`))
  const server = name === 'cairn' ? await startBenchServer(scratch) : null
  const repository = join(scratch, 'repository')
  const tool =
    server !== null
      ? cairnTool(server)
      : name === 'restic'
        ? resticTool(repository)
        : borgTool(repository)
  const all = runs.get(name) ?? { first: [], unchanged: [], restore: [], serverPeakMib: [] }
  runs.set(name, all)
  await settle()
  all.first.push(await tool.backup(source, kind, false))
  await settle()
  all.unchanged.push(await tool.backup(source, kind, true))
  await settle()
  all.restore.push(await restoreAndCompare(tool, { source, kind, scratch }))
  if (server !== null) all.serverPeakMib.push(server.peakMib())
  await server?.stop()
  if (kind === 'image') rmSync(scratch, { recursive: true, force: true })
}

/**
 * Every step begins alike: nothing is left to be written that an earlier one made (a sync of ours would pay for it), and
 * memory that was freed has gone back to the host of a virtual machine (getting it again costs ten times as much as
 * using it right away).
 */
async function settle(): Promise<void> {
  execFileSync('sync')
  await setTimeout(SETTLE_MS)
}

async function restoreAndCompare(
  tool: Tool,
  { source, kind, scratch }: { source: string; kind: DataKind; scratch: string },
): Promise<Measured> {
  const target = join(scratch, 'restored')
  mkdirSync(target)
  const { measured, at } = await tool.restore(source, kind, target)
  if (kind === 'image') execFileSync('cmp', [source, at])
  else execFileSync('diff', ['-r', source, at])
  return measured
}

function report(kind: DataKind, runs: ReadonlyMap<string, Runs>): Result {
  const rows = Array.from(runs, ([name, { first, unchanged, restore, serverPeakMib }]) => ({
    name,
    figures: {
      'first s': summarise(first).seconds.toFixed(1),
      'unchanged s': summarise(unchanged).seconds.toFixed(1),
      'restore s': summarise(restore).seconds.toFixed(1),
      'client MiB': summarise([...first, ...unchanged, ...restore]).peakMib.toFixed(0),
      'server MiB': serverPeakMib.length === 0 ? '-' : Math.max(...serverPeakMib).toFixed(0),
    },
  }))
  const seconds = (tool: string, step: 'first' | 'unchanged' | 'restore') =>
    median((runs.get(tool)?.[step] ?? []).map((run) => run.seconds))
  const against = (step: 'first' | 'unchanged' | 'restore', goal: number | null): Ratio => ({
    name: `${kind} ${step}: rate as a multiple of restic's`,
    value: seconds('restic', step) / seconds('cairn', step),
    goal,
  })
  const ratios =
    kind === 'image'
      ? [
          against('first', 1.7),
          against('restore', 1.7),
          unchangedImage(seconds('cairn', 'unchanged')),
        ]
      : [against('first', 1.4), against('restore', 2.2), against('unchanged', 2)]
  return { title: `${kind}: backup and restore`, rows, ratios }
}

function unchangedImage(seconds: number): Ratio {
  const name = 'image unchanged, read in full: rate as a part of SHA-256 on one core'
  return { name, value: IMAGE_SIZE / seconds / sha256Rate(), goal: 0.75 }
}
