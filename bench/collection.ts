/**
 * Garbage collection beside the naive way on the same store: touching every chunk, reading every folder. The size is
 * that of the issue (a million small chunks, 20 snapshots of 600,000 references, 5 % garbage); `CAIRN_BENCH_CHUNKS` and
 * `CAIRN_BENCH_MARKS` (a list of numbers) make it smaller.
 */
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import { silentProgress } from '../src/base/progress.ts'
import { systemClock } from '../src/base/time/clock.ts'
import { collect } from '../src/datastore/collection/collect.ts'
import { Marks } from '../src/datastore/collection/marks.ts'
import type { GcStatus } from '../src/datastore/collection/status.ts'
import { markSync } from '../src/datastore/collection/sync-calls.ts'
import type { Datastore } from '../src/datastore/datastore.ts'
import type { FolderWork } from './support/chunk-folders-worker.ts'
import { makeCollectionStore } from './support/collection-store.ts'
import { openLocalStore } from './support/local-store.ts'
import { median } from './support/measure.ts'
import type { Result, Row } from './support/result.ts'

const UPID = 'UPID:vm:00000001:00000001:00000001:6B016C27:garbage_collection:store1:root@pam:'
const FOLDERS_WORKER = new URL('./support/chunk-folders-worker.ts', import.meta.url)
const FOLDER_COUNT = 65_536
const WORKER_COUNT = 2
/** Snapshots that did not change. */
const SAME_LIST_COUNT = 30
/** Folders whose files are touched for the naive mark rate. */
const TOUCHED_FOLDERS = 4096

interface Run {
  readonly seconds: number
  readonly loopMs: number
  readonly rssBytes: number
  readonly status: GcStatus
}

export async function benchCollection(folder: string, rounds: number): Promise<Result> {
  const chunkCount = Number(process.env['CAIRN_BENCH_CHUNKS'] ?? 1_000_000)
  const listCount = Math.floor(chunkCount * 0.6)
  const garbageCount = Math.floor(chunkCount * 0.05)
  await using local = await openLocalStore(folder)
  const { store } = local
  makeCollectionStore(store.path, { chunkCount, snapshotCount: 20, listCount, garbageCount })
  return await measureStore(store, chunkCount, rounds)
}

/** What `benchCollection` measures, on a store that is there. */
export async function measureStore(
  store: Datastore,
  chunkCount: number,
  rounds: number,
): Promise<Result> {
  const listCount = Math.floor(chunkCount * 0.6)
  const figures = {
    names: [] as number[],
    lstat: [] as number[],
    first: [] as Run[],
    repeat: [] as Run[],
  }
  for (let round = 0; round < rounds; round += 1) {
    figures.names.push(await walkFolders(store, 'names'))
    figures.lstat.push(await walkFolders(store, 'lstat'))
    rmSync(store.core.collection.folder, { recursive: true, force: true })
    figures.first.push(await measureCollection(store))
    figures.repeat.push(await measureCollection(store))
  }
  const marking = markRates(store)
  const touch = await walkFolders(store, 'touch', TOUCHED_FOLDERS)
  const touchRate = (chunkCount * TOUCHED_FOLDERS) / FOLDER_COUNT / touch
  const unlinking = await measureCollection(withoutGrace(store))
  const first = median(figures.first.map(({ seconds }) => seconds))
  const repeat = median(figures.repeat.map(({ seconds }) => seconds))
  const names = median(figures.names)
  const lstat = median(figures.lstat)
  const all = [...figures.first, ...figures.repeat, unlinking]
  return {
    title: `Collection of ${chunkCount} chunks, 20 snapshots of ${listCount} references`,
    rows: [
      row('names of all folders, 2 threads', names),
      row('names and lstat, 2 threads', lstat),
      row('collection, first', first),
      row('collection, repeat', repeat),
      row(`collection that removes ${unlinking.status['removed-chunks']}`, unlinking.seconds),
      ...marking.rows,
      { name: 'touching files, 1 thread', figures: { 'M/s': (touchRate / 1e6).toFixed(3) } },
      ...sameLists(firstIndexOf(store)),
      ...manyMarks(),
    ],
    ratios: [
      { name: 'first / (names and lstat)', value: first / lstat, goal: 1.3, atMost: true },
      { name: 'repeat / names', value: repeat / names, goal: 2, atMost: true },
      { name: 'million references a second', value: marking.rate / 1e6, goal: 10 },
      { name: 'mark rate / touch rate', value: marking.rate / touchRate, goal: 30 },
      {
        name: 'MB of marks per million chunks',
        value: marking.bytes / chunkCount,
        goal: 20,
        atMost: true,
      },
      { name: 'MB more in the process, most', value: mostOf(all, 'rssBytes') / 1e6, goal: null },
      { name: 'event loop held, ms', value: mostOf(all, 'loopMs'), goal: 50, atMost: true },
    ],
  }
}

export async function measureCollection(store: Datastore): Promise<Run> {
  const loop = monitorEventLoopDelay({ resolution: 1 })
  const before = process.memoryUsage().rss
  let most = before
  const sampler = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss)
  }, 20)
  loop.enable()
  const start = performance.now()
  const status = await collect(store, { progress: silentProgress(), upid: UPID })
  const seconds = (performance.now() - start) / 1000
  loop.disable()
  clearInterval(sampler)
  return { seconds, loopMs: loop.max / 1e6, rssBytes: most - before, status }
}

/** The same store, its garbage old: files were made a moment ago. */
function withoutGrace(store: Datastore): Datastore {
  const clock = { ...systemClock, now: () => systemClock.now() + 60_000 }
  return { ...store, clock, settings: { ...store.settings, gcGraceMs: 0 } }
}

/** Marks all indexes in this thread, as a collection's worker does: with and without knowing how many marks come. */
function markRates(store: Datastore) {
  const paths = indexesOf(store)
  const rates: Record<string, number> = {}
  let bytes = 0
  let capacity = 0
  for (const name of ['first', 'size known', 'again']) {
    const { state: marks } = new Marks({ capacity, shared: true })
    const start = performance.now()
    const answer = markSync({ marks, paths, bytesMax: Infinity }, () => {})
    const count = answer.indexes.reduce((sum, index) => sum + index.chunkCount, 0)
    rates[name] = (count * 1000) / (performance.now() - start)
    capacity = answer.marks.count * 1.15
    bytes = Math.max(bytes, new Marks(answer.marks).byteLength)
  }
  const rows: Row[] = Object.entries(rates).map(([name, rate]) => {
    return { name: `marking, ${name}`, figures: { 'M/s': (rate / 1e6).toFixed(1) } }
  })
  return { rows, rate: rates['again'] ?? 0, bytes }
}

function indexesOf(store: Datastore): string[] {
  const group = join(store.path, 'host/bench')
  return readdirSync(group).map((name) => join(group, name, 'root.pxar.didx'))
}

function firstIndexOf(store: Datastore): string {
  return indexesOf(store)[0] ?? ''
}

function manyMarks(): Row[] {
  const counts = (process.env['CAIRN_BENCH_MARKS'] ?? '17000000,100000000').split(',')
  return counts.flatMap((count) => [
    manyMarksRow(`${Number(count) / 1e6} million different marks`, [count]),
    manyMarksRow(`${Number(count) / 1e6} million, size known`, [count, count]),
  ])
}

function manyMarksRow(name: string, args: readonly string[]): Row {
  const script = join(import.meta.dirname, 'support', 'many-marks.ts')
  const { stdout } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  const found = JSON.parse(stdout) as Record<string, number>
  const figure = (key: string): string => (found[key] ?? 0).toFixed(1)
  return {
    name,
    figures: {
      'ns a mark': figure('markNs'),
      'ns a look': figure('lookNs'),
      'bytes a mark': figure('bytes'),
    },
  }
}

/**
 * What a list costs that is the same as one before: read and compared, as a collection does; and the hash of its
 * digests, by which it might be passed by.
 */
function sameLists(path: string): Row[] {
  const { state: marks } = new Marks({ shared: true })
  const { marks: known, indexes } = markSync({ marks, paths: [path], bytesMax: Infinity }, () => {})
  const count = (indexes[0]?.chunkCount ?? 0) * SAME_LIST_COUNT
  let start = performance.now()
  const paths = Array.from({ length: SAME_LIST_COUNT }, () => path)
  markSync({ marks: known, paths, bytesMax: Infinity }, () => {})
  const compareNs = ((performance.now() - start) * 1e6) / count
  start = performance.now()
  for (const again of paths) hash('sha256', readFileSync(again))
  const hashNs = ((performance.now() - start) * 1e6) / count
  return [
    { name: 'unchanged list, compared', figures: { 'ns a mark': compareNs.toFixed(1) } },
    { name: 'unchanged list, read and hashed', figures: { 'ns a mark': hashNs.toFixed(1) } },
  ]
}

export async function walkFolders(
  store: Datastore,
  what: FolderWork['what'],
  folderCount: number = FOLDER_COUNT,
): Promise<number> {
  const threads = what === 'touch' ? 1 : WORKER_COUNT
  const start = performance.now()
  await Promise.all(
    Array.from({ length: threads }, async (_value, index) => {
      const from = Math.floor((folderCount * index) / threads)
      const to = Math.floor((folderCount * (index + 1)) / threads)
      const workerData: FolderWork = { folder: `${store.path}/.chunks`, from, to, what }
      const worker = new Worker(FOLDERS_WORKER, { workerData })
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      worker.on('exit', () => resolve()).on('error', reject)
      await promise
    }),
  )
  return (performance.now() - start) / 1000
}

function mostOf(runs: readonly Run[], key: 'loopMs' | 'rssBytes'): number {
  return Math.max(...runs.map((run) => run[key]))
}

function row(name: string, seconds: number): Row {
  return { name, figures: { s: seconds.toFixed(2) } }
}
