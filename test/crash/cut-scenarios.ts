/** What is done to a datastore whose disk loses power in the middle (`cut-world.ts`). */
import { parseNamespace } from '../../src/formats/namespace.ts'
import type { SmallBackup } from '../support/small-backups.ts'
import { FIRST_GROUP, type CutCalls } from './cut-calls.ts'

/** Chunks of 200 kB of a backup, each of its own content. */
export const BULK_COUNT = 3
const OTHER_GROUP = 'host/web2'
const MOVED = parseNamespace('moved')
const OLD = parseNamespace('old')
const NEW = parseNamespace('new')

export interface CutScenario {
  readonly name: string
  /** On the same server, before its steps count. */
  readonly prepare?: (calls: CutCalls, next: () => SmallBackup) => Promise<void>
  readonly act: (calls: CutCalls, next: () => SmallBackup) => Promise<void>
}

export const CUT_SCENARIOS: readonly CutScenario[] = [
  {
    name: 'a backup of new chunks',
    act: async (calls, next) => await calls.backUp({ ...next(), bulkCount: BULK_COUNT }),
  },
  {
    name: 'a backup of known chunks',
    act: async (calls, next) => {
      const last = lastOf(calls)
      await calls.backUp({ ...last, number: next().number })
    },
  },
  {
    name: 'a backup that is given up',
    act: async (calls, next) => await calls.giveUp({ ...next(), bulkCount: 1 }),
  },
  {
    name: 'forget of a snapshot',
    act: async (calls) => await calls.forget(firstOf(calls)),
  },
  {
    name: 'forget of a group',
    prepare: async (calls, next) => {
      for (let count = 0; count < 2; count += 1)
        await calls.backUp({ ...next(), group: OTHER_GROUP })
    },
    act: async (calls) => await calls.forgetGroup(OTHER_GROUP),
  },
  {
    name: 'prune',
    prepare: async (calls, next) => {
      for (let count = 0; count < 2; count += 1) await calls.backUp(next())
    },
    act: async (calls) => await calls.prune(FIRST_GROUP, 1),
  },
  {
    name: 'collection',
    prepare: async (calls, next) => {
      await calls.giveUp({ ...next(), bulkCount: 1 })
      await calls.forget(firstOf(calls))
    },
    act: async (calls) => await calls.collect(),
  },
  {
    name: 'move of a group',
    prepare: async (calls, next) => {
      await calls.makeNamespace(MOVED)
      for (let count = 0; count < 2; count += 1)
        await calls.backUp({ ...next(), group: OTHER_GROUP })
    },
    act: async (calls) => await calls.moveGroup(OTHER_GROUP, MOVED),
  },
  {
    name: 'move of a namespace',
    prepare: async (calls, next) => {
      await calls.makeNamespace(OLD)
      for (const group of [FIRST_GROUP, OTHER_GROUP]) {
        await calls.backUp({ ...next(), group, namespace: OLD })
      }
    },
    act: async (calls) => await calls.moveNamespace(OLD, NEW),
  },
  {
    name: 'verification and a flag',
    act: async (calls) => {
      await calls.verify()
      const backup = firstOf(calls)
      await calls.protect(backup, true)
      await calls.protect(backup, false)
    },
  },
  {
    name: 'a write of the configuration',
    act: async (calls, next) => await calls.writeComment(`comment ${next().number}`),
  },
  {
    name: 'everything at once',
    prepare: async (calls, next) => {
      await calls.giveUp({ ...next(), bulkCount: 1 })
      await calls.forget(firstOf(calls))
      await calls.backUp(next())
    },
    act: async (calls, next) => {
      const other: SmallBackup = { ...next(), group: OTHER_GROUP, bulkCount: 1 }
      const doings = [
        calls.backUp({ ...next(), bulkCount: BULK_COUNT }),
        calls.backUp(other),
        calls.collect(),
        calls.forget(firstOf(calls)),
        calls.verify(),
      ]
      const failed = (await Promise.allSettled(doings)).find(({ status }) => status === 'rejected')
      if (failed?.status === 'rejected') throw failed.reason
    },
  },
]

/** The oldest of the first group; there are always some. */
function firstOf(calls: CutCalls): SmallBackup {
  const [first] = calls.of(FIRST_GROUP).toSorted((a, b) => a.number - b.number)
  if (first === undefined) throw new Error('no backup in the first group')
  return first
}

function lastOf(calls: CutCalls): SmallBackup {
  const last = calls
    .of(FIRST_GROUP)
    .toSorted((a, b) => a.number - b.number)
    .at(-1)
  if (last === undefined) throw new Error('no backup in the first group')
  return last
}
