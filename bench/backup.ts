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
  /** Seconds until what was restored is on the disk. */
  synced: number[]
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
  const all = runs.get(name) ?? newRuns()
  runs.set(name, all)
  await settle(source)
  all.first.push(await tool.backup(source, kind, false))
  await settle(source)
  all.unchanged.push(await tool.backup(source, kind, true))
  await settle(source)
  const { restored, syncedSeconds } = await restoreAndCompare(tool, { source, kind, scratch })
  all.restore.push(restored)
  all.synced.push(syncedSeconds)
  tell(`${kind}, ${name}`, all)
  if (server !== null) all.serverPeakMib.push(server.peakMib())
  await server?.stop()
  if (kind === 'image') rmSync(scratch, { recursive: true, force: true })
}

function newRuns(): Runs {
  return { first: [], unchanged: [], restore: [], synced: [], serverPeakMib: [] }
}

/** How far it is: the seconds of the last round. */
function tell(name: string, { first, unchanged, restore, synced }: Runs): void {
  const steps = [first, unchanged, restore].map((runs) => runs.at(-1)?.seconds)
  const seconds = [...steps, synced.at(-1)].map((step) => step?.toFixed(1))
  process.stderr.write(`${name}: ${seconds.join(' ')} s (first, unchanged, restore, synced)\n`)
}

/**
 * Every step begins alike: the source is in memory, nothing is left to be written that an earlier one made (a sync of ours would pay for it), and
 * memory that was freed has gone back to the host of a virtual machine (getting it again costs ten times as much as
 * using it right away).
 */
async function settle(source: string): Promise<void> {
  execFileSync('find', [source, '-type', 'f', '-exec', 'cat', '{}', '+'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  execFileSync('sync')
  await setTimeout(SETTLE_MS)
}

async function restoreAndCompare(
  tool: Tool,
  { source, kind, scratch }: { source: string; kind: DataKind; scratch: string },
): Promise<{ readonly restored: Measured; readonly syncedSeconds: number }> {
  const target = join(scratch, 'restored')
  mkdirSync(target)
  const { measured: restored, at } = await tool.restore(source, kind, target)
  const start = performance.now()
  execFileSync('sync', ['-f', at])
  const syncedSeconds = restored.seconds + (performance.now() - start) / 1000
  if (kind === 'image') execFileSync('cmp', [source, at])
  else execFileSync('diff', ['-r', source, at])
  return { restored, syncedSeconds }
}

function report(kind: DataKind, runs: ReadonlyMap<string, Runs>): Result {
  const rows = Array.from(runs, ([name, { first, unchanged, restore, synced, serverPeakMib }]) => ({
    name,
    figures: {
      'first s': summarise(first).seconds.toFixed(1),
      'unchanged s': summarise(unchanged).seconds.toFixed(1),
      'restore s': summarise(restore).seconds.toFixed(1),
      'restore and sync s': median(synced).toFixed(1),
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
  const synced = (tool: string) => median(runs.get(tool)?.synced ?? [])
  const onDisk: Ratio = {
    name: `${kind} restore until it is on the disk: rate as a multiple of restic's`,
    value: synced('restic') / synced('cairn'),
    goal: null,
  }
  const ratios =
    kind === 'image'
      ? [
          against('first', 1.7),
          against('restore', 1.7),
          onDisk,
          unchangedImage(seconds('cairn', 'unchanged')),
        ]
      : [against('first', 1.4), against('restore', 2.2), onDisk, against('unchanged', 2)]
  return { title: `${kind}: backup and restore`, rows, ratios }
}

function unchangedImage(seconds: number): Ratio {
  const name = 'image unchanged, read in full: rate as a part of SHA-256 on one core'
  return { name, value: IMAGE_SIZE / seconds / sha256Rate(), goal: 0.75 }
}
