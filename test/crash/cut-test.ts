/** The test of many power cuts, of one kind of file system: a file for each, so that both cores work. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { type CutFileSystem, powerCutLacks } from '../support/power-cut.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { cutOften } from './cut-rounds.ts'

/** 300 with both kinds. */
const CUTS = Number(process.env['CAIRN_CRASH_CUTS'] ?? 150)
/** On a machine that does much else there are fewer: no file may take four minutes. */
const DURATION_MAX_MS = Number(process.env['CAIRN_CRASH_SECONDS'] ?? 90) * 1000
/** Among so many some lose a chunk, whatever the seed: 150 were seen in which none did. */
const TELLING_COUNT = 1000
const SEED_MAX = 2 ** 32

/** `CAIRN_CRASH_CUTS` cuts with a new seed, or with `CAIRN_CRASH_SEED`. */
export function testCuts(kind: CutFileSystem): void {
  suite('power cuts', () => {
    test(
      `${CUTS} on ${kind}, at every named step and at random`,
      {
        skip: powerCutLacks(kind) ?? false,
      },
      async (context) => await cutMany(kind, context),
    )
  })
}

async function cutMany(kind: CutFileSystem, context: TestContext): Promise<void> {
  const folder = await makeTemporaryFolder(context)
  const seed = Number(process.env['CAIRN_CRASH_SEED'] ?? randomInt(SEED_MAX))
  context.diagnostic(`seed ${seed}`)
  const summary = await cutOften(join(folder, 'disk'), {
    kind,
    seed,
    count: CUTS,
    durationMaxMs: DURATION_MAX_MS,
  })
  const { cutCount, afterAnswerCount, damagedCount, stepCounts } = summary
  context.diagnostic(
    `${cutCount} cuts, ${afterAnswerCount} after an answer, ${stepCounts.size} kinds of steps, ` +
      `${damagedCount} chunk files damaged`,
  )
  // A disk that loses nothing, or a hook that stops nothing, would show nothing.
  assert.ok(cutCount < TELLING_COUNT || damagedCount > 0)
  assert.ok(stepCounts.size >= (cutCount - afterAnswerCount) / 3)
}
