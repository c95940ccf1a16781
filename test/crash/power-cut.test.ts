/**
 * Loss of power on real file systems, with the syncs of other programs beside: what was answered as finished is there
 * and restores, nothing half is listed, and what is left of an interrupted backup's chunks never counts as whole. A few
 * cuts; `npm run crash` makes many.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { tokenEnvironment } from '../support/cairn-data.ts'
import { startCairn } from '../support/cairn-process.ts'
import { checkAfterCrash, makeCrashData } from '../support/crash-rig.ts'
import { powerCutLacks } from '../support/power-cut.ts'
import { backUpSmall, connectTo } from '../support/small-backups.ts'
import { Random } from '../simulator/random.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { PowerRig, STEP_SERVER } from './power-rounds.ts'
import { SEED } from './seed.ts'

/** Of each kind and file system. */
const ROUNDS = Number(process.env['CAIRN_CRASH_ROUNDS'] ?? 2)
const random = new Random(SEED)
/** Chunks of the interrupted backups, five steps each. */
const BULK_COUNT = 20
const STEP_MIN = 10
const STEP_MAX = 190

suite('power cut', () => {
  for (const kind of ['ext4', 'xfs'] as const) {
    test(`${kind}: right after finish, and in the middle of a backup`, {
      skip: powerCutLacks(kind) ?? false,
    }, async (context) => {
      const folder = await makeTemporaryFolder(context, { onDisk: true })
      using rig = await PowerRig.open(join(folder, 'disk'), { kind, syncLevel: 'filesystem' })
      for (let round = 0; round < ROUNDS; round += 1) {
        await rig.cutAfterFinish({ bulkCount: BULK_COUNT })
        const at = STEP_MIN + random.below(STEP_MAX - STEP_MIN)
        const { damagedCount, wasAnswered } = await rig.cutAtStep(at, { bulkCount: BULK_COUNT })
        const end = wasAnswered ? 'answered before' : 'interrupted'
        context.diagnostic(`before step ${at}: ${end}, ${damagedCount} chunk files damaged`)
      }
    })
  }

  test('ext4, level file: right after finish', {
    skip: powerCutLacks('ext4') ?? false,
  }, async (context) => {
    const folder = await makeTemporaryFolder(context, { onDisk: true })
    using rig = await PowerRig.open(join(folder, 'disk'), { kind: 'ext4', syncLevel: 'file' })
    for (let round = 0; round < ROUNDS; round += 1) await rig.cutAfterFinish({ bulkCount: 5 })
  })

  test('chunks that turned into zeros of their size are written again', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const data = await makeCrashData(join(folder, 'data'))
    const chunks = join(data.data, 'main', '.chunks')
    const before = new Set(chunkFiles(chunks))
    const environment = { CAIRN_STEP_NAME: 'handle.syncFileSystem /main' }
    {
      await using server = await startCairn(data.data, { program: STEP_SERVER, environment })
      await using connection = await connectTo(tokenEnvironment(data, server))
      await assert.rejects(backUpSmall(connection, { number: 2 }))
    }
    const made = chunkFiles(chunks).filter((path) => !before.has(path))
    assert.equal(made.length, 2)
    for (const path of made) {
      const { atime, mtime } = statSync(path)
      writeFileSync(path, Buffer.alloc(readFileSync(path).length))
      utimesSync(path, atime, mtime)
    }
    await checkAfterCrash(data, { there: [1], next: { number: 3, content: 2 }, step: 'zeros' })
  })
})

function chunkFiles(chunks: string): string[] {
  return readdirSync(chunks).flatMap((prefix) =>
    readdirSync(join(chunks, prefix)).map((name) => join(chunks, prefix, name)),
  )
}
