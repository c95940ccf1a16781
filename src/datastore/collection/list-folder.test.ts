import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { doorEngine } from './door-engine.ts'
import { type ListAnswer, type ListRequest, SIZES_FIELDS } from './engine.ts'
import { Marks } from './marks.ts'
import { listSync } from './sync-calls.ts'

/** Folders 0000 to 0003: chunks alone, chunks with all that may lie beside them, one that is empty, none. */
async function makeFolders(context: TestContext): Promise<ListRequest> {
  const folder = await makeTemporaryFolder(context)
  for (const name of ['0000', '0001', '0002']) mkdirSync(`${folder}/${name}`)
  const marks = new Marks({ shared: true })
  const add = (prefix: string, seed: string, { isMarked = false, end = '' } = {}): string => {
    const digest = prefix + createHash('sha256').update(seed).digest('hex').slice(4)
    writeFileSync(`${folder}/${prefix}/${digest}${end}`, seed.repeat(seed.length))
    if (isMarked) marks.add(Buffer.from(digest, 'hex'), 0)
    return digest
  }
  for (const seed of ['a', 'bb', 'ccc']) add('0000', seed, { isMarked: true })
  const isMarked = true
  add('0001', 'marked', { isMarked })
  add('0001', 'loose')
  writeFileSync(`${folder}/0001/${add('0001', 'healed', { isMarked })}.0.bad`, 'x')
  add('0001', 'needed', { isMarked, end: '.1.bad' })
  add('0001', 'garbage', { end: '.2.bad' })
  add('0001', 'temporary', { end: '.tmp_AbCd12' })
  add('0001', 'strange', { isMarked, end: '.other' })
  const elsewhere = add('0000', 'ccc', { isMarked })
  writeFileSync(`${folder}/0001/${elsewhere}`, 'in the wrong folder')
  writeFileSync(`${folder}/0001/short`, '')
  mkdirSync(`${folder}/0001/0001${'ab'.repeat(30)}`)
  symlinkSync('short', `${folder}/0001/0001${'cd'.repeat(30)}`)
  writeFileSync(`${folder}/0001/0001${'EF'.repeat(30)}`, 'upper case')
  const known = new Float64Array()
  const nowMs = Date.now() + 60_000
  return { folder, from: 0, to: 4, marks: marks.state, known, areMarksKept: false, nowMs }
}

/** Loose entries by name: folders have no order. Times are rounded in two ways. */
function sorted(answer: ListAnswer): ListAnswer {
  const loose = answer.loose.map((entry) => ({ ...entry, timeMs: Math.trunc(entry.timeMs + 0.01) }))
  return { ...answer, loose: loose.toSorted((a, b) => (a.name < b.name ? -1 : 1)) }
}

suite('listSync()', () => {
  test('finds what the awaited calls find, at first and when sizes are known', async (context) => {
    const request = await makeFolders(context)
    const engine = doorEngine(nodeFileSystem)
    let { known } = request
    for (const areMarksKept of [false, false, true]) {
      const asked = { ...request, known, areMarksKept }
      const answer = listSync(asked, () => {})
      assert.equal(answer.keptCount, 5)
      assert.equal(answer.keptBytes, 14 + 36 + 36)
      assert.equal(answer.neededBadCount, 1)
      assert.equal(answer.loose.length, 5)
      const { known: _times, ...found } = sorted(answer)
      const { known: _others, ...wanted } = sorted(await engine.list(asked, {}))
      assert.deepEqual(found, wanted)
      known = answer.known
    }
  })

  for (const kind of ['synchronous', 'awaited'] as const) {
    const engine = doorEngine(nodeFileSystem)
    const list = async (request: ListRequest): Promise<ListAnswer> =>
      kind === 'awaited' ? await engine.list(request, {}) : listSync(request, () => {})

    test(`passes by what had marked chunks alone, with ${kind} calls`, async (context) => {
      const request = await makeFolders(context)
      const { known } = await list(request)
      // What nobody could find by looking.
      known[1] = 1_000
      known[SIZES_FIELDS + 1] = 1_000
      const passing = await list({ ...request, known, areMarksKept: true })
      assert.equal(passing.keptCount, 1_002)
      assert.equal(passing.loose.length, 5)
      assert.deepEqual(passing.known.subarray(0, SIZES_FIELDS), known.subarray(0, SIZES_FIELDS))
      // Other marks, another change time, a change too short ago.
      assert.equal((await list({ ...request, known, areMarksKept: false })).keptCount, 5)
      const touched = known.slice()
      touched[0] = (touched[0] ?? 0) - 1
      assert.equal((await list({ ...request, known: touched, areMarksKept: true })).keptCount, 5)
      const young = await list({ ...request, nowMs: Date.now() })
      assert.equal(
        (await list({ ...request, known: young.known, areMarksKept: true })).keptCount,
        5,
      )
    })
  }
})
