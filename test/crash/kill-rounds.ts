/** Rounds in which the server gets SIGKILL before its n-th change of the disk, whatever it is doing then. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { openBackupSession } from '../../src/client/backup-session.ts'
import type { Connection } from '../../src/client/connection.ts'
import { forgetSnapshot } from '../../src/client/snapshots.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { type CairnData, tokenEnvironment } from '../support/cairn-data.ts'
import { type CairnProcess, startCairn } from '../support/cairn-process.ts'
import { checkAfterCrash, copyData, type Expected } from '../support/crash-rig.ts'
import { backUpSmall, connectTo, snapshotOf, uploadSmall } from '../support/small-backups.ts'

const STEP_SERVER = join(import.meta.dirname, '..', 'support', 'step-server.ts')
/** Before it, an unfinished snapshot with all its files lies there. */
const LATE_STEP = 'handle.syncFileSystem /main'

export interface Scenario {
  readonly name: string
  /** What is done against the server that is killed; none: it is killed while it starts. */
  readonly act?: (connection: Connection) => Promise<void>
  /** What was left by an earlier crash. */
  readonly prepare?: (data: CairnData) => Promise<void>
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
  await checkAfterCrash(data, { ...scenario.expect(wasAnswered), step })
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
