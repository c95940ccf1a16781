/** What a server is asked for while a call of its file system fails (`fault-rounds.ts`). Backup 1 is finished before. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Connection } from '../../src/client/connection.ts'
import { forgetSnapshot, pruneGroup, storePath, upidOf } from '../../src/client/snapshots.ts'
import { parseGroup } from '../../src/formats/names.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import type { CairnData } from '../support/cairn-data.ts'
import { untilTaskEnds } from '../support/running-tasks.ts'
import { backUpSmall, type SmallBackup, snapshotOf } from '../support/small-backups.ts'

const KNOWN: SmallBackup = { number: 2, content: 1 }
const GROUP = parseGroup('host/web1')

export interface FaultScenario {
  readonly name: string
  readonly prepare?: (connection: Connection, data: CairnData) => Promise<void>
  /** Throws if it was not answered, or its task did not end well. */
  readonly act: (connection: Connection) => Promise<void>
  /** Numbers of backups right after it, without a restart. */
  readonly expect: (wasAnswered: boolean) => {
    readonly there: readonly number[]
    readonly maybe?: readonly number[]
  }
  /** On the same server, which has all its calls again: what was refused can be done now. */
  readonly again?: (connection: Connection) => Promise<void>
  /** What they hold that do not just hold their number. */
  readonly backups?: readonly SmallBackup[]
  /** What is there after that. */
  readonly end?: readonly number[]
}

export const FAULT_SCENARIOS: readonly FaultScenario[] = [
  {
    name: 'a new backup',
    act: async (connection) => await backUpSmall(connection, { number: 2 }),
    // Answered and there, or gone at once.
    expect: (wasAnswered) => ({ there: wasAnswered ? [1, 2] : [1] }),
  },
  {
    name: 'a backup of known chunks',
    act: async (connection) => await backUpSmall(connection, KNOWN),
    backups: [KNOWN],
    expect: (wasAnswered) => ({ there: wasAnswered ? [1, 2] : [1] }),
  },
  {
    name: 'forget and prune',
    prepare: async (connection) => await backUpThreeMore(connection),
    act: forgetAndPrune,
    expect: (wasAnswered) =>
      wasAnswered ? { there: [4], maybe: [2, 3] } : { there: [4], maybe: [1, 2, 3] },
    again: async (connection) => await prune(connection),
    end: [4],
  },
  {
    name: 'a collection',
    prepare: async (connection) => {
      await backUpSmall(connection, { number: 2 })
      await forget(connection, 1)
    },
    act: collect,
    expect: () => ({ there: [2] }),
    again: collect,
    end: [2],
  },
  {
    name: 'a verification that finds a bad chunk',
    prepare: async (connection, data) => {
      const before = new Set(chunkFiles(data))
      await backUpSmall(connection, { number: 2 })
      const [damaged = ''] = chunkFiles(data).filter((path) => !before.has(path))
      const bytes = readFileSync(damaged)
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 0xff, bytes.length - 1)
      writeFileSync(damaged, bytes)
    },
    act: verify,
    expect: () => ({ there: [1, 2] }),
    // The good one is good whatever failed; the bad one heals with a backup of the same content.
    again: async (connection) => {
      await assert.rejects(verify(connection), /verification failed/)
      await forget(connection, 2)
      await backUpSmall(connection, { number: 2 })
      await verify(connection)
    },
    end: [1, 2],
  },
]

async function backUpThreeMore(connection: Connection): Promise<void> {
  for (const number of [2, 3, 4]) await backUpSmall(connection, { number })
}

async function forget(connection: Connection, number: number): Promise<void> {
  await forgetSnapshot(connection, { namespace: ROOT_NAMESPACE, snapshot: snapshotOf(number) })
}

async function forgetAndPrune(connection: Connection): Promise<void> {
  await forget(connection, 1)
  await prune(connection)
}

async function prune(connection: Connection): Promise<void> {
  await pruneGroup(connection, { namespace: '', group: GROUP }, { 'keep-last': 1 })
}

async function collect(connection: Connection): Promise<void> {
  const { data } = await connection.post(storePath(connection, 'gc'), {})
  await untilTaskEnds(connection, upidOf(data))
}

async function verify(connection: Connection): Promise<void> {
  const parameters = { 'ignore-verified': false }
  const { data } = await connection.post(storePath(connection, 'verify'), parameters)
  await untilTaskEnds(connection, upidOf(data))
}

function chunkFiles({ data }: CairnData): string[] {
  const chunks = join(data, 'main', '.chunks')
  return readdirSync(chunks).flatMap((prefix) =>
    readdirSync(join(chunks, prefix)).map((name) => join(chunks, prefix, name)),
  )
}
