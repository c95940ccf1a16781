/** The test of many power cuts, of one kind of file system: a file for each, so that both cores work. */
import assert from 'node:assert/strict'
import { mkdirSync, openSync, closeSync, fsyncSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { CutDisk, type CutFileSystem, powerCutLacks } from '../support/power-cut.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { cutOften } from './cut-rounds.ts'
import { SEED } from './seed.ts'

/** 300 with both kinds. */
const CUTS = Number(process.env['CAIRN_CRASH_CUTS'] ?? 150)
/** On a machine that does much else there are fewer: no file may take four minutes. */
const DURATION_MAX_MS = Number(process.env['CAIRN_CRASH_SECONDS'] ?? 90) * 1000
/** Of each file that is kept, and of each that is lost. */
const CONTENT = Buffer.alloc(100_000, 'content')

/** `CAIRN_CRASH_CUTS` cuts with a new seed, or with `CAIRN_CRASH_SEED`. */
export function testCuts(kind: CutFileSystem): void {
  suite('power cuts', () => {
    test(
      `a cut on ${kind} loses what was not synced, and only that`,
      {
        skip: powerCutLacks(kind) ?? false,
      },
      async (context) => await showLoss(kind, context),
    )

    test(
      `${CUTS} on ${kind}, at every named step and at random`,
      {
        skip: powerCutLacks(kind) ?? false,
      },
      async (context) => await cutMany(kind, context),
    )
  })
}

/** A disk that loses nothing would show nothing; how many chunks many cuts damage is chance. */
async function showLoss(kind: CutFileSystem, context: TestContext): Promise<void> {
  using disk = new CutDisk(join(await makeTemporaryFolder(context), 'disk'), kind)
  const [kept, lost] = [join(disk.folder, 'kept'), join(disk.folder, 'lost')]
  for (const folder of [kept, lost]) mkdirSync(folder)
  for (const path of [disk.folder, kept, lost]) sync(path)
  for (const number of [1, 2, 3]) {
    writeFileSync(join(kept, `${number}`), CONTENT)
    sync(join(kept, `${number}`))
  }
  sync(kept)
  for (const number of [1, 2, 3]) writeFileSync(join(lost, `${number}`), CONTENT)
  disk.cut()
  for (const number of [1, 2, 3]) {
    assert.ok(readFileSync(join(kept, `${number}`)).equals(CONTENT), `kept ${number}`)
    assert.ok(!isThere(join(lost, `${number}`)), `lost ${number}`)
  }
}

function isThere(path: string): boolean {
  try {
    return readFileSync(path).equals(CONTENT)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r')
  fsyncSync(file)
  closeSync(file)
}

async function cutMany(kind: CutFileSystem, context: TestContext): Promise<void> {
  const folder = await makeTemporaryFolder(context)
  context.diagnostic(`seed ${SEED}`)
  const summary = await cutOften(join(folder, 'disk'), {
    kind,
    seed: SEED,
    count: CUTS,
    durationMaxMs: DURATION_MAX_MS,
  })
  const { cutCount, afterAnswerCount, damagedCount, stepCounts } = summary
  context.diagnostic(
    `${cutCount} cuts, ${afterAnswerCount} after an answer, ${stepCounts.size} kinds of steps, ` +
      `${damagedCount} chunk files damaged`,
  )
  // A hook that stops nothing would show nothing.
  assert.ok(stepCounts.size >= (cutCount - afterAnswerCount) / 3)
}
