/**
 * Backups of a real tree in a loop, while collection without grace, prune, forget, verification and restores run beside
 * them in loops of their own: nothing may be lost, every restored tree must be equal. The real programs.
 */
import assert from 'node:assert/strict'
import { appendFileSync, cpSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorChain } from '../../src/base/errors.ts'
import type { Connection } from '../../src/client/connection.ts'
import {
  forgetSnapshot,
  listSnapshots,
  pruneGroup,
  storePath,
  upidOf,
} from '../../src/client/snapshots.ts'
import { formatSnapshot, parseGroup, parseSnapshot } from '../../src/formats/names.ts'
import { Random } from '../simulator/random.ts'
import { AwakeClock } from '../support/awake-clock.ts'
import { prepareCairnData, tokenEnvironment } from '../support/cairn-data.ts'
import { startCairn } from '../support/cairn-process.ts'
import { runClient } from '../support/run-client.ts'
import { untilTaskEnds } from '../support/running-tasks.ts'
import { connectTo } from '../support/small-backups.ts'
import { listDisk } from '../support/tree-listing.ts'

/** On top of the duration, for a machine that is too slow to do everything once. */
const LATE_MAX_MS = 120_000
/** Of one client, which may run at the lowest weight beside much else. */
const CLIENT_MAX_MS = 900_000
/** The client's limit for a connection counts the wall's time: at the lowest weight it may be over at once. */
const UNANSWERED = /no answer within/
const LATE = /no answer within|ECONNRESET|EPIPE|hang up|closed|aborted|time.?out/i
const RUNNING = /garbage collection already running/
/** What is backed up: this project's sources. */
const TREE = join(import.meta.dirname, '..', '..', 'src')
const GROUPS = ['host/one', 'host/two']
const KEPT_COUNT = 2
const DAY_SECONDS = 86_400
const CHANGED_SIZE = 100_000

export interface BesideSummary {
  readonly done: {
    backups: number
    restores: number
    collections: number
    verifications: number
    removals: number
  }
  /** Not done, because this process was stopped meanwhile or had no time. */
  unanswered: number
}

interface Rig {
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  readonly connection: Connection
  readonly random: Random
  /** What each snapshot holds, from before its backup until it is asked to go. */
  readonly trees: Map<string, string>
  readonly summary: BesideSummary
  readonly isOver: () => boolean
  /** Of the last backup. */
  time: number
}

/**
 * Runs for `durationMs` (time in which it was stopped does not count), on a slow machine until each kind was done once, in
 * the new folder `folder`; throws at the first thing that is wrong.
 */
export async function runBeside(
  folder: string,
  { durationMs, seed }: { readonly durationMs: number; readonly seed: number },
): Promise<BesideSummary> {
  const data = await prepareCairnData(join(folder, 'data'))
  appendFileSync(join(data.paths.config, 'datastore.cfg'), '\ttuning gc-grace=0\n')
  await using server = await startCairn(data.data)
  const environment = tokenEnvironment(data, server)
  await using connection = await connectTo(environment)
  const done = { backups: 0, restores: 0, collections: 0, verifications: 0, removals: 0 }
  const summary: BesideSummary = { done, unanswered: 0 }
  using clock = new AwakeClock()
  let failure: unknown = null
  const rig: Rig = {
    folder,
    environment,
    connection,
    random: new Random(seed),
    trees: new Map(),
    summary,
    time: Date.UTC(2026, 0, 1) / 1000,
    isOver: () => {
      if (failure !== null || clock.elapsedMs > durationMs + LATE_MAX_MS) return true
      return clock.elapsedMs > durationMs && Object.values(summary.done).every((count) => count > 0)
    },
  }
  const loops = GROUPS.map((group) => async () => await backUpChanged(rig, group))
  loops.push(
    async () => await collect(rig),
    async () => await verify(rig),
    async () => await removeSome(rig),
    async () => await restoreSome(rig),
  )
  // Each loop waits until another has done something: then there may be something new for it. Who found nothing to do
  // wakes nobody: two of them would never let anything else happen.
  let turnEnd = Promise.withResolvers<void>()
  const doneCount = (): number => Object.values(summary.done).reduce((sum, count) => sum + count, 0)
  const endTurn = (): void => {
    turnEnd.resolve()
    turnEnd = Promise.withResolvers()
  }
  const running = loops.map(async (turn) => {
    while (!rig.isOver()) {
      const before = doneCount()
      const stops = clock.stopCount
      await turn().catch((error: unknown) => {
        // Who was stopped in the middle of a connection finds its time over; what was not answered does not count.
        const isLate = (clock.stopCount > stops ? LATE : UNANSWERED).test(errorChain(error))
        if (!isLate) failure ??= error
        else summary.unanswered += 1
        endTurn()
      })
      if (doneCount() !== before || failure !== null) endTurn()
      if (!rig.isOver()) await turnEnd.promise
    }
    endTurn()
  })
  await Promise.all(running)
  if (failure !== null) {
    throw new Error(`beside the others: ${errorChain(failure)} (seed ${seed})`, { cause: failure })
  }
  await collect(rig)
  await verify(rig)
  for (const name of rig.trees.keys()) await restore(rig, name)
  return summary
}

async function backUpChanged(rig: Rig, group: string): Promise<void> {
  const { folder, random, summary, trees } = rig
  const tree = join(folder, group.replace('/', '-'))
  if (!existsSync(tree)) cpSync(TREE, tree, { recursive: true })
  // Some chunks are new each time, some come back that were garbage meanwhile.
  writeFileSync(
    join(tree, `changed-${random.below(3)}`),
    Buffer.alloc(CHANGED_SIZE, `${random.below(4)}`),
  )
  rmSync(join(tree, `changed-${random.below(3)}`), { force: true })
  rig.time += DAY_SECONDS
  const { type, id } = parseGroup(group)
  const name = formatSnapshot({ type, id, time: rig.time })
  const listing = textOf(tree)
  const args = ['backup', `root.pxar:${tree}`, '--backup-id', id, '--backup-time', `${rig.time}`]
  await client(rig, args)
  trees.set(name, listing)
  summary.done.backups += 1
}

async function collect({ connection, summary }: Rig): Promise<void> {
  let data: unknown
  try {
    data = (await connection.post(storePath(connection, 'gc'), {})).data
  } catch (error) {
    // One whose end was never answered still runs, on a slow machine for longer than the server lets another wait.
    if (!RUNNING.test(String(error))) throw error
    return await untilCollected(connection)
  }
  await untilTaskEnds(connection, upidOf(data))
  summary.done.collections += 1
}

async function untilCollected(connection: Connection): Promise<void> {
  const filter = { running: true, typefilter: 'garbage_collection' }
  const { data } = await connection.get('nodes/localhost/tasks', filter)
  assert.ok(Array.isArray(data))
  for (const { upid } of data as { readonly upid: string }[]) await untilTaskEnds(connection, upid)
}

async function verify({ connection, summary }: Rig): Promise<void> {
  const path = storePath(connection, 'verify')
  const { data } = await connection.post(path, { 'ignore-verified': false })
  await untilTaskEnds(connection, upidOf(data))
  summary.done.verifications += 1
}

/** Prune of one group, or forget of a snapshot of it that is not the last. */
async function removeSome(rig: Rig): Promise<void> {
  const { connection, random, summary, trees } = rig
  const group = random.pick(GROUPS)
  const names = [...trees.keys()].filter((name) => name.startsWith(`${group}/`)).toSorted()
  const old = names.slice(0, -KEPT_COUNT)
  if (old.length === 0) return
  if (random.chance(0.5)) await prune(rig, { group, names })
  else {
    const name = random.pick(old)
    trees.delete(name)
    try {
      await forgetSnapshot(connection, { namespace: '', snapshot: parseSnapshot(name) })
    } catch (error) {
      // A restore reads it: not now.
      if (!/locked|lock/.test(String(error))) throw error
    }
  }
  summary.done.removals += 1
}

/** Of what the server has: a backup may have ended that is not noted here yet, or was never answered. */
async function prune(
  { connection, trees }: Rig,
  { group, names }: { readonly group: string; readonly names: readonly string[] },
): Promise<void> {
  const asked = names.slice(0, -1).map((name) => [name, trees.get(name) ?? ''] as const)
  for (const [name] of asked) trees.delete(name)
  const address = { namespace: '', group: parseGroup(group) }
  let left: Set<string>
  try {
    await pruneGroup(connection, address, { 'keep-last': KEPT_COUNT })
  } finally {
    left = await listNames(connection)
    for (const [name, tree] of asked) if (left.has(name)) trees.set(name, tree)
  }
  for (const [name] of asked) {
    if (left.has(name)) continue
    const newer = [...left].filter((other) => other.startsWith(`${group}/`) && other > name)
    assert.ok(newer.length >= KEPT_COUNT, `${name} is gone, there are ${newer.join()}`)
  }
}

async function restoreSome(rig: Rig): Promise<void> {
  const names = [...rig.trees.keys()]
  if (names.length > 0) await restore(rig, rig.random.pick(names))
}

/** One that was asked to go meanwhile may fail. */
async function restore(rig: Rig, name: string): Promise<void> {
  const expected = rig.trees.get(name)
  const target = join(rig.folder, 'restored')
  rmSync(target, { recursive: true, force: true })
  try {
    await client(rig, ['restore', name, 'root.pxar', target])
    assert.ok(textOf(target) === expected, `${name} is not what was backed up`)
    rig.summary.done.restores += 1
  } catch (error) {
    if (!rig.trees.has(name)) return
    const listed = [...(await listNames(rig.connection))].join(', ')
    throw new Error(`restore of ${name}, there are ${listed}`, { cause: error })
  }
}

async function listNames(connection: Connection): Promise<Set<string>> {
  const listed = await listSnapshots(connection, { namespace: '', group: null })
  const names = listed.map((one) => {
    const group = parseGroup(`${one['backup-type']}/${one['backup-id']}`)
    return formatSnapshot({ ...group, time: one['backup-time'] })
  })
  return new Set(names)
}

async function client({ environment }: Rig, args: readonly string[]): Promise<void> {
  const { status, stderr } = await runClient(args, { environment, timeMaxMs: CLIENT_MAX_MS })
  assert.equal(status, 0, `${args[0]}: ${stderr}`)
}

/** All that a restore must bring back. */
function textOf(tree: string): string {
  return Array.from(listDisk(tree).values(), (entry) => JSON.stringify(entry))
    .toSorted()
    .join('\n')
}
