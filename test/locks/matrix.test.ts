/** One test for each cell of the lock matrix whose operations can be driven inside one process. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CairnError } from '../../src/base/errors.ts'
import {
  formatOutcomes,
  LOCK_MATRIX,
  type MatrixCell,
  type OutcomeCode,
} from '../../src/datastore/lock-matrix.ts'
import { LockWorld, refOf } from './lock-world.ts'
import { DRIVEN } from './matrix-operations.ts'

type Expected = 'done' | 'fails' | 'skipped' | 'waits'

const EXPECTED: Readonly<Record<OutcomeCode, Expected>> = {
  '·': 'done',
  A: 'done',
  F: 'fails',
  S: 'skipped',
  W: 'waits',
  X: 'done',
}

/** Cells with several cases, where the one that is driven is not the first: which, and why. */
const DRIVEN_CASE: Readonly<Record<string, readonly [Expected, string]>> = {
  'CI PR': ['done', 'it removes another snapshot; the own one is kept by the rules'],
  'BK PR': ['done', 'it removes another snapshot; base and own one are kept by the rules'],
  'BK UM': ['done', 'the base'],
  'BK VF': ['done', 'the base'],
  'BK RD': ['done', 'the base'],
  'UM BK': ['done', 'the manifest of the base; its own is its own'],
  'VF UM': ['done', 'verification takes the lock at its end only'],
  'ND PR': ['skipped', 'prune warns and goes on'],
  'ND BK': ['fails', 'the group that is being removed'],
  'SU GS': ['done', 'the sweep only tries the gate, and keeps the chunk'],
  'SU BD': ['done', 'another digest'],
  'GS BD': ['done', 'another digest'],
  'BD GS': ['done', 'the sweep only tries the gate, and keeps the chunk'],
  'MV GM': ['waits', 'for the rename in flight (R-61)'],
  'MV GS': ['waits', 'for the rename in flight (R-61)'],
  'BD BD': ['waits', 'for the gate; then there is nothing left to rename'],
}

/** Cells that are about the base of the session that starts. */
const ABOUT_BASE: ReadonlySet<string> = new Set(['FS BK'])

for (const cell of LOCK_MATRIX) {
  const held = DRIVEN[cell.during]?.hold
  const started = DRIVEN[cell.starts]?.start
  if (held === undefined || started === undefined) continue
  const { during, starts } = cell
  test(`${starts} during ${during}: ${formatOutcomes(cell.outcomes)}`, async (context) => {
    const world = await LockWorld.open(context)
    if (ABOUT_BASE.has(`${during} ${starts}`)) world.target = refOf(2)
    const release = await held(world)
    const start = started(world).catch((error: unknown) => error)
    const expected = expectedOf(cell)
    const rivals: Promise<unknown>[] = expected === 'waits' ? [start, world.untilIdle()] : [start]
    assertEnding(await Promise.race(rivals), expected)
    await release()
    if (expected === 'waits') await start
    assert.deepEqual(await world.check(), [])
  })
}

suite('the table', () => {
  test('every cell is driven, or named as not built, or tested elsewhere', () => {
    const counts = { driven: 0, elsewhere: 0, notBuilt: 0 }
    for (const { during, starts, isBuilt } of LOCK_MATRIX) {
      const isDriven = DRIVEN[during]?.hold !== undefined && DRIVEN[starts]?.start !== undefined
      if (isDriven) counts.driven += 1
      else if (isBuilt) counts.elsewhere += 1
      else counts.notBuilt += 1
    }
    assert.deepEqual(counts, { driven: 225, elsewhere: 64, notBuilt: 111 })
  })
})

function expectedOf({ during, starts, outcomes }: MatrixCell): Expected {
  const [known] = DRIVEN_CASE[`${during} ${starts}`] ?? []
  return known ?? EXPECTED[outcomes[0]?.code ?? '·']
}

function assertEnding(ending: unknown, expected: Expected): void {
  if (expected !== 'fails') return assert.equal(ending, expected)
  assert.ok(ending instanceof CairnError, `it should fail: ${String(ending)}`)
  assert.match(ending.message, /lock|while |already running|not found|No such file|does not exist/)
}
