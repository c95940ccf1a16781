/**
 * The REST calls of the recordings, phase by phase in their order, against our server in the same
 * state. Every record agrees or stands in `rest-not-yet.ts`.
 */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { difference } from './rest-compare.ts'
import { Interludes } from './rest-interludes.ts'
import { isHistory, isIndex, NOT_YET } from './rest-not-yet.ts'
import { readRecords, Replayer, type RestRecord } from './rest-records.ts'
import { openRestState, type RestState } from './rest-state.ts'

const GROUPS = [
  'access',
  'admin-datastore',
  'admin-datastore-change',
  'admin-datastore-failures',
  'admin-gc',
  'admin-s3',
  'config-datastore',
  'config-s3',
  'login',
  'nodes',
  'other',
  'transport',
]

/** What became of the records of the run. */
interface Outcome {
  readonly differing: string[]
  readonly agreed: Map<string, number>
  /** Failures by reason. */
  readonly notYet: Map<string, number>
}

suite('REST recordings', () => {
  let state: RestState
  let outcome: Outcome

  before(async () => {
    state = await openRestState()
    outcome = await replayAll(state)
  })

  after(async () => {
    await state.close()
  })

  test('every recorded call is answered as recorded or stands in the table', (context) => {
    for (const [group, count] of outcome.agreed) context.diagnostic(`compared ${count}: ${group}`)
    for (const [reason, count] of outcome.notYet) context.diagnostic(`not yet ${count}: ${reason}`)
    assert.deepEqual(outcome.differing, [])
  })

  test('no row of the table is out of date', () => {
    const stale = NOT_YET.filter(({ reason }) => !outcome.notYet.has(reason))
    assert.deepEqual(
      stale.map(({ reason }) => reason),
      [],
    )
  })
})

async function replayAll(state: RestState): Promise<Outcome> {
  const outcome: Outcome = { differing: [], agreed: new Map(), notYet: new Map() }
  const replayer = new Replayer(state)
  const interludes = new Interludes(state, replayer)
  try {
    for (const record of readRecords(GROUPS)) {
      await interludes.before(record)
      const lists = isHistory(record) ? 'shape' : isIndex(record) ? 'part' : 'exact'
      const answer = await replayer.send(record)
      judge(outcome, record, difference(record, answer, { folder: state.folder, lists }))
    }
  } finally {
    await interludes.end()
    replayer.close()
  }
  return outcome
}

function judge(outcome: Outcome, record: RestRecord, problem: string | null): void {
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)
  if (problem === null) {
    count(outcome.agreed, record.group)
    return
  }
  const row = NOT_YET.find(({ matches }) => matches(record))
  if (row !== undefined) {
    count(outcome.notYet, row.reason)
    return
  }
  const { method, path, params } = record.request
  const name = `${record.group}/${record.phase} ${record.note ?? ''} ${record.as ?? 'nobody'}`
  outcome.differing.push(`${name}: ${method} ${path} ${JSON.stringify(params)}: ${problem}`)
}
