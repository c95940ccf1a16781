/** Rounds in which the server gets SIGKILL before its n-th change of the disk, whatever it is doing then. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { openBackupSession } from '../../src/client/backup-session.ts'
import type { Connection } from '../../src/client/connection.ts'
import { createNamespace } from '../../src/client/namespaces.ts'
import {
  forgetSnapshot,
  listGroups,
  moveGroup,
  pruneGroup,
  storePath,
  upidOf,
} from '../../src/client/snapshots.ts'
import { parseGroup } from '../../src/formats/names.ts'
import { parseNamespace, ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { type CairnData, tokenEnvironment } from '../support/cairn-data.ts'
import { type CairnProcess, startCairn } from '../support/cairn-process.ts'
import { checkAfterCrash, copyData, type Expected, withServer } from '../support/crash-rig.ts'
import { untilTaskEnds } from '../support/running-tasks.ts'
import { backUpSmall, connectTo, snapshotOf, uploadSmall } from '../support/small-backups.ts'
import { unsyncedFileSystem } from '../support/unsynced-file-system.ts'

const AWAY = parseNamespace('away')
const GROUP = parseGroup('host/web1')
const STEP_SERVER = join(import.meta.dirname, '..', 'support', 'step-server.ts')
/** Before it, an unfinished snapshot with all its files lies there. */
const LATE_STEP = 'handle.syncFileSystem /main'

export interface Scenario {
  readonly name: string
  /** What is done against the server that is killed; none: it is killed while it starts. */
  readonly act?: (connection: Connection) => Promise<void>
  /** What was left by an earlier crash. */
  readonly prepare?: (data: CairnData) => Promise<void>
  /** After the next start, before it is looked at. */
  readonly settle?: (data: CairnData) => Promise<void>
  readonly expect: (wasAnswered: boolean) => Pick<Expected, 'there' | 'maybe'>
}

/** Backup 1 is finished before each of them. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a backup',
    act: async (connection) => await backUpSmall(connection, { number: 2 }),
    // The answer may be lost after the manifest got its name.
    expect: (wasAnswered) => (wasAnswered ? { there: [1, 2] } : { there: [1], maybe: [2] }),
  },
  {
    name: 'the clean-up of a backup that was given up',
    act: async (connection) => {
      const snapshot = snapshotOf(2)
      const options = { namespace: ROOT_NAMESPACE, snapshot, noCache: false }
      await using session = await openBackupSession(connection, options)
      await uploadSmall(session, { number: 2 })
    },
    expect: () => ({ there: [1] }),
  },
  {
    name: 'the removal of a snapshot',
    act: async (connection) => {
      await forgetSnapshot(connection, { namespace: ROOT_NAMESPACE, snapshot: snapshotOf(1) })
    },
    expect: (wasAnswered) => (wasAnswered ? { there: [] } : { there: [], maybe: [1] }),
  },
  {
    name: 'a prune',
    prepare: async (data) => await backUpMore(data, [2, 3]),
    act: async (connection) => {
      await pruneGroup(connection, { namespace: '', group: GROUP }, { 'keep-last': 1 })
    },
    expect: (wasAnswered) => (wasAnswered ? { there: [3] } : { there: [3], maybe: [1, 2] }),
  },
  {
    name: 'a collection',
    prepare: leaveGarbage,
    act: async (connection) => {
      const { data } = await connection.post(storePath(connection, 'gc'), {})
      await untilTaskEnds(connection, upidOf(data))
    },
    expect: () => ({ there: [2] }),
  },
  {
    name: 'a verification',
    act: async (connection) => {
      const { data } = await connection.post(storePath(connection, 'verify'), {})
      await untilTaskEnds(connection, upidOf(data))
    },
    expect: () => ({ there: [1] }),
  },
  {
    name: 'a move there and back',
    prepare: async (data) => {
      await withServer(data, async (connection) => await createNamespace(connection, AWAY))
    },
    act: moveThereAndBack,
    // Wherever it was stopped, it is at one of the two places; the next move brings it back.
    settle: async (data) => {
      await withServer(
        data,
        async (connection) => await moveAll(connection, { from: AWAY, to: '' }),
      )
    },
    expect: () => ({ there: [1] }),
  },
  {
    name: 'a start after a crash',
    prepare: leaveUnfinished,
    expect: () => ({ there: [1] }),
  },
]

export interface KilledRound {
  /** Calls that changed something, `rename /main/…`; the last one did not happen if the server was killed. */
  readonly steps: readonly string[]
  readonly wasKilled: boolean
  readonly wasAnswered: boolean
}

/** Plays `scenario` in `folder`, the server killed before step `at` (0: never), and checks what is left. */
export async function killAtStep(
  template: CairnData,
  scenario: Scenario,
  { at, folder }: { readonly at: number; readonly folder: string },
): Promise<KilledRound> {
  const data = copyData(template, folder)
  await scenario.prepare?.(data)
  const from = scenario.act === undefined ? 'start' : 'up'
  const environment = { CAIRN_STEP: String(at), CAIRN_STEP_FROM: from }
  const { output, wasAnswered, status } = await play(data, scenario, environment)
  const steps = Array.from(output.matchAll(/^step \d+ (.*)$/gm), ([, step]) => step ?? '')
  const wasKilled = status === null
  assert.equal(wasKilled, at > 0 && steps.length >= at, `${status} after ${output}`)
  const step = `${scenario.name}, ${wasKilled ? `killed before step ${at}: ${steps.at(-1)}` : 'whole'}`
  await scenario.settle?.(data)
  await checkAfterCrash(data, { ...scenario.expect(wasAnswered), step, fs: unsyncedFileSystem })
  rmSync(folder, { recursive: true })
  return { steps, wasKilled, wasAnswered }
}

async function play(
  data: CairnData,
  scenario: Scenario,
  environment: Readonly<Record<string, string>>,
): Promise<{ output: string; wasAnswered: boolean; status: number | null }> {
  let server: CairnProcess
  try {
    server = await startCairn(data.data, { program: STEP_SERVER, environment })
  } catch (error) {
    return { output: String(error), wasAnswered: false, status: null }
  }
  const wasAnswered = await tryAct(data, scenario, server)
  // What it does after the answer, and its orderly end, may be interrupted as well.
  const status = await server.end('SIGTERM')
  return { output: server.output(), wasAnswered, status }
}

async function tryAct(data: CairnData, { act }: Scenario, server: CairnProcess): Promise<boolean> {
  try {
    await using connection = await connectTo(tokenEnvironment(data, server))
    await act?.(connection)
    return true
  } catch {
    return false
  }
}

/** Backup 2 as a kill right before its sync leaves it. */
async function leaveUnfinished(data: CairnData): Promise<void> {
  const environment = { CAIRN_STEP_NAME: LATE_STEP }
  await using server = await startCairn(data.data, { program: STEP_SERVER, environment })
  await using connection = await connectTo(tokenEnvironment(data, server))
  await assert.rejects(backUpSmall(connection, { number: 2 }))
}

async function backUpMore(data: CairnData, numbers: readonly number[]): Promise<void> {
  await withServer(data, async (connection) => {
    for (const number of numbers) await backUpSmall(connection, { number })
  })
}

/** The chunks that only backup 1 used; without grace, so that they go at once. */
async function leaveGarbage(data: CairnData): Promise<void> {
  await backUpMore(data, [2])
  await withServer(data, async (connection) => {
    await forgetSnapshot(connection, { namespace: ROOT_NAMESPACE, snapshot: snapshotOf(1) })
  })
}

async function moveThereAndBack(connection: Connection): Promise<void> {
  await moveAll(connection, { from: '', to: AWAY })
  await moveAll(connection, { from: AWAY, to: '' })
}

async function moveAll(
  connection: Connection,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  if ((await listGroups(connection, from)).length === 0) return
  const options = { targetNamespace: to, mergeGroup: true }
  const upid = await moveGroup(connection, { namespace: from, group: GROUP }, options)
  await untilTaskEnds(connection, upid)
}
