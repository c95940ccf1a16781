/**
 * Loss of power under a ledger (races.md ): what was condemned has no entry and is a suspect, whatever else of
 * the file is lost. A few cuts; `CAIRN_CRASH_ROUNDS` makes more.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { suite, test } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentLog } from '../../src/base/log.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { type Digest, digestToBytes } from '../../src/formats/digest.ts'
import { chunkKey } from '../../src/storage/bucket-chunks/chunk-keys.ts'
import { SqliteLedger } from '../../src/storage/bucket-chunks/sqlite-ledger.ts'
import { CutDisk, powerCutLacks } from '../support/power-cut.ts'
import { Random } from '../simulator/random.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { SEED } from './seed.ts'

const ROUNDS = Number(process.env['CAIRN_CRASH_ROUNDS'] ?? 2)
const random = new Random(SEED)
/** Batches before a cut. */
const BATCHES_MAX = 40
const LOAD = join(import.meta.dirname, 'ledger-load.ts')

suite('power cut under a ledger', () => {
  for (const kind of ['ext4', 'xfs'] as const) {
    test(`${kind}: what was condemned stays so`, {
      skip: powerCutLacks(kind) ?? false,
    }, async (context) => {
      const folder = await makeTemporaryFolder(context, { onDisk: true })
      for (let round = 0; round < ROUNDS; round += 1) {
        using disk = new CutDisk(join(folder, `disk${round}`), kind)
        const path = join(disk.folder, 'ledger.sqlite')
        const condemned = await condemnUntilCut(disk, path, 1 + random.below(BATCHES_MAX - 1))
        const left = await checkLedger(path, condemned)
        context.diagnostic(`${condemned.length} condemned, ${left} other entries left`)
      }
    })
  }
})

/** Runs the load until so many batches were said to be durable, and cuts the power. */
async function condemnUntilCut(disk: CutDisk, path: string, batchCount: number): Promise<Digest[]> {
  const child = spawn(process.execPath, [LOAD, path], { stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = once(child, 'exit')
  const condemned: Digest[] = []
  let count = 0
  for await (const line of createInterface(child.stdout)) {
    condemned.push(...(JSON.parse(line) as Digest[]))
    count += 1
    if (count === batchCount) break
  }
  assert.equal(count, batchCount, 'the load ran')
  disk.stop()
  child.kill('SIGKILL')
  await exited
  disk.restart()
  return condemned
}

/** The number of other entries that are left. */
async function checkLedger(path: string, condemned: readonly Digest[]): Promise<number> {
  const lines: string[] = []
  const log = { ...silentLog, warn: (line: string) => void lines.push(line) }
  const ledger = await SqliteLedger.open(nodeFileSystem, { path, clock: systemClock, log })
  try {
    assert.deepEqual(lines, [])
    for (const digest of condemned) {
      assert.equal(ledger.knowsAt(digestToBytes(digest), 0), null, `${digest} came back`)
      assert.ok(ledger.isSuspect(chunkKey('store1', digest)), `${digest} is no suspect`)
    }
    const zero = '0'.repeat(64) as Digest
    return (await ledger.entries(zero, null, 1_000_000)).length
  } finally {
    await ledger.close()
  }
}
